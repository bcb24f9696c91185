"""Gets a refresh token: the athlete consents in a browser, here or on another machine.

Stores nothing before every check has passed.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from strava_backup import errors
from strava_backup.config import key_values
from strava_backup.config.loader import Config
from strava_backup.report import printable
from strava_backup.setup.dialog import Dialog
from strava_backup.setup.listener import Listener
from strava_backup.setup.owner import check_owner
from strava_backup.strava import consent, transport
from strava_backup.strava.api import SETTINGS

# Seconds to sign in, to read the page, and to decide.
_LONGEST_WAIT = 15 * 60
# No program listens here: the browser shows an error, with the answer in its address line.
_NOWHERE = "http://127.0.0.1/authorized"

_INVITATION = """\
Allow everything that this page asks for:

  {}

If your browser is on another machine, it ends at a page that does not load: paste the address of
that page here."""

_log = logging.getLogger(__name__)


# Opens a page in a browser.
Opener = Callable[[str], object]


def authorize(
    config: Config,
    dialog: Dialog,
    opener: Opener | None = None,
    connect: Callable[[], transport.Session] = transport.Session,
) -> None:
    """Ask for consent and store the refresh token that it brings.

    `config` may be unfinished (`config.load_unfinished`). Without `opener` the page's address is
    only shown. Raises ConfigError, NotAuthorized, AppRefused, TooManyAthletes, ApiInactive,
    AccountMismatch, TryLater; the config is then as it was.
    """
    assert config.api is not None
    config.check_writable("api", "refresh_token")
    new = _missing_values(config, dialog)
    client_id = new.get("client_id", config.api.client_id)
    client_secret = new.get("client_secret", config.api.client_secret.value)
    given = _ask_for_consent(client_id, dialog, opener)
    granted = consent.fetch_authorization(connect(), client_id, client_secret, given.code)
    if granted.athlete_id is not None:
        check_owner(config, granted.athlete_id, "the permission")
    config.write("api", {**new, "refresh_token": granted.refresh_token})
    _report(config, given, granted)


def _missing_values(config: Config, dialog: Dialog) -> dict[str, str]:
    """Return the application's values that the config lacks. Raises ConfigError without answers."""
    assert config.api is not None
    new = {}
    if not (config.api.client_id and config.api.client_secret.value):
        dialog.show(f"Your API application is at {SETTINGS} (callback domain: localhost).")
    if not config.api.client_id:
        new["client_id"] = _answer(dialog.ask, "Client ID: ", key_values.number)
    if not config.api.client_secret.value:
        new["client_secret"] = _answer(
            dialog.ask_hidden, "Client secret (not shown): ", key_values.plain_text
        )
    return new


def _answer(ask: Callable[[str], str], question: str, parse: Callable[[str], str | None]) -> str:
    text = ask(question)
    noun = question.partition(" (")[0].removesuffix(": ").lower()
    if not text:
        raise errors.ConfigError(f"the {noun} is required, but none was given: nothing was changed")
    try:
        parse(text)
    except ValueError as error:
        raise errors.ConfigError(f"the {noun} {error}: nothing was changed") from None
    return text


def _ask_for_consent(client_id: str, dialog: Dialog, opener: Opener | None) -> consent.Consent:
    """Show Strava's page and return the answer, which the browser brings or a person pastes."""
    state = secrets.token_urlsafe(24)
    answers = _Answers(state, dialog)
    with ExitStack() as stack:
        try:
            listener = stack.enter_context(Listener(consent.is_answer, answers.accept))
            redirect_uri = listener.redirect_uri
        except OSError as error:
            _log.warning(
                "no port is available on 127.0.0.1 (%s), so the browser cannot bring the answer: "
                "paste it",
                error.strerror or error,
            )
            redirect_uri = _NOWHERE
        address = consent.consent_address(client_id, redirect_uri, state)
        dialog.show(_INVITATION.format(address))
        if opener is not None:
            # In a thread, since some browsers do not return until they are closed.
            threading.Thread(target=opener, args=(address,), daemon=True).start()
        threading.Thread(target=answers.read_pasted, daemon=True).start()
        return consent.parse_answer(answers.first(), state)


class _Answers:
    """Collects the answers to one request for consent, and ignores those to other requests.

    Any program on this machine, or a forgotten tab of the browser, can send one.
    """

    def __init__(self, state: str, dialog: Dialog) -> None:
        self._state = state
        self._dialog = dialog
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        # Acquired by the first of the listener's threads that logs a warning.
        self._warning = threading.Lock()

    def accept(self, address: str) -> None:
        """Accept an answer from the browser; log the first one with a wrong state."""
        if consent.is_answer(address, self._state):
            self._answers.put(address)
        elif self._warning.acquire(blocking=False):
            _log.warning(
                "an answer to another request (wrong state) was ignored; still waiting for the "
                "answer from the page shown above"
            )

    def read_pasted(self) -> None:
        """Accept answers from the input until it ends."""
        while (line := self._dialog.read_line()) is not None:
            if consent.is_answer(line, self._state):
                self._answers.put(line)
            elif consent.is_answer(line):
                self._dialog.show(
                    "That is the answer to another request (wrong state). Open the page shown "
                    "above, and paste the address that it leads to."
                )
            elif line.strip():
                self._dialog.show(
                    "That is not the address, which contains code=. Paste the whole address."
                )

    def first(self) -> str:
        """Return the first answer. Raises NotAuthorized if none comes within 15 minutes."""
        end = time.monotonic() + _LONGEST_WAIT
        while time.monotonic() < end:
            try:
                # Short waits, since ^C does not interrupt a long one on Windows.
                return self._answers.get(timeout=1)
            except queue.Empty:
                pass
        raise errors.NotAuthorized(
            f"no answer came within {_LONGEST_WAIT // 60} minutes: run strava-backup --authorize "
            "again"
        )


def _report(config: Config, given: consent.Consent, granted: consent.Authorization) -> None:
    athlete = f"athlete {granted.athlete_id}" if granted.athlete_id else "the athlete"
    name = f" ({printable(granted.athlete_name)})" if granted.athlete_name else ""
    scopes = (
        printable(", ".join(sorted(given.scopes)))
        if given.scopes
        else "scopes that Strava does not name"
    )
    place = config.place("api", "refresh_token")
    _log.info("%s%s allows: %s. The refresh token is in %s", athlete, name, scopes, place)
    for scope in given.missing:
        _log.warning(
            "%s was not allowed: %s will be missing. To allow it, run strava-backup --authorize "
            "again and leave everything ticked",
            scope,
            consent.SCOPES[scope],
        )
    if config.user is None:
        _log.info("Next: strava-backup --login, which the original files need")
    else:
        _log.info("Next: strava-backup --check")
