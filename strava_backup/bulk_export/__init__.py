"""Strava's bulk export: read its ZIP or folder and import it into the archive, offline."""
