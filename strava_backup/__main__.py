"""The command, as `python -m strava_backup` and as the installed script.

Lets interrupts end the process quietly before it imports slow modules.
"""

import sys


def main() -> int:
    """Run the command and return its exit code."""
    try:
        from strava_backup import process

        process.open_missing_descriptors()
        process.end_at_once()
        from strava_backup import cli
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("strava-backup: error: interrupted; nothing was changed\n")
        return 130
    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
