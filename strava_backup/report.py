"""Counts and logs the results of a run, and words the summary. Prints nothing."""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from strava_backup import errors, items
from strava_backup.characters import CONTROLS, INVISIBLES

_log = logging.getLogger(__name__)

_BUG = "this is a bug in strava-backup, please report it (--debug shows where)"
_INVISIBLE = re.compile(f"[{INVISIBLES}]")
_CONTROL = re.compile(f"[{CONTROLS}]")
# The singular and the plural of each kind of item.
_NOUNS = {
    items.ORIGINAL: ("original", "originals"),
    items.GPX: ("GPX", "GPX"),
    items.PHOTO_LIST: ("photo list", "photo lists"),
    items.PHOTO: ("photo", "photos"),
    items.VIDEO: ("video", "videos"),
    items.DETAIL: ("metadata record", "metadata records"),
    items.GEAR: ("gear item", "gear items"),
    items.COMPONENTS: ("component list", "component lists"),
    items.PRIVATE_NOTE: ("private note", "private notes"),
    items.COMMENTS: ("comment list", "comment lists"),
    items.ROUTE: ("route", "routes"),
    items.METADATA: ("metadata record", "metadata records"),
    items.FILE: ("other file", "other files"),
}
_LONGEST_NAME = 60
_MOST_LINES = 20
_MOST_IN_A_LINE = 10


class Failure(NamedTuple):
    """An item that failed, the reason, and the place of its task in the order of all tasks."""

    what: str
    why: str
    place: tuple[int, ...] = ()


class Completeness(NamedTuple):
    """Compares the archive with Strava, for the requested items.

    `missing` are the incomplete activities, `nameless` the records without an id; Strava may have
    more unless `is_whole`. If --limit ended the run, `limit` is set, and the other activities were
    not examined.
    """

    on_strava: int
    missing: tuple[int, ...] = ()
    nameless: int = 0
    not_available: int = 0
    is_whole: bool = True
    lacks_photos: bool = False
    limit: int | None = None

    def __str__(self) -> str:
        """Return for example `592 on Strava: 590 complete here, 2 missing (123, 456)`."""
        lacking = len(self.missing) + self.nameless
        text = "" if self.is_whole else "at least "
        if self.limit is not None:
            selected = f"--limit selected {self.limit:,} of {text}{self.on_strava:,}"
            return f"{selected} activities on Strava"
        text += f"{self.on_strava:,} on Strava: {max(0, self.on_strava - lacking):,} complete here"
        text += " except for photos" if self.lacks_photos else ""
        text += f", {lacking:,} missing" if lacking else ""
        text += f" ({first_of(map(str, self.missing))})" if self.missing else ""
        if self.not_available:
            text += f", {count_of(self.not_available, 'item')} not available"
        return text


