"""Everything that talks to Strava. Knows nothing of the archive."""
