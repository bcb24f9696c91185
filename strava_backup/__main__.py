"""Lets `python -m strava_backup` be the command. Does nothing else."""

from strava_backup.cli import main

raise SystemExit(main())