@dataclass
class Report:
    """The results of a run; grows during it, so that an interrupted run has a report as well."""

    listed: int = 0
    listed_saved: int = 0
    saved: Counter[str] = field(default_factory=Counter)
    saved_bytes: int = 0
    failures: list[Failure] = field(default_factory=list)
    not_available: list[Failure] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    gone: int = 0
    nameless_files: int = 0
    completeness: Completeness | None = None
    fatal: list[errors.Error] = field(default_factory=list)
    archive: str = ""
    dry_run: bool = False
    is_import: bool = False
    is_export: bool = False
    is_finished: bool = False
    has_bug: bool = False
    failed_ids: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, item: str, size: int = 0) -> None:
        """Count a saved item, and its size in bytes."""
        with self._lock:
            self.saved[item] += 1
            self.saved_bytes += size

    def count_activity(self) -> None:
        """Count an activity that was exported."""
        with self._lock:
            self.listed += 1

    def count_listed(self) -> None:
        """Count a record that was saved as it was listed."""
        with self._lock:
            self.listed_saved += 1

    def fail(
        self,
        what: str,
        error: errors.ItemError,
        activity_id: int | None = None,
        place: tuple[int, ...] = (),
    ) -> None:
        """Count and log an item that failed; its activity goes to the end of the next run."""
        failure = _failure(what, error, place)
        with self._lock:
            self.failures.append(failure)
            if activity_id is not None:
                self.failed_ids.add(activity_id)
        _log.warning("%s: %s", failure.what, failure.why)

    def fail_with_bug(
        self,
        what: str,
        error: Exception,
        activity_id: int | None = None,
        place: tuple[int, ...] = (),
    ) -> None:
        """Count an item for which something unexpected was raised, and log it as a bug.

        Without --debug only the type of the error is logged: its text may quote anything.
        """
        self.has_bug = True
        name = type(error).__name__
        self.fail(what, errors.ItemError(f"{name}: {_BUG}"), activity_id, place)
        _log.debug("%s", what, exc_info=error)

    def add_unavailable(
        self, what: str, error: errors.ItemError, place: tuple[int, ...] = ()
    ) -> None:
        """Count an item that is not available."""
        with self._lock:
            self.not_available.append(_failure(what, error, place))

    @contextmanager
    def guarding(self, what: str, activity_id: int | None = None) -> Iterator[None]:
        """Count an error of one item that is raised in here, so that the others are handled."""
        try:
            yield
        except errors.ItemError as error:
            self.fail(what, error, activity_id)
        except errors.Error:
            raise
        except Exception as error:
            self.fail_with_bug(what, error, activity_id)

    @property
    def exit_code(self) -> int:
        """Return the exit code of the run, by the precedence in `errors`."""
        codes = [error.exit_code for error in self.fatal]
        if self.failures:
            codes.append(errors.ItemError.exit_code)
        if self.has_bug:
            codes.append(errors.Error.exit_code)
        return errors.worst(codes)

    def interrupted_line(self) -> str:
        """Return the summary of an interrupted run, without conclusions."""
        return self._unfinished_line("interrupted")

    def _unfinished_line(self, end: str) -> str:
        if not self.archive or self.dry_run:
            return f"{end}; nothing was changed"
        saved = self._saved(with_listed=True)
        done = f": saved {saved}" if saved else ""
        return f"{end}{done}; what was saved stays, the next run goes on from here"

    def _saved(self, *, with_listed: bool) -> str:
        """Return the saved items and their size; empty if there are none."""
        saved = Counter(self.saved)
        if with_listed:
            # A fetched record replaces the listed one of the same activity.
            saved[items.METADATA] += max(0, self.listed_saved - saved[items.DETAIL])
        size = f" ({format_size(self.saved_bytes)})" if self.saved_bytes else ""
        return f"{_counts(saved)}{size}" if saved.total() else ""

    def problem_lines(self) -> list[str]:
        """Return the problems: errors that ended a part of the run, then the failed items."""
        lines = [str(error) for error in self.fatal]
        if self.failures:
            again = "may be available later" if self.is_import else "tried again next time"
            again = "the export is without them" if self.is_export else again
            lines.append(f"{count_of(len(self.failures), 'item')} failed, {again}:")
            lines += _listed(self.failures)
        if self.left:
            lines.append(f"not fetched this time: {_counts(self.left)}")
        return lines

    def lines(self) -> list[str]:
        """Return the summary; an unfinished run has no conclusions."""
        if not self.is_finished:
            return [self._unfinished_line("stopped early")]
        listed = count_of(self.listed, "activity", "activities")
        where = "in the export" if self.is_import or self.is_export else "on Strava"
        if self.nameless_files:
            where += f", {count_of(self.nameless_files, 'file')} of unknown activities"
        # An aborted run has no comparison with Strava.
        head = f"{self.completeness}; " if self.completeness else f"{listed} {where}: "
        gone = f"{self.gone:,} deleted there, kept here; " if self.gone else ""
        lines = [f"{head}{gone}{self._done()}"]
        if self.not_available:
            lines.append(f"{count_of(len(self.not_available), 'item')} not available from Strava:")
            lines += _listed(self.not_available)
        return lines

    def _done(self) -> str:
        is_well = self.exit_code == errors.OK
        if self.dry_run:
            verb = "save" if self.is_import else "fetch"
            nothing = "nothing is missing" if is_well else f"nothing was found to {verb}"
            return f"would {verb} {_counts(self.saved)}" if self.saved else nothing
        # Metadata saved from the list is mentioned only if nothing else was saved.
        saved = self._saved(with_listed=not self.saved)
        if not saved:
            return "nothing new" if is_well else "nothing was saved"
        return f"saved {saved} in {self.archive}" if self.archive else f"saved {saved}"


def printable(name: str, limit: int = _LONGEST_NAME) -> str:
    """Return a text from Strava as one short line without control characters."""
    if not name.isprintable():
        name = _CONTROL.sub("?", " ".join(_INVISIBLE.sub("", name).split()))
    line = " ".join(name.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def format_size(size: int) -> str:
    """Return a size in bytes as text: 999 B, 1.5 kB, 23 MB (powers of 1000)."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if round(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def format_duration(seconds: float) -> str:
    """Return a duration as text: 5 min, 2 h 10 min."""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def first_of(texts: Iterable[str]) -> str:
    """Return the first ten texts in one line: `1, 2, 3`, or `1, 2 and 12 more`."""
    texts = list(texts)
    line = ", ".join(texts[:_MOST_IN_A_LINE])
    more = len(texts) - _MOST_IN_A_LINE
    return f"{line} and {more:,} more" if more > 0 else line


def _failure(what: str, error: errors.ItemError, place: tuple[int, ...]) -> Failure:
    return Failure(what, printable(str(error), limit=300), place)


def _listed(failures: list[Failure]) -> list[str]:
    in_order = sorted(failures, key=lambda failure: failure.place)
    lines = [f"  {failure.what}: {failure.why}" for failure in in_order[:_MOST_LINES]]
    if len(failures) > _MOST_LINES:
        lines.append(f"  and {len(failures) - _MOST_LINES} more")
    return lines


def count_of_items(number: int, item: str) -> str:
    """Return a number of items of a kind: `2 originals`."""
    return count_of(number, *_NOUNS[item])


def _counts(counter: Counter[str]) -> str:
    counts = Counter(counter)
    counts[items.DETAIL] += counts.pop(items.METADATA, 0)
    return ", ".join(
        count_of(counts[item], *nouns) for item, nouns in _NOUNS.items() if counts[item]
    )


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Return a number and its noun: `1 photo`, `2,000 photos`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
