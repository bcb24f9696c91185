from __future__ import annotations

import errno
import json
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest

from strava_backup import errors
from strava_backup.archive.atomic import Draft
from strava_backup.archive.checksums import Checksums
from strava_backup.archive.directory import Archive, DiskError
from strava_backup.demo import files
from strava_backup.demo.pictures import picture
from strava_backup.keeper import Keeper
from strava_backup.lanes import Crew, Done, Lanes, Task
from strava_backup.report import Report
from strava_backup.strava.transport import Download
from tests.conftest import DAY, NOW, read_files

META = PurePosixPath("activities/2026/7.meta.json")
NOTED = META.with_name("8.meta.json")
STEM = PurePosixPath("activities/2026/2026-05-06T07-08-09Z_7")
FIT = files.fit(datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC), 20)
JPEG = picture("jpg", "a", 48, 64)
REFUSED = errors.Refused("Strava answers 404 (not found)", "404")


class Rig:
    """A keeper with an archive, and lanes that lead nowhere."""

    def __init__(self, root, clock):
        self.clock = clock
        self.report = Report()
        self.lanes = Lanes(self.report, "api")
        self.archive = Archive(root)
        self.archive.prepare(with_parents=False)
        self.keeper = Keeper(self.archive, self.report, clock)

    def task(self, fetch=Done, lane=None, item="original"):
        return Task(item, "activity 7 Ride", lane or self.lanes.website, META, fetch, 7)

    def failing(self, error, lane=None, item="original"):
        def fetch():
            raise error

        return self.task(fetch, lane, item)

    def work_off(self, tasks):
        """What came, in words; lanes are good for one time."""
        jobs = []
        with Crew(self.keeper.attempt, jobs.append, lambda: None) as crew:
            crew.add("a job", tasks)
            crew.wait()
        self.lanes = Lanes(self.report, "api")
        return [text for job in jobs for text in job.came]

    def files(self):
        """What is in the archive, but for the checksums and the notes of `save`."""
        files = read_files(self.archive.root)
        files.pop("SHA256SUMS", None)
        files.pop(str(NOTED), None)
        return files

    def save(self, stem, download, **more):
        """Save a file whose note goes where `files` does not look."""
        task = self.task()._replace(metadata=NOTED)
        return self.keeper.save_file(task, stem, download, noting, **more)

    def note(self):
        return json.loads(read_files(self.archive.root)[str(NOTED)])["strava_backup"]

    def ours(self):
        return json.loads(self.files()[str(META)])["strava_backup"]


@pytest.fixture
def rig(tmp_path, clock):
    return Rig(tmp_path / "archive", clock)


def noting(ours, sent_name, odd, file):
    assert file.startswith(STEM.name)
    return {**ours, "name": sent_name, "odd": odd}


def sending(*bodies, name="Ride.fit"):
    """A download that sends one body after the other, the last one for ever; and its count.

    A body that is an error breaks off in the middle.
    """
    sent = []

    def chunks(body):
        if isinstance(body, Exception):
            yield b"half"
            raise body
        yield body[:10]
        yield body[10:]

    @contextmanager
    def download():
        sent.append(bodies[min(len(sent), len(bodies) - 1)])
        yield Download(name, chunks(sent[-1]))

    return download, sent


# Working off


def test_tasks_are_worked_off_in_their_order_and_what_they_lead_to_comes_next(rig):
    order = []

    def task(name, *leads_to):
        def fetch():
            order.append(name)
            return Done(name if name != "quiet" else "", leads_to)

        return rig.task(fetch)

    first = task("a", task("a1", task("a1x")), task("a2"))
    texts = rig.work_off([first, task("quiet"), task("b")])
    assert order == ["a", "a1", "a1x", "a2", "quiet", "b"]
    assert texts == ["a", "a1", "a1x", "a2", "b"]
    assert rig.report == Report()


def test_an_item_that_fails_is_counted_and_the_next_one_is_fetched(rig):
    texts = rig.work_off([rig.failing(errors.ItemError("odd")), rig.task(lambda: Done("b"))])
    assert texts == ["b"]
    assert rig.report.failures == [("activity 7 Ride, original", "odd")]
    assert rig.keeper.failed_ids == {7}
    assert rig.report.exit_code == 3
    assert rig.files() == {}


