"""Measures the command from outside against a made-up Strava; README.md tells how to read it."""
