"""The command gets a refresh token, with a script in place of the browser."""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests

from strava_backup.config import loader
from strava_backup.demo.account import Account
from tests.conftest import Command
from tests.faults import Fault
from tests.terminal import Terminal, terminal, terminal_of_command

# In place of a browser: gives the address of the page to the test.
BROWSER = """\
#!/bin/sh
echo "$1" > {folder}/address.part
mv {folder}/address.part {folder}/address
"""


class Browser:
    """A browser that is signed in to Strava, and the person in front of it."""

    def __init__(self, command: Command, choice: str, change: tuple[str, str]) -> None:
        """`choice`: the scopes to untick, or "cancel". `change`: of the address after that page."""
        self._command = command
        self._choice = choice
        self._change = change
        self._address = command.folder / "address"
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._wait_for_address)
        self.program = command.folder / "browser"
        self.program.write_text(BROWSER.format(folder=command.folder))
        self.program.chmod(0o700)
        self.status = 0

    def __enter__(self) -> Browser:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _wait_for_address(self) -> None:
        while not self._is_over.wait(0.01):
            if self._address.exists():
                self.status = self._consent(self._address.read_text().strip())
                return

    def _consent(self, address: str) -> int:
        """Return the status of the last page, which is the command's own."""
        http = requests.Session()
        http.trust_env = False
        http.proxies = {"https": self._command.proxy.url}
        http.verify = self._command.proxy.ca_file
        session = self._command.account.issue_session()
        http.cookies.set("_strava4_session", session, domain=".strava.com")
        page = http.get(address, timeout=10)
        if self._choice == "cancel":
            last = unescape(re.findall("href='([^']+)'>Cancel", page.text)[0])
        else:
            last = self._submit(http, page)
        return requests.get(re.sub(*self._change, last), timeout=10).status_code

    def _submit(self, http: requests.Session, page: requests.Response) -> str:
        form = urljoin(page.url, unescape(re.findall("action='([^']+)'", page.text)[0]))
        fields = {"authenticity_token": re.findall("value='([^']+)'", page.text)[0]}
        fields |= dict.fromkeys(re.findall("name='([^']+)' checked", page.text), "on")
        for scope in self._choice.split():
            del fields[scope]
        answer = http.post(form, data=fields, allow_redirects=False, timeout=10)
        return answer.headers["Location"]


class Desk:
    """A command at a terminal, and a browser next to it."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.account = command.account
        self.before = command.config.read_text()
        self.status = 0

    @contextlib.contextmanager
    def authorize(
        self, choice: str = "", change: tuple[str, str] = ("^$", ""), *, browser: bool = True
    ) -> Iterator[Terminal]:
        self.account.requests.clear()
        environment = self.command.environment()
        arguments = self.command.arguments("--authorize")[3:]
        with Browser(self.command, choice, change) as opposite:
            if browser:
                environment["BROWSER"] = str(opposite.program)
            with terminal_of_command(arguments, environment, self.command.folder) as opened:
                yield opened
        self.status = opposite.status

    def end(self, opened: Terminal) -> int:
        code = opened.wait()
        assert self.command.proxy.errors == []
        assert self.account.unknown_requests == []
        assert "Traceback" not in opened.shown
        assert self.account.client_secret not in opened.shown
        assert self.account.refresh_token not in opened.shown
        return code

    def consent(self, address: str) -> str:
        """Consent in a browser on another machine; return the address of its last page."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = self.account.consent(query["scope"].split(","))
        return f"{query['redirect_uri']}?state={query['state']}&code={code}&scope={query['scope']}"


@pytest.fixture
def desk(command: Command) -> Desk:
    return Desk(command)


def shown_address(opened: Terminal) -> str:
    opened.wait_for("paste the address")
    return re.findall(r"https://www\.strava\.com/oauth/authorize\S+", opened.shown)[0]


def test_consent_in_the_browser_stores_a_refresh_token_and_leaves_the_rest_as_it_was(
    desk: Desk,
) -> None:
    old = desk.account.refresh_token
    with desk.authorize() as opened:
        assert desk.end(opened) == 0, opened.shown
    assert desk.account.refresh_token != old
    assert desk.command.config.read_text() == desk.before.replace(old, desk.account.refresh_token)
    assert desk.command.config.stat().st_mode & 0o777 == 0o600
    assert desk.status == 200
    assert (
        f"athlete {desk.account.athlete_id} (Ada Example) allows: activity:read_all, "
        f"profile:read_all, read, read_all. The refresh token is in {desk.command.config}\n"
        f"Next: strava-backup --config {desk.command.config} --check\n"
    ) in opened.shown
    result = desk.command.run("--limit", "1", "--source", "api")
    assert result.returncode == 0, result.stderr