@pytest.mark.parametrize(
    ("error", "code"),
    [(errors.SessionOver("over"), 4), (errors.LimitReached("429"), 5)],
)
def test_a_fatal_error_ends_its_lane_and_what_is_left_of_it_is_counted(rig, error, code):
    tasks = [
        rig.failing(error),
        rig.task(lambda: Done("never")),
        rig.task(lambda: Done("never"), item="gpx"),
        rig.task(lambda: Done("detail"), rig.lanes.source, "detail"),
    ]
    assert rig.work_off(tasks) == ["detail"]
    assert rig.report.left == {"original": 2, "gpx": 1}
    assert rig.report.fatal == [error]
    assert rig.report.failures == []
    assert rig.report.exit_code == code


def test_three_items_in_a_row_that_cannot_be_reached_end_the_lane(rig):
    tasks = [rig.failing(errors.Unreachable("no answer")) for _ in range(5)]
    rig.work_off(tasks)
    rig.keeper.settle()
    assert len(rig.report.failures) == 3
    assert rig.report.left == {"original": 2}
    assert rig.report.exit_code == 5


def test_an_item_that_comes_in_between_keeps_the_lane_open(rig):
    bad = rig.failing(errors.Unreachable("no answer"))
    rig.work_off([bad, bad, rig.task(), bad, bad])
    rig.keeper.settle()
    assert rig.report.exit_code == 3


@pytest.mark.parametrize("error", [DiskError("disk full"), errors.Error("a bug")])
def test_an_error_that_is_no_items_own_stops_everything(rig, error):
    with pytest.raises(type(error)):
        rig.work_off([rig.failing(error), rig.task()])


def test_what_the_end_of_a_lane_shows_to_be_the_ways_fault_is_none_of_the_items(rig):
    error = errors.CutShort("cut", why="cut short")
    rig.work_off([rig.failing(error, item="photo") for _ in range(3)])
    rig.keeper.settle()
    assert len(rig.report.failures) == 3
    assert rig.files() == {}


# Refusals


def refuse(rig, error=REFUSED, item="original"):
    """The number of failures, and of items given up, that one refusal makes."""
    rig.report.failures.clear()
    rig.report.given_up.clear()
    rig.keeper.failed_ids.clear()
    rig.work_off([rig.failing(error, item=item)])
    rig.keeper.settle()
    return len(rig.report.failures), len(rig.report.given_up)


def test_a_refusal_counts_as_failed_on_two_days_and_as_not_to_be_had_on_the_third(rig):
    assert refuse(rig) == (1, 0)
    assert refuse(rig) == (1, 0)
    assert rig.keeper.failed_ids == {7}
    rig.clock.now += DAY
    assert refuse(rig) == (1, 0)
    rig.clock.now += DAY
    assert refuse(rig) == (0, 1)
    assert rig.keeper.failed_ids == set()
    days = ["2026-11-22", "2026-11-23", "2026-11-24"]
    assert rig.ours() == {"refused": {"original": {"why": "404", "on": days}}}


def test_a_passing_fault_is_not_noted(rig):
    for _ in range(4):
        assert refuse(rig, errors.ItemError("an empty file", why="empty")) == (1, 0)
        rig.clock.now += DAY
    assert rig.files() == {}


def test_whatever_a_photo_host_answers_is_noted(rig):
    assert refuse(rig, errors.CutShort("cut", why="cut short"), "photo") == (1, 0)
    assert rig.ours()["refused"]["photo"]["why"] == "cut short"


def test_what_is_said_of_an_item_goes_to_no_terminal_as_a_command(rig, caplog):
    hostile = errors.Refused("host \x1b[31m.example.org\n\nanswers", "404")
    for _ in range(3):
        refuse(rig, hostile)
        rig.clock.now += DAY
    (given_up,) = rig.report.given_up
    assert given_up.why == "host ?[31m.example.org answers"
    assert "\x1b" not in caplog.text


# Metadata


def test_metadata_is_written_once_and_again_only_when_it_changes(rig):
    assert rig.keeper.save_record(META, {"id": 7, "resource_state": 3, "name": "Ride"})
    path = rig.archive.root / META
    before = path.stat().st_mtime_ns
    again = {"name": "Ride", "id": 7, "resource_state": 3, "strava_backup": {"fetched_at": "2026"}}
    assert not rig.keeper.save_record(META, again)
    assert path.stat().st_mtime_ns == before
    assert rig.keeper.save_record(META, {"id": 7, "resource_state": 3, "name": "Run"})
    assert json.loads(path.read_bytes())["name"] == "Run"


