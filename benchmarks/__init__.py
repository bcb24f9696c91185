"""Measures the command from outside against a made-up Strava; see README.md for the figures."""
