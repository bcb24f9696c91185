from __future__ import annotations

import pytest

from strava_backup import errors
from strava_backup.demo.account import JWT_LIFETIME, Account
from strava_backup.demo.wire import Response, html, redirect
from strava_backup.strava import transport
from strava_backup.strava.session import Credentials, WebSession, parse_jwt
from strava_backup.strava.website import Website
from tests.conftest import DAY
from tests.faults import Fault
from tests.first_backups import copied_account
from tests.strava_wire import MANUAL, NO_GPX, RIDE, Store, Wire, asked, error_text, gaps, is_pause

SITE = "https://www.strava.com"
EXPORT = f"GET /activities/{RIDE}/export_original"


class Rig:
    """An account and a signed-in Website."""

    def __init__(self, account, clock, *, jwt=None, delay=0.0):
        self.account = account
        self.clock = clock
        self.wire = Wire(account)
        self.stored = Store()
        self.jwt = jwt or account.issue_jwt()
        pace = transport.Pace(delay, sleep=clock.sleep, clock=clock)
        self.http = transport.Session(adapter=self.wire, pace=pace, sleep=clock.sleep)
        web = WebSession(
            self.http,
            Credentials(jwt=self.jwt),
            store=self.stored,
            clock=clock,
            sleep=clock.sleep,
        )
        web.sign_in()
        self.website = Website(web)
        account.requests.clear()

    def original(self, activity_id=RIDE):
        """Return name and content of an original."""
        with self.website.download_original(activity_id) as download:
            return download.sent_name, b"".join(download.chunks)

    def gpx(self, activity_id):
        with self.website.download_gpx(activity_id) as download:
            return download.sent_name, b"".join(download.chunks)

    def failure(self):
        """Return the error of an original's download."""
        with pytest.raises(errors.Error) as caught:
            self.original()
        assert self.jwt not in error_text(caught.value)
        return caught.value


@pytest.fixture
def rig(clock):
    return Rig(copied_account(None, clock), clock)


@pytest.mark.parametrize("announced", [True, False])
def test_every_original_comes_byte_for_byte_and_with_its_name(rig, announced):
    rig.account.announce_lengths = announced
    for activity in rig.account.activities:
        if activity.original is not None:
            assert rig.original(activity.id) == (activity.original_name, activity.original)
    assert set(asked(rig.account)) == {"original"}


def test_a_gpx_comes_byte_for_byte_and_with_its_name(rig):
    activity = rig.account.activity(1_000_001)
    assert rig.gpx(activity.id) == (activity.gpx_name, activity.gpx)
    assert asked(rig.account) == ["gpx"]


def test_downloads_ask_for_their_bytes_as_they_are(rig):
    rig.original()
    rig.gpx(1_000_001)
    encodings = [request.headers["accept-encoding"] for request in rig.account.requests]
    assert encodings == ["identity", "identity"]


def test_a_download_is_streamed(rig):
    rig.account.activity(RIDE).original = b"x" * 1_000_000
    with rig.website.download_original(RIDE) as download:
        sizes = [len(chunk) for chunk in download.chunks]
    assert sum(sizes) == 1_000_000
    assert max(sizes) < 100_000


def test_downloads_keep_the_pace(clock):
    rig = Rig(Account.sample(clock), clock, delay=2.0)
    for _ in range(10):
        rig.original()
    assert len(gaps(rig.account)) == 9
    assert min(gaps(rig.account)) >= 2


@pytest.mark.parametrize(
    ("fetch", "activity_id", "why"),
    [
        ("original", MANUAL, "redirect to the activity"),
        ("gpx", NO_GPX, "redirect to the dashboard"),
        ("original", 7, "404"),
        ("gpx", 7, "404"),
    ],
)
def test_a_missing_file_is_refused_at_once(rig, fetch, activity_id, why):
    with pytest.raises(errors.Refused) as caught:
        getattr(rig, fetch)(activity_id)
    assert type(caught.value) is errors.Refused
    assert caught.value.why == why
    assert asked(rig.account) == [fetch]


ATTACHMENT = ("Content-Disposition", 'attachment; filename="a.fit"')


