"""Keeps tests off the network and out of the home directory, and provides two kinds of runs.

`rig` backs up a demo account with a clock that tests set; `command` runs the whole command line,
with the same account behind an HTTPS proxy on loopback.
"""

from __future__ import annotations

import functools
import gc
import importlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from unittest import mock

import hypothesis
import pytest

from strava_backup.backup import run
from strava_backup.config.loader import Secret, User
from strava_backup.demo import photos, samples, setting
from strava_backup.demo.account import Account
from strava_backup.demo.adapter import DemoAdapter
from strava_backup.report import Report
from tests import first_backups, in_process
from tests.browsers import FakeBrowser
from tests.first_backups import FirstBackups
from tests.forked import Forked
from tests.strava_proxy import StravaProxy

# A shell starts background processes with SIGINT ignored, which subprocesses would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Or each process of a run would compile all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def _copied(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes a value once for all equal arguments, and returns copies."""

    @functools.cache
    def made(*arguments: Any) -> bytes:
        return pickle.dumps(make(*arguments))

    return lambda *arguments: pickle.loads(made(*arguments))


# Nearly all accounts have the same pictures and activities.
photos.picture = functools.cache(photos.picture)
samples.sample_activities = _copied(samples.sample_activities)
samples._numbered = _copied(samples._numbered)

# Collections of garbage take a twentieth of the time, since Python makes one for each 700 objects.
gc.set_threshold(10_000, 20, 20)

# Tests must not fail because a machine is slow, and continuous integration must be reproducible.
hypothesis.settings.register_profile(
    "tests",
    deadline=None,
    # THOROUGH asks for as many examples as Hypothesis makes by itself.
    max_examples=100 if "THOROUGH" in os.environ else 15,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("tests")

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DAY = 24 * 60 * 60.0


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of processes for `-n auto`: one more than cores, since some tests wait."""
    return (os.cpu_count() or 1) + 1


def pytest_sessionstart(session: pytest.Session) -> None:
    """In a process of pytest-xdist, import its share of the test modules before all others.

    Without compiled modules, pytest takes a second for every 20 modules to rewrite their asserts.
    In the same order, all processes would rewrite all modules.
    """
    config = session.config
    worker = getattr(config, "workerinput", None)
    if worker is None or config.args != config.getini("testpaths"):
        return
    modules = sorted(Path(__file__).parent.glob("test_*.py"), key=lambda path: path.stat().st_size)
    number = int(worker["workerid"].removeprefix("gw"))
    # The import of stravalib.exc changes the filters of warnings.
    with warnings.catch_warnings():
        for module in modules[number :: worker["workercount"]]:
            # pytest imports it again, and reports the error or the skip then.
            with suppress(Exception, pytest.skip.Exception):
                importlib.import_module(f"tests.{module.stem}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect thorough tests without `THOROUGH`, and mark those that are so by their row."""
    rows: Counter[str] = Counter()
    for item in items:
        mark = item.get_closest_marker("every")
        if mark is not None and not item.get_closest_marker("thorough"):
            test = item.nodeid.partition("[")[0]
            if rows[test] % mark.args[0]:
                item.add_marker("thorough")
            rows[test] += 1
    thorough = [item for item in items if item.get_closest_marker("thorough")]
    if thorough and "THOROUGH" not in os.environ:
        config.hook.pytest_deselected(items=thorough)
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]


_FSYNC = os.fsync


def _no_fsync(descriptor: Any) -> None:
    """Do nothing instead of an fsync, which takes most of the time of a test."""


class Home:
    """The home directory of all tests, which is replaced after a test that left files in it."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._path = ""

    def empty(self) -> str:
        """Return the path of an empty directory."""
        if not self._path or os.listdir(self._path):
            self._path = str(self._factory.mktemp("home"))
        return self._path


@pytest.fixture(scope="session")
def home_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Keep the machine's settings and network away from all tests."""
    for name in list(os.environ):
        # Certificates of the machine, which a failed request loads to check them.
        is_bundle = name.endswith("_CA_BUNDLE")
        if name.startswith("XDG_") or name.lower().endswith("_proxy") or is_bundle:
            del os.environ[name]
    # As `cli` does: stravalib gives no advice on variables of its own.
    os.environ["SILENCE_TOKEN_WARNINGS"] = "1"
    with mock.patch.object(socket.socket, "connect", _connect_on_loopback):
        yield Home(tmp_path_factory)


_connect = socket.socket.connect


def _connect_on_loopback(self: socket.socket, address: Any) -> None:
    if self.family == socket.AF_INET and not address[0].startswith("127."):
        raise AssertionError(f"a test went out to {address}")
    _connect(self, address)


# One fixture for everything: each costs every test as much as a small test takes.
@pytest.fixture(autouse=True)
def hermetic(request: pytest.FixtureRequest, home_directory: Home) -> Iterator[None]:
    """Give each test an empty home directory, and restore what it may change in its process.

    Only tests marked with `pytest.mark.fsync` have the real fsync. A command in this process
    changes signal handlers and logging.
    """
    os.environ["HOME"] = home_directory.empty()
    os.fsync = _no_fsync if request.node.get_closest_marker("fsync") is None else _FSYNC
    with in_process.process_as_before():
        yield


