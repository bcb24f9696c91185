"""Every way a run can end, each with its exit code. Phrases no advice that depends on the caller.

    Error                     1  failed
    +-- ConfigError           2  usage or config
    +-- ItemError             3  one item failed, the run goes on
    |   +-- Refused           3  Strava answers that it does not give this item
    |   |   +-- NotOffered    3  its own record says that there is nothing to give
    |   +-- PageChanged, PageInstead, Unreachable
    +-- HumanNeeded           4  a human must renew a log-in
    |   +-- ApiInactive, ScopeMissing, RefreshTokenDead   (the API is out, the website may serve)
    +-- TryLater              5  rate limit, Strava unreachable, another run is on

The exit codes are a contract with cron jobs and are listed in README.
"""

from __future__ import annotations

from collections.abc import Iterable

OK = 0
DAMAGED = 6
INTERRUPTED = 130

# When several apply, the first of these is the exit code of the run.
_WORST_FIRST = (INTERRUPTED, 1, 2, 4, 5, 3, DAMAGED, OK)


def worst(codes: Iterable[int]) -> int:
    """The exit code of a run in which all these codes came up; 0 where none did."""
    return min(codes, key=_WORST_FIRST.index, default=OK)


class Error(Exception):
    """The base of all errors a user is to read: the message says what, which, and what to do."""

    exit_code = 1


class ConfigError(Error):
    """The command line or the config is wrong; carries every problem found, one a line."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ItemError(Error):
    """One item (an original, a detail) failed; it is tried again by the next run.

    `why` is a short reason, given where it is Strava's answer and not a passing fault.
    """

    exit_code = 3
    # Whether three of these in a row mean that it is not the items' fault.
    closes_host_when_repeated = False
    # Whether it counts against the item only if the host gave something else of its kind: a host
    # in trouble may refuse everything.
    needs_evidence = True

    def __init__(self, message: str, why: str | None = None) -> None:
        super().__init__(message)
        self.why = why


class Refused(ItemError):
    """Strava answered clearly that it does not give this item."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message, why)


class NotOffered(Refused):
    """Strava's own record of an item says that there is nothing to fetch."""

    needs_evidence = False


class PageChanged(ItemError):
    """A page of Strava's does not look as it did when this program was written."""


class Blocked(Refused):
    """Refused with a 403, which may be meant for the program and not for the item."""

    closes_host_when_repeated = True


class PageInstead(ItemError):
    """A web page came in place of what was asked for."""

    closes_host_when_repeated = True


class Unreachable(ItemError):
    """Strava, or the way there, failed for one request."""

    closes_host_when_repeated = True


class CutShort(Unreachable):
    """A body ended before it should, or fell silent."""


class TooSlow(CutShort):
    """An answer did not come whole by its deadline."""


class HumanNeeded(Error):
    """Nothing goes on before a person has renewed a log-in or mended a permission."""

    exit_code = 4


class ApiInactive(HumanNeeded):
    """The API answers 403 "Application Inactive": the app's owner has no subscription."""


class ScopeMissing(HumanNeeded):
    """The token lacks the scope to read activities."""


class AccessTokenRefused(HumanNeeded):
    """The API refuses an access token that it has just issued."""


class RefreshTokenDead(HumanNeeded):
    """Strava does not know the refresh token (any more)."""


class TooManyAthletes(HumanNeeded):
    """The API application is connected to as many athletes as Strava allows it."""


class NotAuthorized(HumanNeeded):
    """The consent in the browser did not come about, or brought too little."""


class AppRefused(HumanNeeded):
    """Strava does not accept the client id or the client secret."""


class SessionOver(HumanNeeded):
    """The web session has expired, or was refused."""


class GarbledJwt(HumanNeeded):
    """The configured JWT is not one."""


class LoginRefused(HumanNeeded):
    """The website does not take e-mail and password."""


class LoginPaused(LoginRefused):
    """E-mail and password were refused a short while ago and are not tried again yet."""


class AccountMismatch(HumanNeeded):
    """API, website and archive do not belong to one and the same athlete."""


class TryLater(Error):
    """It may go through by itself at another time."""

    exit_code = 5


class LimitReached(TryLater):
    """Strava's limit for requests has been reached."""


class AnotherRun(TryLater):
    """Another run is at work in the same archive."""