@pytest.mark.parametrize(
    ("answer", "error", "kinds"),
    [
        (redirect(f"{SITE}/login"), errors.SessionOver, ["original"]),
        (redirect("/de/login?x=1"), errors.SessionOver, ["original"]),
        (redirect(f"{SITE}/session/new"), errors.SessionOver, ["original"]),
        (redirect(f"{SITE}/activities/{RIDE}"), errors.Refused, ["original"]),
        (redirect("/dashboard"), errors.Refused, ["original"]),
        (redirect(f"{SITE}/onboarding"), errors.PageInstead, ["original", "me"]),
        (redirect("https://example.org/a.fit"), errors.PageInstead, ["original", "me"]),
        (html("", 404), errors.Refused, ["original"]),
        (Response(404, (ATTACHMENT,), b"x"), errors.Refused, ["original"]),
        (html("", 403), errors.Blocked, ["original", "me"]),
        (Response(403, (ATTACHMENT,), b"x"), errors.Blocked, ["original", "me"]),
        (Response(401), errors.PageInstead, ["original", "me"]),
        (html("<div id='challenge'></div>"), errors.PageInstead, ["original", "me"]),
        (html("", 202), errors.PageInstead, ["original", "me"]),
        (Response(204), errors.PageInstead, ["original", "me"]),
        (Response(206, (ATTACHMENT,), b"x"), errors.PageInstead, ["original", "me"]),
        # redirects without a target
        (Response(302), errors.PageInstead, ["original", "me"]),
        (html("", 429), errors.LimitReached, ["original"]),
        (html("", 500), errors.Unreachable, ["original"] * 3),
        (Response(503, (ATTACHMENT,), b"x"), errors.Unreachable, ["original"] * 3),
    ],
)
def test_every_answer_but_a_file_has_its_error(rig, answer, error, kinds):
    rig.wire.instead[EXPORT] = answer
    assert type(rig.failure()) is error
    assert asked(rig.account) == kinds
    assert rig.stored == []


def test_the_errors_of_items_are_those_that_a_run_survives(rig):
    for what, error in [("403", errors.Blocked), ("html", errors.PageInstead)]:
        rig.account.faults.append(Fault("original", what, times=1))
        raised = rig.failure()
        assert isinstance(raised, errors.ItemError)
        assert type(raised) is error
        assert raised.closes_host_when_repeated
    assert rig.original()[1] == rig.account.activity(RIDE).original


@pytest.mark.parametrize("what", ["401", "403", "html"])
def test_a_page_instead_of_a_file_reveals_an_ended_session(rig, what):
    rig.account.faults.append(Fault("original", what))
    rig.account.faults.append(Fault("me", "redirect-login"))
    assert type(rig.failure()) is errors.SessionOver
    assert asked(rig.account) == ["original", "me"]


@pytest.mark.parametrize(
    ("me", "error"),
    [
        ("401", errors.SessionOver),
        ("403", errors.TryLater),
        ("html", errors.TryLater),
        ("429", errors.LimitReached),
        ("500", errors.Unreachable),
        ("dropped", errors.Unreachable),
    ],
)
def test_after_a_403_the_check_of_the_session_has_its_own_errors(rig, me, error):
    rig.account.faults.append(Fault("original", "403"))
    rig.account.faults.append(Fault("me", me))
    assert type(rig.failure()) is error
    assert asked(rig.account).count("original") == 1


def test_a_session_that_ends_during_a_run_is_reported(rig):
    rig.original()
    rig.account.end_sessions()
    error = rig.failure()
    assert type(error) is errors.SessionOver
    assert "private browser window" in str(error)


def test_a_pause_asked_for_is_kept_and_the_file_comes(rig):
    rig.account.faults.append(Fault("original", "429", times=1, retry_after=7))
    assert rig.original()[1] == rig.account.activity(RIDE).original
    assert rig.clock.slept == [7]


@pytest.mark.parametrize("what", ["500", "503", "dropped", "silent"])
def test_a_passing_fault_is_tried_three_times(rig, what):
    rig.account.faults.append(Fault("original", what, times=2))
    assert rig.original()[1] == rig.account.activity(RIDE).original
    assert is_pause(rig.clock.slept)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("what", ["truncated", "stalled"])
def test_a_file_cut_short_raises_and_is_not_requested_again(rig, what, announced):
    rig.account.announce_lengths = announced
    rig.account.faults.append(Fault("original", what))
    assert type(rig.failure()) is errors.CutShort
    assert asked(rig.account) == ["original"]


