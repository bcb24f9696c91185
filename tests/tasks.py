"""Tasks of a keeper whose lanes lead nowhere, and downloads that send what a test wants."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import PurePosixPath

from strava_backup import errors
from strava_backup.archive.directory import Archive
from strava_backup.backup.outcomes import Attempts
from strava_backup.backup.pipeline import Crew, Done, Lanes, Task
from strava_backup.demo import files
from strava_backup.demo.pictures import picture
from strava_backup.records.store import Keeper
from strava_backup.report import Report
from strava_backup.strava.transport import Download
from tests.conftest import read_files

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
        self.attempts = Attempts(self.keeper)

    def task(self, fetch=Done, lane=None, item="original"):
        return Task(item, "activity 7 Ride", lane or self.lanes.website, META, fetch, 7)

    def failing(self, error, lane=None, item="original"):
        def fetch():
            raise error

        return self.task(fetch, lane, item)

    def work_off(self, tasks):
        """What came, in words; lanes are good for one time."""
        jobs = []
        with Crew(self.attempts.attempt, jobs.append, lambda: None) as crew:
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

    def own(self):
        return json.loads(self.files()[str(META)])["strava_backup"]


def noting(own, sent_name, suspicion, file):
    assert file.startswith(STEM.name)
    return {**own, "name": sent_name, "odd": suspicion}


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