@dataclass
class Clock:
    """Seconds since the epoch, which only `now` and `sleep` advance."""

    now: float = NOW.timestamp()
    slept: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.slept.append(seconds)
            self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


class FirstRun(NamedTuple):
    """Everything that decides how the first run for an archive ends."""

    account: str
    now: float
    sources: tuple[str, bool, bool]
    options: tuple[tuple[str, Any], ...]


class Rig:
    """An account, an archive, and runs from one to the other, all in this process."""

    def __init__(self, account: Account, folder: Path, clock: Clock) -> None:
        self.account = account
        self.clock = clock
        self.root = folder / "archive"
        self.printed: list[str] = []
        self.browser = FakeBrowser()
        self.config = replace(
            setting.config(account, self.root), path=folder / "strava-backup.conf"
        )
        # None if a test may observe the first run itself.
        self.first_backups: FirstBackups | None = None
        self._first_config = self.config

    def run(self, **options: Any) -> Report:
        """Run once, and return the report; requests of earlier runs are cleared.

        The first run may be a copy of an equal one.
        """
        key = self._key_of_first_run(options)
        if key is None or self.first_backups is None:
            return self._run(options)
        report = self.first_backups.restore(key, self.account, self.root)
        if report is None:
            report = self._run(options)
            if self.clock.now == key.now and report.exit_code == 0:
                self.first_backups.keep(key, self.account, self.root, report)
        return report

    def _key_of_first_run(self, options: dict[str, Any]) -> FirstRun | None:
        """Return the key of a first run that can be shared, else None."""
        config, first = self.config, self._first_config
        same_or_less = replace(
            config,
            api=config.api or first.api,
            user=config.user or first.user,
            source=first.source,
        )
        has_first_clock = self.account.clock is self.clock and isinstance(self.clock, Clock)
        if self.first_backups is None or options.get("dry_run") or same_or_less != first:
            return None
        if self.root.exists() or not has_first_clock:
            return None
        account = first_backups.digest(self.account)
        sources = (config.source, config.api is None, config.user is None)
        return account and FirstRun(
            account, self.clock.now, sources, tuple(sorted(options.items()))
        )

    def _run(self, options: dict[str, Any]) -> Report:
        self.account.requests.clear()
        self.printed.clear()
        # Each run starts with the token that the previous run received.
        api = self.config.api and replace(
            self.config.api, refresh_token=Secret(self.account.refresh_token, read_only=True)
        )
        report = Report()
        environment = run.Environment(
            *(self.printed.append, DemoAdapter(self.account), self.clock, self.clock.sleep),
            read_browser=self.browser,
        )
        run.back_up(replace(self.config, api=api), run.Options(**options), report, environment)
        assert self.account.unknown_requests == []
        return report

    def keep_only(self, activity_ids: Collection[int]) -> None:
        """Leave the account these activities, without photos and gear."""
        for one in self.account.activities:
            if one.id in activity_ids:
                one.photos.clear()
                one.detail["gear_id"] = None
            else:
                self.account.remove(one.id)
        self.account.gear.clear()

    def renew_session(self) -> None:
        """Replace the session, as a user has to do once a month."""
        jwt = Secret(self.account.issue_jwt(), read_only=True)
        self.config = replace(self.config, user=User(jwt=jwt))

    @property
    def asked(self) -> list[str]:
        """Return the kinds of the last run's requests, in order."""
        return [request.kind for request in self.account.requests]

    def asked_for(self, kind: str) -> list[Any]:
        """Return the ids in the last run's requests of a kind, in order."""
        return [request.id for request in self.account.requests if request.kind == kind]

    def files(self) -> dict[str, bytes]:
        """Return all files of the archive except the lock."""
        return read_files(self.root)


@pytest.fixture(scope="session")
def backups(tmp_path_factory: pytest.TempPathFactory) -> FirstBackups:
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Each process has a folder of its own there.
        folder = folder.parent
    folder /= "first_backups"
    folder.mkdir(exist_ok=True)
    return FirstBackups(folder)


@pytest.fixture
def make_rig(
    tmp_path: Path,
    clock: Clock,
    backups: FirstBackups,
    request: pytest.FixtureRequest,
) -> Callable[..., Rig]:
    # Log messages and replaced functions show how a run works, so that it has to be a real one.
    is_observed = any(_uses(request, name) for name in ("caplog", "capsys", "monkeypatch"))

    def make(
        count: int | None = None, name: str = "rig", *, shares_first_run: bool = not is_observed
    ) -> Rig:
        folder = tmp_path / name
        folder.mkdir()
        rig = Rig(first_backups.copied_account(count, clock), folder, clock)
        if shares_first_run:
            rig.first_backups = backups
        return rig

    return make


