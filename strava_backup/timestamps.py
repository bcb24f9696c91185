"""Pure: moments as text."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_timestamp(moment: datetime) -> str:
    """Return an aware moment in UTC and whole seconds, like `2026-05-06T07:08:09Z`."""
    # Not strftime: it does not pad years before 1000 on every system.
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
