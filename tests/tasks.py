"""Tasks whose hosts lead nowhere, and downloads that send the bodies that a test gives them."""

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
    """A store with an archive, and a pipeline whose hosts lead nowhere."""

    def __init__(self, root, clock):
        self.clock = clock
        self.report = Report()
        self.hosts = Hosts("api")
        self.archive = Archive(root)
        self.archive.prepare(with_parents=False)
        self.store = RecordStore(self.archive, clock)
        self.outcomes = Outcomes(self.store, self.report)

    def task(self, result=Result, host=None, item="original"):
        """A task whose fetching has the result of saving for its answer."""
        host = host or self.hosts.website
        return Task(item, "activity 7 Ride", host, META, saving, result, 7)

    def failing(self, error, host=None, item="original"):
        def fetch():
            raise error

        return self.task(fetch, host, item)

    def work_off(self, tasks):
        """The results in words; hosts are good for one time."""
        jobs = []
        with Pipeline(self.outcomes, jobs.append, lambda: None) as pipeline:
            pipeline.add("a job", tasks)
            pipeline.wait()
        self.hosts = Hosts("api")
        return [text for job in jobs for text in job.results]

    def files(self):
        """What is in the archive, but for the checksums and the notes of `save`."""
        files = read_files(self.archive.root)
        files.pop("SHA256SUMS", None)
        files.pop(str(NOTED), None)
        return files

    def save(self, stem, download, **more):
        """Fetch and save a file whose note goes where `files` does not look."""
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
