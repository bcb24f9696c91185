"""The cookies of real browsers that visited the made-up Strava; skipped without the browser."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from strava_backup import errors
from strava_backup.backup import run
from strava_backup.config import loader
from strava_backup.config.browser import Browser
from strava_backup.demo.account import Account
from strava_backup.demo.adapter import DemoAdapter
from strava_backup.demo.wire import Item, Response
from strava_backup.report import Report
from strava_backup.setup.browsers.stores import BrowserSession, Places, read_sessions
from strava_backup.setup.cookies import Cookies
from tests.conftest import DAY, Clock, Command
from tests.strava_proxy import StravaProxy

pytestmark = pytest.mark.thorough

PAGE = "https://www.strava.com/about"
PATIENCE = 60
SESSION = "abcdefghijklmnopqrstuvwxyz012345"


@dataclass
class SignedIn:
    """Not a fault, but in the place of one: adds the cookies of a log-in to the page."""

    token: str
    times: int | None = None
    replaces = False

    def names(self, kind: str, item: Item | None) -> bool:
        return kind == "about"

    def replacement(self, *, api: bool, item: Item | None) -> Response:
        raise NotImplementedError

    def change(self, answer: Response) -> Response:
        attributes = "domain=.strava.com; path=/; secure; HttpOnly"
        return answer.with_headers(
            ("Set-Cookie", f"strava_remember_token={self.token}; max-age=2592000; {attributes}"),
            ("Set-Cookie", f"_strava4_session={SESSION}; {attributes}"),
        )


OTHER_ATHLETE = 4711


@pytest.fixture
def clock() -> Clock:
    """The time of the browsers, which a test can advance for the account and for runs."""
    return Clock(time.time())


@pytest.fixture
def command(make_command: Callable[..., Command], clock: Clock) -> Command:
    """A command without a web session; its home is also the home of the browsers."""
    account = Account.of(1, clock)
    account.faults.append(SignedIn(account.issue_jwt()))
    command = make_command(account)
    command.write_config(user="")
    return command


def sign_in_again(command: Command, athlete: int | None = None) -> str:
    """Let the next visit of a browser receive a new token, and return it."""
    (signed_in,) = command.account.faults
    assert isinstance(signed_in, SignedIn)
    signed_in.token = command.account.issue_jwt(sub=athlete)
    return signed_in.token


def log_in(command: Command, browser: str) -> subprocess.CompletedProcess[str]:
    """Log in after the browser has ended; its own requests to other hosts do not count."""
    command.proxy.errors.clear()
    command.account.unknown_requests.clear()
    return command.run("--login", "--cookies-from-browser", browser)


def run_later(command: Command, clock: Clock) -> Report:
    """Run in this process, by the clock that the test has advanced."""
    environment = run.Environment(
        *(print, DemoAdapter(command.account), clock, clock.sleep),
        read_browser=lambda browser, now: read_sessions(browser, places(command), now),
    )
    report = Report()
    run.back_up(loader.load(command.config, {}), run.Options(), report, environment)
    return report


def places(command: Command) -> Places:
    return Places(command.folder, {}, "linux")


@contextlib.contextmanager
def running(home: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    name = shutil.which(arguments[0])
    if name is None:
        pytest.skip(f"{arguments[0]} is not installed")
    with (
        (home / "output").open("wb") as output,
        subprocess.Popen(
            [name, *arguments[1:]],
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def sessions_when(
    browser: Browser, home: Path, are_complete: Callable[[list[BrowserSession]], bool]
) -> list[BrowserSession]:
    """Read until the browser has saved its cookies, since it takes its time."""
    end = time.monotonic() + PATIENCE
    sessions: list[BrowserSession] = []
    while time.monotonic() < end:
        with contextlib.suppress(errors.Error):
            sessions = read_sessions(browser, Places(home, {}, "linux"), time.time())
            if are_complete(sessions):
                return sessions
        time.sleep(0.5)
    pytest.fail(f"only {sessions}: {(home / 'output').read_bytes()!r}")


def test_firefox_gives_the_session_of_the_right_athlete_now_and_a_month_later(
    command: Command, clock: Clock
) -> None:
    home = command.folder
    profile = home / ".mozilla/firefox/a1b2.mine"
    profile.mkdir(parents=True)
    prepare_firefox(profile, command.proxy)
    options = ["--headless", "--marionette", "--remote-allow-system-access", "--profile"]
    with running(home, "firefox-esr", *options, str(profile), PAGE) as process:
        with marionette(profile) as call:
            call("WebDriver:NewSession")
            call("Marionette:SetContext", value="chrome")
            (own,) = sessions_when(Browser("firefox"), home, are_whole)
            other = sign_in_again(command, OTHER_ATHLETE)
            call("WebDriver:ExecuteScript", script=OPEN_IN_CONTAINER, args=[PAGE])
            sessions = sessions_when(Browser("firefox"), home, are_both_whole)
            call("Marionette:Quit", flags=["eForceQuit"])
        process.wait(PATIENCE)
    assert [(one.profile, one.container) for one in sessions] == [("mine", ""), ("mine", "Bob")]
    assert sessions == [own, own._replace(container="Bob", cookies=Cookies((other,), (SESSION,)))]
    assert sessions_when(Browser("firefox"), home, are_both_whole) == sessions

    either = log_in(command, "firefox")
    assert either.returncode == 4
    assert str(OTHER_ATHLETE) in either.stderr
    result = log_in(command, "firefox::none")
    assert result.returncode == 0, result.stderr
    assert loader.load(command.config, {}).user.jwt.value == own.cookies.tokens[0]

    clock.now += 29 * DAY
    renewed = sign_in_again(command)
    with running(home, "firefox-esr", "--headless", "--profile", str(profile), PAGE):
        sessions_when(Browser("firefox"), home, lambda found: renewed in tokens(found))
        assert run_later(command, clock).exit_code == 0
    assert loader.load(command.config, {}).user.jwt.value == renewed


def are_whole(sessions: list[BrowserSession]) -> bool:
    return all(all(one.cookies) for one in sessions)


def tokens(sessions: list[BrowserSession]) -> list[str]:
    return [token for one in sessions for token in one.cookies.tokens]


def are_both_whole(sessions: list[BrowserSession]) -> bool:
    return len(sessions) == 2 and are_whole(sessions)


# https://searchfox.org, ContextualIdentityService.sys.mjs and tabbrowser.js
OPEN_IN_CONTAINER = """
const { ContextualIdentityService } = ChromeUtils.importESModule(
  "resource://gre/modules/ContextualIdentityService.sys.mjs"
);
gBrowser.addTab(arguments[0], {
  userContextId: ContextualIdentityService.create("Bob", "circle", "red").userContextId,
  triggeringPrincipal: Services.scriptSecurityManager.getSystemPrincipal(),
});
"""


@contextlib.contextmanager
def marionette(profile: Path) -> Iterator[Callable[..., None]]:
    """Control a Firefox (https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html)."""
    address = "127.0.0.1", int(content_when(profile / "MarionetteActivePort"))
    with socket.create_connection(address, PATIENCE) as connection:
        stream = connection.makefile("rb")

        def receive() -> Any:
            digits = b"".join(iter(lambda: stream.read(1), b":"))
            return json.loads(stream.read(int(digits)))

        def call(command: str, **parameters: Any) -> None:
            message = json.dumps([0, 1, command, parameters]).encode()
            connection.sendall(b"%d:%b" % (len(message), message))
            error = receive()[2]
            assert error is None, error

        receive()
        yield call


def content_when(path: Path) -> str:
    """Wait until a file has content."""
    end = time.monotonic() + PATIENCE
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end, f"there is no {path}"
        time.sleep(0.1)
    return path.read_text()


def prepare_firefox(profile: Path, proxy: StravaProxy) -> None:
    host, _, port = proxy.url.removeprefix("http://").partition(":")
    preferences = {
        "marionette.port": "0",
        "network.proxy.type": "1",
        "network.proxy.ssl": f'"{host}"',
        "network.proxy.ssl_port": port,
        "browser.sessionstore.interval": "1000",
        "browser.shell.checkDefaultBrowser": "false",
        "datareporting.policy.dataSubmissionEnabled": "false",
        "network.captive-portal-service.enabled": "false",
    }
    lines = [f'user_pref("{name}", {value});\n' for name, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines))
    if not shutil.which("certutil"):
        pytest.skip("certutil is not installed")
    store = f"sql:{profile}"
    subprocess.run(["certutil", "-N", "-d", store, "--empty-password"], check=True)
    subprocess.run(
        ["certutil", "-A", "-d", store, "-n", "ca", "-t", "C,,", "-i", proxy.ca_file], check=True
    )


def test_chromium_gives_its_session_now_and_a_month_later(command: Command, clock: Clock) -> None:
    home = command.folder
    options = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync "
        f"--ignore-certificate-errors --proxy-server={command.proxy.url} --password-store=basic "
        f"--user-data-dir={home}/.config/chromium --remote-debugging-port=0"
    ).split()
    with running(home, "chromium", *options, PAGE):
        (session,) = sessions_when(Browser("chromium"), home, bool)
    result = log_in(command, "chromium")
    assert result.returncode == 0, result.stderr
    assert loader.load(command.config, {}).user.jwt.value == session.cookies.tokens[0]

    clock.now += 29 * DAY
    renewed = sign_in_again(command)
    with running(home, "chromium", *options, PAGE):
        sessions_when(Browser("chromium"), home, lambda found: renewed in tokens(found))
        assert run_later(command, clock).exit_code == 0
    assert loader.load(command.config, {}).user.jwt.value == renewed
