"""Gets a refresh token: the athlete consents in a browser, here or elsewhere.

Stores nothing before all is well.
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

# Seconds to sign in, to read, and to decide.
_LONGEST_WAIT = 15 * 60
# Where nobody listens: the browser shows an error there, and the answer in its address line.
_NOWHERE = "http://127.0.0.1/authorized"

_INVITATION = """\
Allow everything that this page asks for:

  {}

If your browser is on another machine, it ends at a page that does not load: paste the address of
that page here."""

_log = logging.getLogger(__name__)


# Shows a page in a browser.
Opener = Callable[[str], object]


def authorize(
    config: Config,
    dialog: Dialog,
    opener: Opener | None = None,
    connect: Callable[[], transport.Session] = transport.Session,
) -> None:
    """Ask for consent and store the refresh token that it brings.

    `config` may be unfinished (`config.load_unfinished`). Without `opener` the page's address is
    only told. Raises ConfigError, NotAuthorized, AppRefused, TooManyAthletes, ApiInactive,
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
    _tell(config, given, granted)


def _missing_values(config: Config, dialog: Dialog) -> dict[str, str]:
    """What the config lacks of the application. Raises ConfigError where nobody can tell."""
    assert config.api is not None
    new = {}
    if not (config.api.client_id and config.api.client_secret.value):
        dialog.tell(f"Your API application is at {SETTINGS} (callback domain: localhost).")
    if not config.api.client_id:
        new["client_id"] = _answer(dialog.ask, "Client ID: ", key_values.number)
    if not config.api.client_secret.value:
        new["client_secret"] = _answer(
            dialog.ask_hidden, "Client secret (not shown): ", key_values.plain_text
        )
    return new


def _answer(ask: Callable[[str], str], question: str, parse: Callable[[str], str | None]) -> str:
    text = ask(question)
    what = question.partition(" (")[0].removesuffix(": ").lower()
    if not text:
        raise errors.ConfigError(f"no {what} was given: it is needed, nothing was changed")
    try:
        parse(text)
    except ValueError as error:
        raise errors.ConfigError(f"the {what} {error}: nothing was changed") from None
    return text


def _ask_for_consent(client_id: str, dialog: Dialog, opener: Opener | None) -> consent.Consent:
    """Show Strava's page and wait for its answer, which comes by the browser or by hand."""
    state = secrets.token_urlsafe(24)
    answers = _Answers(state, dialog)
    with ExitStack() as stack:
        try:
            listener = stack.enter_context(Listener(consent.is_answer, answers.hear))
            redirect_uri = listener.redirect_uri
        except OSError as error:
            _log.warning(
                "no port can be had on 127.0.0.1 (%s), so the browser cannot bring the answer: "
                "paste it",
                error.strerror or error,
            )
            redirect_uri = _NOWHERE
        address = consent.consent_address(client_id, redirect_uri, state)
        dialog.tell(_INVITATION.format(address))
        if opener is not None:
            # In a thread, since some browsers return only when they are closed.
            threading.Thread(target=opener, args=(address,), daemon=True).start()
        threading.Thread(target=answers.read_pasted, daemon=True).start()
        return consent.parse_answer(answers.first(), state)


class _Answers:
    """Collects answers to one question; those to another are ignored.

    Any program on this machine, and a forgotten tab of the browser, can bring such a one.
    """

    def __init__(self, state: str, dialog: Dialog) -> None:
        self._state = state
        self._dialog = dialog
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        # Acquired by the first of the listener's threads that has something to report.
        self._report = threading.Lock()

    def hear(self, address: str) -> None:
        """Accept an answer from the browser; others are reported once."""
        if consent.is_answer(address, self._state):
            self._answers.put(address)
        elif self._report.acquire(blocking=False):
            _log.warning(
                "an answer that does not belong to this question (wrong state) was ignored; still "
                "waiting for the right one, from the page shown above"
            )

    def read_pasted(self) -> None:
        """Accept answers from the input until it ends."""
        while (line := self._dialog.read_line()) is not None:
            if consent.is_answer(line, self._state):
                self._answers.put(line)
            elif consent.is_answer(line):
                self._dialog.tell(
                    "That answer does not belong to this question (wrong state). Open the page "
                    "shown above, and paste the address that it leads to."
                )
            elif line.strip():
                self._dialog.tell(
                    "That is not the address: it has code= in it. Paste the whole of it."
                )

    def first(self) -> str:
        """The first answer. Raises NotAuthorized after a while without any."""
        end = time.monotonic() + _LONGEST_WAIT
        while time.monotonic() < end:
            try:
                # In short turns: on Windows ^C does not end a long one.
                return self._answers.get(timeout=1)
            except queue.Empty:
                pass
        raise errors.NotAuthorized(
            f"no answer came within {_LONGEST_WAIT // 60} minutes: run strava-backup --authorize "
            "again"
        )


def _tell(config: Config, given: consent.Consent, granted: consent.Authorization) -> None:
    who = f"athlete {granted.athlete_id}" if granted.athlete_id else "the athlete"
    name = f" ({printable(granted.athlete_name)})" if granted.athlete_name else ""
    scopes = (
        printable(", ".join(sorted(given.scopes))) if given.scopes else "what Strava does not say"
    )
    place = config.place("api", "refresh_token")
    _log.info("%s%s allows: %s. The refresh token is in %s", who, name, scopes, place)
    for scope in given.missing:
        _log.warning(
            "%s was not allowed: %s will be missing. To allow it, run strava-backup --authorize "
            "again and leave everything ticked",
            scope,
            consent.SCOPES[scope],
        )
    if config.user is None:
        _log.info("next: strava-backup --login, which the original files need")
    else:
        _log.info("next: strava-backup --check")
