"""The measurements: each function runs its programs in rounds, and returns rows of figures."""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import accounts
from benchmarks.programs import (
    Backup,
    Old,
    Ours,
    back_up,
    export_archive,
    gunzip,
    gzip,
    import_export,
    link_files,
    list_archive,
    read_metadata,
    replay,
    start,
    unzip,
)
from benchmarks.strava import Broken, Strava
from benchmarks.table import Row, ratio

MEGA = 1_000_000


class Sizes(NamedTuple):
    """The sizes of the measured accounts and archives, and the numbers of rounds."""

    activities: int = 300
    latency: float = 0.05
    rounds: int = 3
    starts: int = 15
    stored: tuple[int, int] = (1_000, 10_000)
    metadata: int = 20_000
    bulk: int = 200 * MEGA
    fsync_delay: float = 0.02
    uploads: tuple[int, int] = (3_000, 300 * MEGA)
    recordings: tuple[int, int] = (3_000, 100 * MEGA)


def first_backup(sizes: Sizes) -> list[Row]:
    """Measure the first backup, against version 0.4.0 and against the website's minimum time."""
    ours, old, floor = [], [], []
    old_program = Old()
    with Strava("ordinary", sizes.activities) as strava:
        for number in _rounds("first backup", sizes.rounds):
            ours.append(_first(f"{number}: ours", Ours(), strava, sizes.latency))
            floor.append(_replay(number, strava, sizes.latency))
            old.append(_first(f"{number}: 0.4.0", old_program, strava, sizes.latency))
            _check_same_work(ours[-1], old[-1])
    return [
        Row(f"First backup of {sizes.activities} activities, {_latency(sizes)}"),
        Row("ours", "s", _seconds(ours)),
        Row("0.4.0, without gear", "s", _seconds(old)),
        Row("the floor: curl, website requests only", "s", _seconds(floor)),
        Row("website requests", "", [one.requests.website_requests for one in ours]),
        ratio("ours / floor", _seconds(ours), _seconds(floor), "<= 1.10"),
        ratio("0.4.0 / ours", _seconds(old), _seconds(ours), ">= 2.3"),
    ]


def slow_disk(sizes: Sizes) -> list[Row]:
    """Measure the first backup with a slow disk, from the first website request to the last."""
    ours, floor = [], []
    program = Ours(sizes.fsync_delay)
    with Strava("ordinary", sizes.activities) as strava:
        for number in _rounds("slow disk", sizes.rounds):
            ours.append(_first(f"{number}: ours", program, strava, sizes.latency))
            floor.append(_replay(number, strava, sizes.latency))
    spans = [one.requests.website_seconds for one in ours]
    shortest = [one.requests.website_seconds for one in floor]
    return [
        Row(
            f"First backup of {sizes.activities} activities, {_latency(sizes)}, "
            f"{sizes.fsync_delay * 1000:g} ms more for every fsync"
        ),
        Row("ours, the whole run", "s", _seconds(ours)),
        Row("ours, first to last website request", "s", spans),
        Row("the floor, first to last website request", "s", shortest),
        ratio("ours / floor", spans, shortest, "<= 1.12"),
    ]


def nothing_new(sizes: Sizes) -> list[Row]:
    """Measure a run that finds nothing new, in a small archive and a large one."""
    rows = [Row(f"Nothing new, metadata of {sizes.metadata / 1000:g} kB each, {_latency(sizes)}")]
    per_activity = []
    for stored in sizes.stored:
        ours, old = _nothing_new(stored, sizes)
        per_activity.append([one / stored * 1000 for one in _seconds(ours)])
        is_last = stored == sizes.stored[-1]
        rows += [
            Row(f"ours at {stored}", "s", _seconds(ours)),
            Row(f"0.4.0 at {stored}", "s", _seconds(old)),
            ratio(
                f"ours / 0.4.0 at {stored}",
                _seconds(ours),
                _seconds(old),
                "<= 0.5" if is_last else "",
            ),
            Row(f"ours at {stored}, an activity", "ms", per_activity[-1]),
            _api_requests(f"ours at {stored}, API requests", ours, "<= 53" if is_last else ""),
            _api_requests(f"0.4.0 at {stored}, API requests", old),
            Row(f"ours at {stored}, peak memory", "MB", _peaks(ours), "< 100" if is_last else ""),
            Row(f"0.4.0 at {stored}, peak memory", "MB", _peaks(old)),
        ]
    small, large = sizes.stored
    title = f"ours, time an activity at {large} / at {small}"
    return [*rows, ratio(title, per_activity[1], per_activity[0], "<= 1")]


