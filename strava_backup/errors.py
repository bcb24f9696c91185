"""Every way a run can end, with its exit code. Advice that depends on the caller is the caller's.

    Error                     1  failed
    +-- ConfigError           2  usage or config
    +-- ItemError             3  one item failed, the run goes on
    |   +-- Refused           3  Strava refuses this item
    |   |   +-- NotOffered    3  its record says that there is none
    |   +-- NotPermitted, PageChanged, PageInstead, Unreachable
    +-- HumanNeeded           4  a human must renew a log-in
    |   +-- ApiInactive, ScopeMissing, RefreshTokenDead   (the website may replace the API)
    +-- TryLater              5  rate limit, Strava unreachable, another run is active

The exit codes are a contract with cron jobs and are listed in README.
"""

from __future__ import annotations

from collections.abc import Iterable

OK = 0
DAMAGED = 6
INTERRUPTED = 130

# If several codes apply, the first of these is the exit code of the run.
_WORST_FIRST = (INTERRUPTED, 1, 2, 4, 5, 3, DAMAGED, OK)


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of a run with all these codes; 0 without any."""
    return min(codes, key=_WORST_FIRST.index, default=OK)


class Error(Exception):
    """Base of the errors shown to a user: a message names problem, item and next step."""

    exit_code = 1


class ConfigError(Error):
    """The command line or the config is wrong; the message has one line per problem."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ItemError(Error):
    """One item (an original, a detail) failed; the next run tries it again.

    `why` is a short reason, given if Strava answered with it; a temporary fault has none.
    """

    exit_code = 3
    # Whether three of these in a row close the host, since its items are not the cause.
    closes_host_when_repeated = False
    # Whether it is recorded for the item only if the host gave another item of its kind: a host in
    # trouble may refuse everything.
    needs_evidence = True

    def __init__(self, message: str, why: str | None = None) -> None:
        super().__init__(message)
        self.why = why


class Refused(ItemError):
    """Strava refuses this item by its answer."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message, why)


class NotOffered(Refused):
    """Strava's record of an item says that there is nothing to fetch."""

    needs_evidence = False


class NotPermitted(ItemError):
    """The token lacks the scope for this item: no failure, since one warning covers all of them."""


class PageChanged(ItemError):
    """A page of Strava has another form than this program can parse."""


class Blocked(Refused):
    """Refused with a 403, which may concern the program and not the item."""

    closes_host_when_repeated = True


class PageInstead(ItemError):
    """A web page came in place of the requested file."""

    closes_host_when_repeated = True


class Unreachable(ItemError):
    """Strava or the network failed for one request."""

    closes_host_when_repeated = True


class CutShort(Unreachable):
    """A body ended too early, or stalled."""


class TooSlow(CutShort):
    """An answer was not complete by its deadline."""


class HumanNeeded(Error):
    """A person must renew a log-in or correct a permission first."""

    exit_code = 4


class ApiInactive(HumanNeeded):
    """The API answers 403 "Application Inactive": the app's owner has no subscription."""


class ScopeMissing(HumanNeeded):
    """The token lacks the scope to read activities."""


class AccessTokenRefused(HumanNeeded):
    """The API refuses an access token that it has just issued."""


class RefreshTokenDead(HumanNeeded):
    """Strava does not accept the refresh token (any more)."""


class TooManyAthletes(HumanNeeded):
    """The API application is connected to as many athletes as Strava allows."""


class NotAuthorized(HumanNeeded):
    """The athlete did not consent in the browser, or granted too few scopes."""


class AppRefused(HumanNeeded):
    """Strava does not accept the client id or the client secret."""


class SessionOver(HumanNeeded):
    """The web session has expired, or was refused."""


class GarbledJwt(HumanNeeded):
    """The configured JWT is malformed."""


class LoginRefused(HumanNeeded):
    """The website refuses e-mail and password."""


class LoginPaused(LoginRefused):
    """E-mail and password were refused recently, and are not tried again yet."""


class AccountMismatch(HumanNeeded):
    """API, website and archive belong to different athletes."""


class StillDelayed(HumanNeeded):
    """All runs of a whole week ended with TryLater, so that waiting longer may not help."""


class TryLater(Error):
    """A later run may succeed without any action."""

    exit_code = 5


class LimitReached(TryLater):
    """Strava's limit for requests has been reached."""


class AnotherRun(TryLater):
    """Another run is active in the same archive."""