def test_a_file_without_a_name_has_an_empty_one(rig):
    headers = (("Content-Disposition", "attachment"),)
    rig.wire.instead[EXPORT] = Response(200, headers, b"x")
    assert rig.original() == ("", b"x")


def test_a_download_left_early_closes_its_connection(rig):
    rig.account.activity(RIDE).original = b"x" * 1_000_000
    answers = []
    rig.http.hooks["response"].append(lambda answer, **_: answers.append(answer))
    with rig.website.download_original(RIDE) as download:
        next(download.chunks)
        assert not answers[0].raw.closed
    assert answers[0].raw.closed


def test_an_error_while_a_download_is_saved_passes_through(rig):
    with pytest.raises(OSError, match="disk full"), rig.website.download_original(RIDE):
        raise OSError("disk full")


def test_a_jwt_renewed_by_a_download_is_stored_once(clock):
    account = Account.sample(clock)
    rig = Rig(account, clock, jwt=account.issue_jwt(expires_in=2 * DAY))
    account.renews_jwt_within = 3 * DAY
    rig.original()
    rig.original()
    ((name, token),) = rig.stored
    assert name == "jwt"
    assert parse_jwt(token).expires_at == clock.now + JWT_LIFETIME


@pytest.mark.parametrize("answer", [redirect("/login"), html(""), html("", 403), html("", 404)])
def test_a_cookie_of_an_answer_that_is_no_file_is_not_stored(clock, answer):
    account = Account.sample(clock)
    rig = Rig(account, clock, jwt=account.issue_jwt(expires_in=2 * DAY))
    other = account.issue_jwt(expires_in=9 * DAY)
    cookie = f"strava_remember_token={other}; domain=.strava.com; path=/; max-age=99999; secure"
    rig.wire.instead[EXPORT] = answer.with_headers(("Set-Cookie", cookie))
    rig.failure()
    assert rig.stored == []


# The page of a bike

BIKE = "b9000001"


@pytest.mark.parametrize("units", ["km", "mi"])
@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_a_bikes_components_come_in_any_language_and_unit(rig, language, units):
    rig.account.language, rig.account.units = language, units
    found = rig.website.fetch_components(BIKE)()
    components = rig.account.gear[BIKE].components
    assert [one["type"] for one in found] == [one.type for one in components]
    assert all("distance_m" in one for one in found)
    assert asked(rig.account) == ["bike"]
    assert rig.account.requests[0].path == "/bikes/9000001"


def test_a_retired_bike_has_its_page_too(rig):
    (chain,) = rig.website.fetch_components("b8000003")()
    assert chain["distance_m"] == 31_002_800.0


def test_a_bike_without_components_has_none(rig):
    assert rig.website.fetch_components("b9000002")() == []


def test_pages_of_bikes_keep_the_pace(clock):
    rig = Rig(Account.sample(clock), clock, delay=2.0)
    for _ in range(5):
        rig.website.fetch_components(BIKE)()
    assert min(gaps(rig.account)) >= 2


@pytest.mark.parametrize(
    ("answer", "error", "kinds"),
    [
        (redirect(f"{SITE}/login"), errors.SessionOver, ["bike"]),
        (redirect("/dashboard"), errors.Refused, ["bike"]),
        (redirect(f"{SITE}/athletes/1"), errors.PageInstead, ["bike", "me"]),
        (html("", 404), errors.Refused, ["bike"]),
        (html("", 403), errors.Blocked, ["bike", "me"]),
        (html("", 202), errors.PageInstead, ["bike", "me"]),
        (html("", 429), errors.LimitReached, ["bike"]),
        (html("", 500), errors.Unreachable, ["bike"] * 3),
        (html("<h1>My Gear</h1>"), errors.PageChanged, ["bike"]),
        (html("<div id='challenge'></div>"), errors.PageChanged, ["bike"]),
        (Response(200), errors.PageChanged, ["bike"]),
        (Response(200, (), b"\xff\xfe\x00<![<"), errors.PageChanged, ["bike"]),
    ],
)
def test_every_answer_but_a_bikes_page_has_its_error(rig, answer, error, kinds):
    rig.wire.instead["GET /bikes/9000001"] = answer
    with pytest.raises(errors.Error) as caught:
        rig.website.fetch_components(BIKE)()
    assert type(caught.value) is error
    assert rig.jwt not in error_text(caught.value)
    assert asked(rig.account) == kinds