def test_the_page_is_asked_for_as_strava_wants_it(desk: Desk) -> None:
    with desk.authorize(browser=False) as opened:
        query = parse_qs(urlsplit(shown_address(opened)).query)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/authorized", query.pop("redirect_uri")[0])
    assert len(query.pop("state")[0]) >= 32
    assert query == {
        "client_id": [desk.account.client_id],
        "response_type": ["code"],
        "approval_prompt": ["force"],
        "scope": ["read,read_all,profile:read_all,activity:read_all"],
    }


def test_id_and_secret_are_asked_for_where_there_is_no_config_and_one_is_made(desk: Desk) -> None:
    desk.command.config.unlink()
    with desk.authorize() as opened:
        opened.wait_for("Client ID: ")
        opened.type(f"{desk.account.client_id}\r")
        opened.wait_for("Client secret (not shown): ")
        opened.type(f"{desk.account.client_secret}\r")
        assert desk.end(opened) == 0, opened.shown
    account, made = desk.account, desk.command.config
    expected = loader.sample_path().read_text()
    for placeholder, value in (
        ("<client id>", account.client_id),
        ("<client secret>", account.client_secret),
        ("<refresh token>", account.refresh_token),
    ):
        expected = expected.replace(placeholder, value)
    assert made.read_text() == expected
    assert made.stat().st_mode & 0o777 == 0o600
    assert f"Next: strava-backup --config {made} --login" in opened.shown


def test_the_answer_may_be_pasted_where_the_browser_is_on_another_machine(desk: Desk) -> None:
    with desk.authorize(browser=False) as opened:
        address = desk.consent(shown_address(opened))
        opened.type("what?\r")
        opened.wait_for("That is not the address")
        opened.type(f"{address}\r")
        assert desk.end(opened) == 0, opened.shown
    assert desk.account.refresh_token in desk.command.config.read_text()


def test_the_answer_may_be_piped_in_without_a_terminal(desk: Desk) -> None:
    process = desk.command.start_new("--authorize", stdin=subprocess.PIPE)
    assert process.stderr
    assert process.stdin
    address = ""
    while not address.startswith("https:"):
        address = process.stderr.readline().strip()
    process.stdin.write(desk.consent(address) + "\n")
    process.stdin.flush()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert desk.account.refresh_token in desk.command.config.read_text()


def test_what_else_comes_to_the_port_is_not_taken_for_the_answer(desk: Desk) -> None:
    with desk.authorize(browser=False) as opened:
        address = shown_address(opened)
        port = parse_qs(urlsplit(address).query)["redirect_uri"][0]
        for path in ("/favicon.ico", "/?code=1", "/authorized", "/authorized?x=1"):
            answer = requests.get(port.replace("/authorized", path), timeout=10)
            assert answer.status_code == 404
        assert requests.get(desk.consent(address), timeout=10).status_code == 200
        assert desk.end(opened) == 0, opened.shown
        with pytest.raises(requests.ConnectionError):
            requests.get(port, timeout=10)


@pytest.mark.parametrize("change", [("state=[^&]+", "state=another"), ("state=[^&]+&", "")])
def test_an_answer_to_another_question_is_ignored_and_the_right_one_still_counts(
    desk: Desk, change: tuple[str, str]
) -> None:
    with desk.authorize(browser=False) as opened:
        address = shown_address(opened)
        right = desk.consent(address)
        denied = re.sub("code=[^&]+", "error=access_denied", right)
        for wrong in (right, denied, right):
            answer = requests.get(re.sub(*change, wrong), timeout=10)
            assert answer.status_code == 200
        opened.type(re.sub(*change, right) + "\r")
        opened.wait_for("That is the answer to another request (wrong state)")
        assert requests.get(right, timeout=10).status_code == 200
        assert desk.end(opened) == 0, opened.shown
    assert opened.shown.count("was ignored; still waiting for the answer") == 1
    assert desk.account.refresh_token in desk.command.config.read_text()


# Failures: the browser's choice, a change to the answer, the exit code, the message.
FAILURES: list[Any] = [
    ("denied", "cancel", None, 4, "Strava says that permission was denied"),
    ("no scope", "activity:read_all", None, 4, "has no scope for activities (activity:read_all)"),
    ("wrong code", "", ("code=[^&]+", "code=another"), 4, "refuses the code"),
]


@pytest.mark.parametrize(
    ("choice", "change", "code", "message"),
    [pytest.param(*row, id=name) for name, *row in FAILURES],
)
def test_what_goes_wrong_is_told_and_the_config_stays_as_it_was(
    desk: Desk, choice: str, change: tuple[str, str] | None, code: int, message: str
) -> None:
    with desk.authorize(choice, change or ("^$", "")) as opened:
        assert desk.end(opened) == code
    assert message in opened.shown
    assert desk.status == 200
    assert desk.command.config.read_text() == desk.before