def listing(sizes: Sizes) -> list[Row]:
    """Measure `--list`, against a run that finds nothing new and against reading the metadata."""
    stored = sizes.stored[-1]
    ours, noop, floor = [], [], []
    with Strava("rich", stored, sizes.metadata) as strava, _folder() as folder:
        archive = _empty(folder)
        _report(f"list: making an archive of {stored}")
        back_up(Ours(), strava, archive, 0)
        for label in _rounds(f"list of {stored}", sizes.rounds):
            _report(label)
            ours.append(list_archive(archive))
            noop.append(_without_downloads(back_up(Ours(), strava, archive, 0)))
            floor.append(read_metadata(archive).seconds)
            if len(ours[-1].output.splitlines()) != stored:
                raise Broken(f"the list should have {stored} lines:\n{ours[-1].output[-2000:]}")
    seconds = [one.seconds for one in ours]
    return [
        Row(f"List of {stored} activities, metadata of {sizes.metadata / 1000:g} kB each"),
        Row("ours, --list", "s", seconds, "< 2"),
        Row("ours, a run that finds nothing new, no latency", "s", _seconds(noop)),
        Row("the floor: wc reads the metadata", "s", floor),
        ratio("--list / a run that finds nothing new", seconds, _seconds(noop), "<= 0.7"),
        ratio("--list / floor", seconds, floor),
        Row("ours, peak memory", "MB", [one.peak_bytes / MEGA for one in ours], "< 100"),
    ]


def start_up(sizes: Sizes) -> list[Row]:
    """Measure the time until the program answers without a config."""
    ours, old = Ours(), Old()
    for program, argument in ((ours, "--version"), (old, "--help")):
        start(program, argument)  # not counted: the first start compiles the modules
    our_starts, old_starts = [], []
    for _ in _rounds("start-up", sizes.starts):
        our_starts.append(start(ours, "--version").seconds)
        old_starts.append(start(old, "--help").seconds)
    return [
        Row(f"Start-up, {sizes.starts} times"),
        Row("ours, --version", "s", our_starts),
        Row("0.4.0, --help", "s", old_starts),
        ratio("ours / 0.4.0", our_starts, old_starts, "<= 0.25"),
    ]


def peak_memory(sizes: Sizes) -> list[Row]:
    """Measure the memory of a first backup, with and without large files."""
    with_bulk, without = [], []
    count = sizes.activities
    with Strava("bulky", count, sizes.bulk) as large, Strava("bulky", count, 0) as small:
        for number in _rounds("peak memory", sizes.rounds):
            with_bulk.append(_first(f"{number}: large", Ours(), large, 0))
            without.append(_first(f"{number}: small", Ours(), small, 0))
    size = f"{sizes.bulk / MEGA:g} MB"
    return [
        Row(f"Peak memory of a first backup of {count} activities"),
        Row(f"with a photo of {size} and an original of {size}", "MB", _peaks(with_bulk)),
        Row("without", "MB", _peaks(without)),
        ratio("with / without", _peaks(with_bulk), _peaks(without), "<= 1"),
    ]


def imports(sizes: Sizes) -> list[Row]:
    """Measure the import of two bulk exports, against unpacking them and their originals."""
    return [
        *_imports("uploads of a device, gzipped FIT", ".fit", *sizes.uploads, sizes.rounds),
        *_imports("recordings of the app, plain GPX", ".gpx", *sizes.recordings, sizes.rounds),
    ]


def exports(sizes: Sizes) -> list[Row]:
    """Measure the export of an archive, against hard links and gzip of the same files."""
    ours, floor = [], []
    count, size = sizes.uploads
    with _folder() as folder:
        archive = _imported_archive(folder, count, size)
        for number, label in enumerate(_rounds("export", sizes.rounds)):
            _report(label)
            linked = folder / f"linked{number}"
            floor.append(link_files(archive, linked).seconds + gzip(linked).seconds)
            ours.append(export_archive(archive, folder / f"export{number}"))
    seconds = [one.seconds for one in ours]
    return [
        Row(f"Export of {count} activities, FIT of a device"),
        Row("ours", "s", seconds),
        Row("the floor: cp -al, and gzip of the originals", "s", floor),
        ratio("ours / floor", seconds, floor, "<= 2"),
        Row("ours, peak memory", "MB", [one.peak_bytes / MEGA for one in ours], "< 100"),
    ]


def _imported_archive(folder: Path, count: int, size: int) -> Path:
    """Return an archive with the activities of a bulk export of that size."""
    _report(f"export: making an archive of {count}")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(accounts.write_export, folder / "export.zip", count, size, ".fit").result()
    import_export(folder / "export.zip", folder / "archive")
    return folder / "archive"


