"""Everything that touches the output directory. Knows nothing of Strava's servers."""