def _uses(request: pytest.FixtureRequest, name: str) -> bool:
    """Whether the test function, or a fixture of its module, asks for a fixture by name."""
    closure = request.node._fixtureinfo.name2fixturedefs
    own = request.node._fixtureinfo.argnames
    local = [
        one
        for fixture, definitions in closure.items()
        if fixture not in ("hermetic", "make_rig")
        for one in definitions
    ]
    return name in own or any(name in one.argnames for one in local)


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """The sample account: activities of every kind."""
    return make_rig()


# FITs with and without photos, one with a video, one rounded, one private; a JSON with and one
# without GPX; a manual activity.
_KINDS = (
    *(16_600_000_000, 16_480_211_034, 15_000_000_003, 15_000_000_005),
    *(1_000_001, 1_000_002, 13_000_000_001, 15_210_998_871),
)
_GEAR = ("b9000001", "b9000002", "g9000001")


def keep_few(account: Account) -> None:
    """Reduce the sample account to one activity of most kinds, and leave out retired gear."""
    for one in account.activities:
        if one.id not in _KINDS:
            account.remove(one.id)
    for gear_id in account.gear.keys() - set(_GEAR):
        del account.gear[gear_id]


@pytest.fixture
def small_rig(rig: Rig) -> Rig:
    """The sample account with few activities."""
    keep_few(rig.account)
    return rig


class Command:
    """The command with a config and home of its own, and the account behind a proxy.

    `run` uses this process, `start` and `start_new` another.
    """

    def __init__(self, proxy: StravaProxy, folder: Path) -> None:
        self.proxy = proxy
        self.account = proxy.account
        self.folder = folder
        self.root = folder / "archive"
        self.config = folder / "strava-backup.conf"
        self.secrets = {
            "client_secret": self.account.client_secret,
            "refresh_token": self.account.refresh_token,
            "jwt": self.account.issue_jwt(),
        }
        self.write_config()

    def write_config(
        self, user: str | None = None, api: str | None = None, extra: str = ""
    ) -> None:
        api = api or (
            f"client_id = {self.account.client_id}\n"
            f"client_secret = {self.secrets['client_secret']}\n"
            f"refresh_token = {self.account.refresh_token}\n"
        )
        user = f"jwt = {self.secrets['jwt']}\n" if user is None else user
        self.config.write_text(
            f"# mine\n[global]\noutput_dir = {self.root}\ndelay = 0\n{extra}\n"
            f"[api]\n{api}\n# the web session\n[user]\n{user}"
        )
        self.config.chmod(0o600)

    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parent.parent),
            **self.proxy.environment(),
        }

    def arguments(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "strava_backup", "--config", str(self.config), *arguments]

    def run(self, *arguments: str, text_in: str = "") -> subprocess.CompletedProcess[str]:
        """Run in this process, and return the result; requests of earlier runs are cleared."""
        self.account.requests.clear()
        result = in_process.run(
            self.arguments(*arguments)[3:], self.environment(), self.folder, text_in=text_in
        )
        assert self.proxy.errors == []
        assert self.account.unknown_requests == []
        return result

    def start(self, *arguments: str) -> Forked:
        """Start a process that is a copy of one that has imported everything."""
        return Forked(self.arguments(*arguments)[3:], self.environment(), self.folder)

    def start_new(
        self,
        *arguments: str,
        stdin: int = subprocess.DEVNULL,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> subprocess.Popen[str]:
        """Start a new process, for tests of the start and the exit of Python."""
        return subprocess.Popen(
            self.arguments(*arguments),
            env={**self.environment(), **variables},
            cwd=self.folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def asked(self) -> list[str]:
        return [request.kind for request in self.account.requests]

    def files(self) -> dict[str, bytes]:
        return read_files(self.root)


@pytest.fixture
def make_command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    proxies: list[StravaProxy] = []

    def make(account: Account | None = None) -> Command:
        proxy = StravaProxy(account or first_backups.copied_account(None, time.time))
        proxy.__enter__()
        proxies.append(proxy)
        folder = tmp_path / f"command{len(proxies)}"
        folder.mkdir()
        return Command(proxy, folder)

    yield make
    for proxy in proxies:
        proxy.__exit__(None, None, None)


@pytest.fixture
def command(make_command: Callable[..., Command]) -> Command:
    """The command with the sample account."""
    return make_command()


def version_of(path: Path) -> tuple[int, int]:
    """Return the inode and the modification time, which a write or a replacement changes."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def read_files(root: Path) -> dict[str, bytes]:
    """Return all files below a folder except the lock, by relative path."""
    files = {}
    for folder, _, names in os.walk(root):
        relative = Path(folder).relative_to(root)
        for name in names:
            path = os.path.join(folder, name)
            if name != ".lock" and os.path.isfile(path):
                with open(path, "rb") as file:
                    files[(relative / name).as_posix()] = file.read()
    return dict(sorted(files.items()))