def test_a_bike_of_somebody_else_is_refused(rig):
    with pytest.raises(errors.Refused) as caught:
        rig.website.fetch_components("b7")()
    assert caught.value.why == "404"


@pytest.mark.parametrize("what", ["dropped", "silent", "truncated", "503"])
def test_a_bikes_page_that_fails_once_is_requested_again(rig, what):
    rig.account.faults.append(Fault("bike", what, times=1))
    assert len(rig.website.fetch_components(BIKE)()) == 4
    assert asked(rig.account) == ["bike", "bike"]


def test_a_jwt_renewed_by_a_bikes_page_is_stored(clock):
    account = Account.sample(clock)
    rig = Rig(account, clock, jwt=account.issue_jwt(expires_in=2 * DAY))
    account.renews_jwt_within = 3 * DAY
    rig.website.fetch_components(BIKE)()
    ((name, token),) = rig.stored
    assert name == "jwt"
    assert parse_jwt(token).expires_at == clock.now + JWT_LIFETIME


def test_no_request_goes_without_timeout_or_name(rig):
    rig.original()
    rig.account.faults.append(Fault("original", "403"))
    rig.failure()
    assert set(rig.wire.timeouts) == {transport.TIMEOUT}
    agents = {request.headers["user-agent"] for request in rig.account.requests}
    assert agents == {transport.USER_AGENT}


def test_the_website_counts_private_activities_too(rig):
    assert any(one.only_me for one in rig.account.activities)
    assert rig.website.fetch_activity_count() == len(rig.account.activities)
    assert asked(rig.account) == ["web-list"]


@pytest.mark.parametrize("total", ["null", '"60"', "true", "[]"])
def test_a_count_that_is_no_number_is_none(rig, total):
    body = f'{{"models": [], "total": {total}}}'.encode()
    rig.account.faults.append(Fault("web-list", "other-body", body=body))
    assert rig.website.fetch_activity_count() is None


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("500", errors.TryLater),
        ("404", errors.TryLater),
        ("html", errors.TryLater),
        ("empty", errors.TryLater),
        ("truncated", errors.TryLater),
    ],
)
def test_a_fault_of_the_count_is_reported(rig, what, error):
    rig.account.faults.append(Fault("web-list", what))
    with pytest.raises(error):
        rig.website.fetch_activity_count()


EDIT = f"GET /activities/{RIDE}/edit"


def test_a_private_note_comes_from_the_edit_page(rig):
    found = rig.website.fetch_private_note(RIDE)()
    assert found == {
        "private_note": rig.account.activity(RIDE).private_note,
        "perceived_exertion": 7.0,
    }
    assert asked(rig.account) == ["edit"]


def test_the_edit_page_of_a_deleted_activity_is_refused(rig):
    with pytest.raises(errors.Refused) as caught:
        rig.website.fetch_private_note(7)
    assert caught.value.why == "redirect elsewhere"
    assert asked(rig.account) == ["edit", "me"]


@pytest.mark.parametrize(
    ("answer", "error", "kinds"),
    [
        (redirect("/login"), errors.SessionOver, ["edit"]),
        (redirect(f"/activities/{RIDE}"), errors.Refused, ["edit"]),
        (html("", 404), errors.Refused, ["edit"]),
        (html("", 403), errors.Blocked, ["edit", "me"]),
        (html("", 202), errors.PageInstead, ["edit", "me"]),
        (html("<div id='challenge'></div>"), errors.PageChanged, ["edit"]),
        (Response(200, (), b"\xff\xfe\x00<![<"), errors.PageChanged, ["edit"]),
    ],
)
def test_every_answer_other_than_an_edit_page_has_its_error(rig, answer, error, kinds):
    rig.wire.instead[EDIT] = answer
    with pytest.raises(errors.Error) as caught:
        rig.website.fetch_private_note(RIDE)()
    assert type(caught.value) is error
    assert rig.jwt not in error_text(caught.value)
    assert asked(rig.account) == kinds
