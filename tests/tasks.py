"""Tasks without a real host, and downloads that send given bodies."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import PurePosixPath

from strava_backup import errors
from strava_backup.archive.directory import Archive
from strava_backup.backup.files import Files
from strava_backup.backup.outcomes import Outcomes
from strava_backup.backup.pipeline import Pipeline
from strava_backup.backup.tasks import FetchAgain, Hosts, Result, Task
from strava_backup.demo import files
from strava_backup.demo.pictures import picture
from strava_backup.records.store import RecordStore
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
    """An archive with its record store, and a pipeline without real hosts."""

    def __init__(self, root, clock):
        self.clock = clock
        self.report = Report()
        self.hosts = Hosts("api")
        self.archive = Archive(root)
        self.archive.prepare(with_parents=False)
        self.store = RecordStore(self.archive, clock)
        self.outcomes = Outcomes(self.store, self.report)

    def task(self, result=Result, host=None, item="original"):
        """Return a task whose answer is the result of saving it."""
        host = host or self.hosts.website
        return Task(item, "activity 7 Ride", host, META, saving, result, 7)

    def failing(self, error, host=None, item="original"):
        def fetch():
            raise error

        return self.task(fetch, host, item)

    def work_off(self, tasks):
        """Run the tasks with new hosts, and return the texts of their results."""
        jobs = []
        with Pipeline(self.outcomes, jobs.append, lambda: None) as pipeline:
            pipeline.add("a job", tasks)
            pipeline.wait()
        self.hosts = Hosts("api")
        return [text for job in jobs for text in job.results]

    def files(self):
        """Return the files of the archive, except the checksums and the notes of `save`."""
        files = read_files(self.archive.root)
        files.pop("SHA256SUMS", None)
        files.pop(str(NOTED), None)
        return files

    def save(self, stem, download, **more):
        """Fetch and save a file whose note is in a file that `files` leaves out."""
        files = Files(self.store, self.report)
        task = self.task()._replace(metadata=NOTED)
        for _ in range(2):
            fetched = files.fetch(stem, download)
            try:
                return files.save(task, fetched, stem, noting, **more)
            except FetchAgain as again:
                task = task._replace(first_sha256=again.sha256)
            finally:
                fetched.close()
        raise AssertionError("it is fetched more than twice")

    def note(self):
        return json.loads(read_files(self.archive.root)[str(NOTED)])["strava_backup"]

    def own(self):
        return json.loads(self.files()[str(META)])["strava_backup"]


def saving(task, result):
    return result


def noting(own, sent_name, suspicion, file):
    assert file.startswith(STEM.name)
    return {**own, "name": sent_name, "odd": suspicion}


def sending(*bodies, name="Ride.fit"):
    """Return a download that sends the bodies in turn, and the list of sent bodies.

    The last body is sent repeatedly. An error is raised in the middle of a body.
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
