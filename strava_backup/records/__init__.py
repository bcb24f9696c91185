"""What is kept of the records that Strava sends."""