def test_a_code_used_twice_is_refused(desk: Desk) -> None:
    with desk.authorize(browser=False) as opened:
        address = desk.consent(shown_address(opened))
        code = parse_qs(urlsplit(address).query)["code"][0]
        desk.account.exchange(desk.account.client_id, desk.account.client_secret, code)
        opened.type(f"{address}\r")
        assert desk.end(opened) == 4
    assert "refuses the code" in opened.shown
    assert desk.command.config.read_text() == desk.before


def test_a_missing_scope_is_told_with_what_it_costs(desk: Desk) -> None:
    with desk.authorize("profile:read_all") as opened:
        assert desk.end(opened) == 0, opened.shown
    assert (
        "warning: profile:read_all was not allowed: bikes and shoes that no activity names will be "
        f"missing. To allow it, run strava-backup --config {desk.command.config} --authorize again"
    ) in opened.shown
    assert desk.account.refresh_token in desk.command.config.read_text()


@pytest.mark.parametrize(
    ("prepare", "code", "message"),
    [
        (
            lambda account: setattr(account, "client_secret", "f" * 40),
            4,
            "refuses the client id and the client secret",
        ),
        (lambda account: account.faults.append(Fault("token", "500")), 5, "answers 500"),
        (lambda account: account.faults.append(Fault("token", "html")), 5, "sends no token"),
        (
            lambda account: account.faults.append(Fault("token", "dropped")),
            5,
            "strava-backup.conf --authorize again",
        ),
    ],
    ids=["wrong secret", "500", "html", "dropped"],
)
def test_a_code_that_cannot_be_traded_leaves_the_config_as_it_was(
    desk: Desk, prepare: Callable[[Account], None], code: int, message: str
) -> None:
    prepare(desk.account)
    with desk.authorize() as opened:
        assert desk.end(opened) == code
    assert message in opened.shown
    assert desk.command.config.read_text() == desk.before
    assert desk.command.asked.count("token") == 1


def test_another_athletes_permission_is_not_stored(desk: Desk) -> None:
    desk.command.root.mkdir()
    (desk.command.root / ".strava-backup.json").write_text('{"format": 1, "athlete_id": 4711}')
    with desk.authorize() as opened:
        assert desk.end(opened) == 4
    assert "archive of athlete 4711" in opened.shown
    assert desk.command.config.read_text() == desk.before


@pytest.mark.parametrize("answers", ["", "abc\n", "54321\n", "54321\nsécret\n"])
def test_a_wrong_id_or_secret_is_refused_before_anything_is_asked_for(
    desk: Desk, answers: str
) -> None:
    desk.command.config.unlink()
    result = desk.command.run("--authorize", text_in=answers)
    assert result.returncode == 2
    assert "client" in result.stderr
    assert desk.command.asked == []
    assert not desk.command.config.exists()


def test_where_no_port_can_be_had_the_answer_can_be_pasted(desk: Desk) -> None:
    unlucky = desk.command.folder / "sitecustomize.py"
    unlucky.write_text(
        "import errno, os, socket\n"
        "def bind(*arguments):\n"
        "    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))\n"
        "socket.socket.bind = bind\n"
    )
    environment = desk.command.environment()
    environment["PYTHONPATH"] += f":{desk.command.folder}"
    with terminal(
        desk.command.arguments("--authorize"), environment, desk.command.folder
    ) as opened:
        address = shown_address(opened)
        assert "no port is available on 127.0.0.1 (Address already in use)" in opened.shown
        opened.type(desk.consent(address) + "\r")
        assert desk.end(opened) == 0, opened.shown
    assert desk.account.refresh_token in desk.command.config.read_text()


def test_an_interrupt_changes_nothing(desk: Desk) -> None:
    with desk.authorize(browser=False) as opened:
        shown_address(opened)
        opened.interrupt()
        assert desk.end(opened) == 130
    assert "interrupted; nothing was changed" in opened.shown
    assert desk.command.config.read_text() == desk.before


def test_a_config_that_cannot_be_written_is_found_before_the_athlete_is_asked(desk: Desk) -> None:
    text = desk.before.replace("refresh_token =", "refresh_token_file = nowhere/else\n#")
    desk.command.config.write_text(text)
    (desk.command.folder / "nowhere").write_text("in the way")
    result = desk.command.run("--authorize")
    assert result.returncode == 2
    assert "must be writable" in result.stderr
    assert "oauth/authorize" not in result.stderr
