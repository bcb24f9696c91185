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
from strava_backup.config.browser import Browser
from strava_backup.demo.account import Account
from strava_backup.demo.wire import Item, Response
from strava_backup.setup.browsers.stores import BrowserSession, Places, read_sessions
from strava_backup.setup.cookies import Cookies
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


@pytest.fixture
def proxy() -> Iterator[StravaProxy]:
    account = Account.of(1)
    account.faults.append(SignedIn(account.issue_jwt()))
    with StravaProxy(account) as proxy:
        yield proxy


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


def test_firefox_gives_the_session_of_each_container_while_it_runs_and_after(
    proxy: StravaProxy, tmp_path: Path
) -> None:
    profile = tmp_path / ".mozilla/firefox/a1b2.mine"
    profile.mkdir(parents=True)
    prepare_firefox(profile, proxy)
    options = ["--headless", "--marionette", "--remote-allow-system-access", "--profile"]
    with running(tmp_path, "firefox-esr", *options, str(profile), PAGE) as process:
        with marionette(profile) as call:
            call("WebDriver:NewSession")
            call("Marionette:SetContext", value="chrome")
            call("WebDriver:ExecuteScript", script=OPEN_IN_CONTAINER, args=[PAGE])
            sessions = sessions_when(Browser("firefox"), tmp_path, are_both_whole)
            call("Marionette:Quit", flags=["eForceQuit"])
        process.wait(PATIENCE)
    cookies = Cookies((token_of(proxy),), (SESSION,))
    expected = [BrowserSession("firefox", "mine", name, cookies) for name in ("", "Bob")]
    assert sessions == expected
    assert sessions_when(Browser("firefox"), tmp_path, are_both_whole) == expected


def are_both_whole(sessions: list[BrowserSession]) -> bool:
    return len(sessions) == 2 and all(all(one.cookies) for one in sessions)


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


def token_of(proxy: StravaProxy) -> str:
    (signed_in,) = proxy.account.faults
    assert isinstance(signed_in, SignedIn)
    return signed_in.token


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


def test_a_running_chromium_gives_the_token(proxy: StravaProxy, tmp_path: Path) -> None:
    options = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync "
        f"--ignore-certificate-errors --proxy-server={proxy.url} --password-store=basic "
        f"--user-data-dir={tmp_path}/.config/chromium --remote-debugging-port=0"
    )
    with running(tmp_path, "chromium", *options.split(), PAGE):
        (session,) = sessions_when(Browser("chromium"), tmp_path, bool)
    assert session.cookies.tokens == (token_of(proxy),)