def test_a_change_of_the_essence_is_kept_in_history(rig):
    rig.keeper.save_record(META, {"id": 7, "resource_state": 3, "name": "Ride"})
    before = rig.files()[str(META)]
    rig.keeper.save_record(META, {"id": 7, "resource_state": 3, "name": "Run"})
    assert rig.files()[f"history/{META}.2026-11-22T10-00-00Z.json"] == before


def test_a_change_beside_the_essence_is_not(rig):
    rig.keeper.save_record(META, {"id": 7, "resource_state": 3, "kudos_count": 1})
    rig.keeper.save_record(META, {"id": 7, "resource_state": 3, "kudos_count": 2})
    rig.keeper.save_record(META, {"id": 8, "resource_state": 3}, essence=lambda record: None)
    assert list(rig.files()) == [str(META)]


def test_a_note_changes_our_key_alone_and_makes_no_history(rig):
    rig.keeper.save_record(META, {"id": 7, "resource_state": 3, "strava_backup": {"source": "api"}})
    ours = rig.keeper.note(META, lambda ours: {**ours, "more": 1})
    assert ours == {"source": "api", "more": 1}
    record = json.loads(rig.files()[str(META)])
    assert record == {"id": 7, "resource_state": 3, "strava_backup": ours}
    assert list(rig.files()) == [str(META)]


def test_a_note_needs_no_metadata_that_was_there_before(rig):
    assert rig.keeper.note(META, lambda ours: {**ours, "more": 1}) == {"more": 1}
    assert json.loads(rig.files()[str(META)]) == {"strava_backup": {"more": 1}}


# Files


def test_a_file_is_saved_under_its_true_suffix_and_counted(rig):
    download, sent = sending(FIT)
    saved = rig.save(STEM, download)
    assert rig.files() == {f"{STEM}.fit": FIT}
    assert saved == (".fit", len(FIT), None, None)
    assert rig.note() == {"name": "Ride.fit", "odd": None}
    assert rig.report.saved == {"original": 1}
    assert rig.report.saved_bytes == len(FIT)
    assert len(sent) == 1


def test_a_picture_named_otherwise_is_fetched_once_only(rig):
    download, sent = sending(JPEG, name="/a.png")
    assert rig.save(STEM, download).odd is None
    assert rig.files() == {f"{STEM}.jpg": JPEG}
    assert len(sent) == 1


