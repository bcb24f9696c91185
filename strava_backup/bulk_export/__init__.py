"""Strava's bulk export: read from its ZIP or folder, and taken into the archive, offline."""
