"""`python -m benchmarks`: reads the options, runs the measurements, prints the table."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence

from benchmarks import table
from benchmarks.measurements import MEASUREMENTS, Sizes
from benchmarks.strava import Broken

_QUICK = Sizes(
    activities=10,
    latency=0.002,
    rounds=1,
    starts=1,
    stored=(10, 20),
    bulk=2_000_000,
    fsync_delay=0.001,
    uploads=(20, 2_000_000),
    recordings=(20, 2_000_000),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 if a program failed or behaved unexpectedly."""
    options = _parser().parse_args(argv)
    load = "/".join(f"{one:.1f}" for one in os.getloadavg())
    names = options.only or list(MEASUREMENTS)
    try:
        rows = [row for name in names for row in MEASUREMENTS[name](_sizes(options))]
    except Broken as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("\n".join([_machine(load), "", *table.lines(rows)]) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--activities", type=_positive, metavar="N", help="in a first backup (default: 300)")
    add(
        "--held",
        dest="stored",
        type=_positive,
        nargs=2,
        metavar=("SMALL", "LARGE"),
        help="activities in the archives without anything new (default: 1000 10000)",
    )
    add("--latency", type=float, metavar="MS", help="of every answer (default: 50)")
    add("--quick", action="store_true", help="tiny sizes, one round: does it work at all?")
    add("--only", action="append", choices=MEASUREMENTS, help="measure this (may be repeated)")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = _QUICK if options.quick else Sizes()
    if options.activities is not None:
        sizes = sizes._replace(activities=options.activities)
    if options.stored is not None:
        sizes = sizes._replace(stored=tuple(options.stored))
    if options.latency is not None:
        sizes = sizes._replace(latency=options.latency / 1000)
    return sizes


def _machine(load: str) -> str:
    return (
        f"Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}, load {load} at the start"
    )


if __name__ == "__main__":
    raise SystemExit(main())