def test_a_body_that_breaks_off_is_fetched_three_times_at_most(rig):
    cut = errors.CutShort("cut")
    download, sent = sending(cut, cut, FIT)
    rig.save(STEM, download)
    assert rig.files() == {f"{STEM}.fit": FIT}
    assert len(sent) == 3

    download, sent = sending(cut)
    with pytest.raises(errors.CutShort):
        rig.save(STEM.with_name("2_8"), download)
    assert len(sent) == 3
    assert rig.files() == {f"{STEM}.fit": FIT}


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 40])
def test_a_body_is_saved_whole_in_however_many_chunks_it_comes(rig, count):
    size = -(-len(FIT) // count)
    chunks = [FIT[start : start + size] for start in range(0, len(FIT), size)]
    chunks += [b""] * (count - len(chunks))

    @contextmanager
    def download():
        yield Download("Ride.fit", iter(chunks))

    assert rig.save(STEM, download).size == len(FIT)
    assert rig.files() == {f"{STEM}.fit": FIT}


@pytest.mark.parametrize("chunk", [1, 10, 50])
def test_a_page_in_small_pieces_is_known_before_the_next_request(rig, chunk):
    page = b"<!DOCTYPE html><html></html>"
    turns = []

    @contextmanager
    def download():
        yield Download("Ride.fit", (page[at : at + chunk] for at in range(0, len(page), chunk)))
        turns.append("no error within the turn")

    with pytest.raises(errors.PageInstead):
        rig.save(STEM, download)
    assert turns == []


@pytest.mark.parametrize(
    ("body", "error", "why"),
    [
        (b"", errors.ItemError, "empty"),
        (b"<!DOCTYPE html><html></html>", errors.PageInstead, "a web page"),
        (errors.ItemError("it is larger than 2 GiB", "too large"), errors.ItemError, "too large"),
        (REFUSED, errors.Refused, "404"),
    ],
)
def test_what_is_no_file_is_asked_for_once_and_leaves_nothing(rig, body, error, why):
    download, sent = sending(body)
    with pytest.raises(errors.ItemError) as caught:
        rig.save(STEM, download)
    assert type(caught.value) is error
    assert caught.value.why == why
    assert len(sent) == 1
    assert rig.files() == {}
    assert not rig.report.saved


def test_an_odd_file_is_fetched_twice_and_kept_if_it_comes_the_same(rig, caplog):
    download, sent = sending(FIT[:-1])
    saved = rig.save(STEM, download)
    assert saved.odd == "the FIT checksum is missing"
    assert rig.files() == {f"{STEM}.fit": FIT[:-1]}
    assert len(sent) == 2
    assert "activity 7 Ride: the original is odd: the FIT checksum" in caplog.text


@pytest.mark.parametrize("second", [FIT, FIT[:-2], b""])
def test_an_odd_file_that_comes_differently_is_not_kept(rig, second):
    download, _ = sending(FIT[:-1], second)
    with pytest.raises(errors.ItemError, match="differently"):
        rig.save(STEM, download)
    assert rig.files() == {}


def test_an_odd_file_whose_second_body_breaks_off_is_tried_again(rig):
    download, sent = sending(FIT[:-1], errors.CutShort("cut"), FIT)
    assert rig.save(STEM, download).odd is None
    assert rig.files() == {f"{STEM}.fit": FIT}
    assert len(sent) == 3


def test_with_one_suffix_asked_for_no_other_file_is_taken(rig):
    download, _ = sending(FIT, name="Ride.gpx")
    with pytest.raises(errors.ItemError, match=r"\.fit in place of \.gpx"):
        rig.save(STEM, download, only=".gpx")
    assert read_files(rig.archive.root) == {}


def test_a_file_that_is_there_is_never_overwritten(rig):
    rig.save(STEM, sending(FIT)[0])
    with pytest.raises(errors.ItemError, match="not overwritten"):
        rig.save(STEM, sending(FIT + FIT, name="Other.fit")[0])
    assert rig.files() == {f"{STEM}.fit": FIT}
    assert rig.note()["name"] == "Ride.fit"


def test_a_file_is_noted_before_it_has_its_name(rig, monkeypatch):
    noted = []
    save_as = Draft.save_as

    def watched(draft, path, **options):
        if path.suffix == ".fit":
            noted.append((rig.note(), path.exists()))
        save_as(draft, path, **options)

    monkeypatch.setattr(Draft, "save_as", watched)
    rig.save(STEM, sending(FIT)[0])
    assert noted == [({"name": "Ride.fit", "odd": None}, False)]
    assert rig.files() == {f"{STEM}.fit": FIT}


@pytest.mark.parametrize("before", [{"original": {"absent": "redirect"}}, {}])
def test_a_file_that_does_not_get_its_name_is_not_noted(rig, monkeypatch, before):
    rig.keeper.save_record(NOTED, {"id": 8, "resource_state": 3, "strava_backup": before})
    save_as = Draft.save_as

    def failing(draft, path, **options):
        if path.suffix == ".fit":
            raise OSError(errno.ENOSPC, "No space left on device")
        save_as(draft, path, **options)

    monkeypatch.setattr(Draft, "save_as", failing)
    with pytest.raises(DiskError, match="No space left"):
        rig.save(STEM, sending(FIT)[0])
    assert rig.note() == before
    assert rig.files() == {}
    assert not rig.report.saved


def test_a_file_that_has_its_name_but_no_line_yet_stays_noted(rig, monkeypatch):
    def full(sums, path, digest):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Checksums, "add", full)
    with pytest.raises(DiskError, match="No space left"):
        rig.save(STEM, sending(FIT)[0])
    assert rig.files() == {f"{STEM}.fit": FIT}
    assert rig.note()["name"] == "Ride.fit"


def test_a_moment_is_in_utc(rig):
    assert rig.keeper.now() == NOW
    assert rig.keeper.now().tzinfo is UTC
