"""Get your own data back from Strava. Holds the version, nothing else."""

__version__ = "0.5.0"