MEASUREMENTS: dict[str, Callable[[Sizes], list[Row]]] = {
    "first": first_backup,
    "disk": slow_disk,
    "noop": nothing_new,
    "list": listing,
    "start": start_up,
    "memory": peak_memory,
    "import": imports,
    "export": exports,
}


def _nothing_new(stored: int, sizes: Sizes) -> tuple[list[Backup], list[Backup]]:
    """Run ours and version 0.4.0 on one archive; 0.4.0 recognizes the files of ours as its own."""
    ours, old = [], []
    old_program = Old()
    with Strava("rich", stored, sizes.metadata) as strava, _folder() as folder:
        archive = _empty(folder)
        _report(f"nothing new: making an archive of {stored}")
        back_up(Ours(), strava, archive, 0)
        for number in _rounds(f"nothing new at {stored}", sizes.rounds):
            _report(f"{number}: ours")
            ours.append(_without_downloads(back_up(Ours(), strava, archive, sizes.latency)))
            _report(f"{number}: 0.4.0")
            old.append(_without_downloads(back_up(old_program, strava, archive, sizes.latency)))
    return ours, old


def _imports(title: str, suffix: str, count: int, size: int, rounds: int) -> list[Row]:
    ours, floor = [], []
    with _folder() as folder:
        export = folder / "export.zip"
        _report(f"import, {title}: making an export of {count}")
        # In a separate process, because a started program's peak memory includes its parent's.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            pool.submit(accounts.write_export, export, count, size, suffix).result()
        # Deleted at the end only: file systems are slow for a while after large deletions.
        for number, label in enumerate(_rounds(f"import, {title}", rounds)):
            _report(label)
            unpacked = folder / f"unzipped{number}"
            floor.append(unzip(export, unpacked).seconds + gunzip(unpacked).seconds)
            ours.append(import_export(export, folder / f"archive{number}"))
        megabytes = export.stat().st_size / MEGA
    seconds = [one.seconds for one in ours]
    return [
        Row(f"Import of {count} activities, {title}: {megabytes:.0f} MB"),
        Row("ours", "s", seconds),
        Row("the floor: unzip, and gunzip of the originals", "s", floor),
        ratio("ours / floor", seconds, floor, "<= 1.25"),
        Row("ours, peak memory", "MB", [one.peak_bytes / MEGA for one in ours], "< 100"),
    ]


def _check_same_work(ours: Backup, old: Backup) -> None:
    """Raise Broken unless both fetched the same number of originals, details and photos."""
    for kind in ("original", "detail", "photo"):
        counts = [backup.requests.kinds.get(kind, 0) for backup in (ours, old)]
        if counts[0] != counts[1]:
            raise Broken(f"not the same work: {counts[0]} and {counts[1]} requests of {kind}")


def _without_downloads(backup: Backup) -> Backup:
    """Return the backup unchanged. Raises Broken if it downloaded anything."""
    if downloads := backup.requests.kinds.keys() & {"detail", "photos", "original", "gpx", "photo"}:
        raise Broken(f"nothing should be new, but these were requested: {', '.join(downloads)}")
    return backup


def _first(label: str, program: Ours | Old, strava: Strava, latency: float) -> Backup:
    """Run a first backup into a temporary folder."""
    _report(label)
    with _folder() as folder:
        return back_up(program, strava, _empty(folder), latency)


def _replay(label: str, strava: Strava, latency: float) -> Backup:
    """Repeat the website requests of the last run with curl, as the floor of its time."""
    _report(f"{label}: floor")
    return replay(strava.website(), strava, latency)


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="strava-backup-benchmark-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _empty(folder: Path) -> Path:
    archive = folder / "archive"
    archive.mkdir()
    return archive


def _seconds(backups: Iterable[Backup]) -> list[float]:
    return [backup.seconds for backup in backups]


def _peaks(backups: Iterable[Backup]) -> list[float]:
    return [backup.peak_bytes / MEGA for backup in backups]


def _api_requests(title: str, backups: Iterable[Backup], aim: str = "") -> Row:
    return Row(title, "", [backup.requests.api_requests for backup in backups], aim)


def _latency(sizes: Sizes) -> str:
    return f"latency {sizes.latency * 1000:g} ms"


def _rounds(title: str, count: int) -> Iterator[str]:
    for number in range(1, count + 1):
        yield f"{title}, round {number} of {count}"


def _report(text: str) -> None:
    """Report progress on standard error; standard output is for the table only."""
    sys.stderr.write(f"{text}\n")
