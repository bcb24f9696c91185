"""Everything that touches the output directory. Independent of Strava's servers."""
