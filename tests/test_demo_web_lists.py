from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity, manual, recorded
from strava_backup.demo.bike_page import LANGUAGES
from strava_backup.demo.gear import Bike, Shoe
from strava_backup.demo.photos import PLACEHOLDER, photo_of
from strava_backup.demo.serve import serve
from strava_backup.demo.web_records import WORDS, activity_model, gear_item, photo_item
from strava_backup.demo.wire import Request
from tests.faults import Fault

LIST = "/athlete/training_activities"
ONE = f"{LIST}/16600000000"
PHOTOS = "/athletes/26462176/photos"
BIKES, SHOES = "/athletes/26462176/gear/bikes", "/athletes/26462176/gear/shoes"
CURRENT = "/frontend/athletes/current"
XHR_PATHS = [LIST, ONE, PHOTOS, BIKES, SHOES]
XHR = {"x-requested-with": "XMLHttpRequest"}
START = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.fixture
def account():
    return Account.sample(problems=True)


def ask(account, path, cookies, headers=XHR, **query):
    words = {**headers, "cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    return serve(account, Request("GET", "www.strava.com", path, query, words))


def load(account, path, **query):
    """Return the answer to a signed-in script of the website."""
    answer = ask(account, path, {"_strava4_session": account.issue_session()}, **query)
    assert (answer.status, answer.header("Content-Type")) == (
        200,
        "application/json; charset=utf-8",
    )
    return json.loads(answer.body)


def pair(account):
    token = account.issue_jwt()
    return {"strava_remember_id": str(account.athlete_id), "strava_remember_token": token}


def session_set(answer):
    values = [value for name, value in answer.headers if name == "Set-Cookie"]
    return dict(value.partition(";")[0].split("=", 1) for value in values)


def is_refused(answer):
    found = answer.status, answer.header("Content-Type"), answer.body, session_set(answer)
    return found == (401, "application/json", b"", {})


# Access


@pytest.mark.parametrize("path", XHR_PATHS)
@pytest.mark.parametrize(
    ("with_pair", "session"), [(False, None), (False, "stale"), (True, "stale")]
)
def test_a_script_without_a_good_session_is_refused(account, path, with_pair, session):
    cookies = pair(account) if with_pair else {}
    if session:
        cookies["_strava4_session"] = session
    assert is_refused(ask(account, path, cookies))


@pytest.mark.parametrize("path", XHR_PATHS)
def test_a_session_alone_is_enough_and_so_is_the_pair_which_brings_one(account, path):
    answer = ask(account, path, {"_strava4_session": account.issue_session()})
    assert (answer.status, session_set(answer)) == (200, {})
    answer = ask(account, path, pair(account))
    assert answer.status == 200
    assert ask(account, path, session_set(answer)).body == answer.body


@pytest.mark.parametrize("path", XHR_PATHS)
def test_without_its_header_a_script_gets_a_page(account, path):
    cookies = {"_strava4_session": account.issue_session()}
    for headers in ({}, {"accept": "application/json"}):
        answer = ask(account, path, cookies, headers)
        assert (answer.status, answer.header("Content-Type")[:9]) == (200, "text/html")
    answer = ask(account, path, {}, {})
    assert (answer.status, answer.header("Location")) == (302, "https://www.strava.com/login")


def test_a_pair_that_needs_the_dashboard_is_refused_until_it_was_there(account):
    account.remember_needs_dashboard = True
    cookies = pair(account)
    assert is_refused(ask(account, LIST, cookies))
    cookies |= session_set(ask(account, "/me", cookies, {}))
    assert ask(account, "/me", cookies, {}).status == 302
    assert is_refused(ask(account, LIST, cookies))
    del cookies["_strava4_session"]
    cookies |= session_set(ask(account, "/dashboard", cookies, {}))
    assert ask(account, LIST, cookies).status == 200
    assert session_set(ask(account, "/dashboard", cookies, {})) == {}


@pytest.mark.parametrize("of_me", [True, False])
def test_the_dashboard_replaces_a_session_that_scripts_cannot_use(account, of_me):
    account.remember_needs_dashboard = True
    cookies = pair(account) | {"_strava4_session": "stale"}
    if of_me:
        cookies |= session_set(ask(account, "/me", pair(account), {}))
    cookies |= session_set(ask(account, "/dashboard", cookies, {}))
    assert ask(account, LIST, cookies).status == 200


def test_a_session_that_the_pair_did_not_bring_needs_no_dashboard(account):
    account.remember_needs_dashboard = True
    cookies = {"_strava4_session": account.issue_session()}
    assert ask(account, LIST, cookies).status == 200
    assert ask(account, LIST, pair(account) | cookies).status == 200


def test_ended_sessions_are_refused(account):
    cookies = pair(account) | {"_strava4_session": account.issue_session()}
    account.end_sessions()
    assert is_refused(ask(account, LIST, cookies))


# The list of activities

# https://github.com/aaime921/aaime921-monorepo, strava_training_activities_page.json, 2026-10-10
CAPTURE = """
{"activity_type_display_name":"Ride","activity_url":"https://www.strava.com/activities/20518699682",
 "athlete_gear_id":null,"bike_id":null,"commute":false,"description":"…","display_type":"Ride",
 "distance":"29.04","distance_raw":29045.6,"elapsed_time":"1:00:00","elapsed_time_raw":3600,
 "elevation_gain":"0","elevation_gain_raw":0,"elevation_unit":"m","embeddable":true,"flagged":false,
 "has_latlng":false,"hide_heartrate":false,"hide_power":false,"id":20518699682,
 "id_str":"20518699682","is_changing_type":false,"long_unit":"kilometers","moving_time":"1:00:00",
 "moving_time_raw":3600,"name":"…","private":false,"selected_tag_type":null,"short_unit":"km",
 "sport_type":"Ride","start_date":"Fri, 10/9/2026","start_date_local_raw":1791571069,
 "start_day":"Fri","start_time":"2026-10-09T17:37:49+0000","static_map":null,"suffer_score":null,
 "tags":{"0":false,"10":false,"11":false,"15":false,"4":false,"5":false,"6":true,"7":false,
 "8":false,"9":false},"trainer":true,"twitter_msg":"…","visibility":"everyone"}
"""


def captured():
    """Return the activity of the capture in the API's form."""
    start = datetime(2026, 10, 9, 17, 37, 49, tzinfo=UTC)
    found = {"description": "…", "trainer": True, "elapsed_time": 3600, "suffer_score": None}
    found |= {"total_elevation_gain": 0.0, "start_latlng": []}
    detail = recorded(20_518_699_682, start, "…", distance=29045.6, **found)
    # an hour ahead of UTC, not two as in Berlin
    return Activity(detail | {"start_date_local": "2026-10-09T18:37:49Z"})


def test_a_model_has_the_form_of_strava():
    shown = activity_model(captured(), "en", "km")
    # the capture omits its texts
    assert shown.pop("twitter_msg")
    wanted = json.loads(CAPTURE)
    del wanted["twitter_msg"]
    assert shown == wanted
    for name, value in wanted.items():
        assert type(shown[name]) is type(value), name
    assert list(shown["tags"]) == list(wanted["tags"])


def model(language="en", units="km", **fields):
    return activity_model(Activity(recorded(7, START) | fields), language, units)


@pytest.mark.parametrize("sport", ["Ride", "Run", "WeightTraining", "Padel2"])
def test_all_models_have_the_same_fields(sport):
    names = json.loads(CAPTURE).keys()
    for found in (recorded(7, START, "A", sport), manual(7, START, "A", sport)):
        assert activity_model(Activity(found), "en", "km").keys() == names


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"gear_id": "b9000001"}, {"bike_id": 9_000_001, "athlete_gear_id": None}),
        ({"gear_id": "g9000001"}, {"bike_id": None, "athlete_gear_id": 9_000_001}),
        ({"gear_id": None}, {"bike_id": None, "athlete_gear_id": None}),
        ({"visibility": "only_me", "private": True}, {"private": True, "embeddable": False}),
        ({"visibility": "followers_only"}, {"visibility": "followers_only", "embeddable": False}),
        ({"name": "a & <b>\n", "description": "\t"}, {"name": "a & <b>\n", "description": "\t"}),
        ({"description": None, "commute": True}, {"description": None, "commute": True}),
        ({}, {"has_latlng": True, "suffer_score": 56.0, "trainer": False, "flagged": False}),
        ({"distance": 10012.3}, {"distance": "10.01", "distance_raw": 10012.3}),
        ({"distance": 0.0}, {"distance": "0.00", "distance_raw": 0.0}),
        ({"distance": 1_234_567.8}, {"distance": "1,234.56"}),
        ({"total_elevation_gain": 1222.2}, {"elevation_gain_raw": 1222.2}),
        ({"total_elevation_gain": 1222.2}, {"elevation_gain": "1,222", "elevation_unit": "m"}),
        ({"moving_time": 59, "elapsed_time": 3599}, {"moving_time": "0:59"}),
        ({"moving_time": 59, "elapsed_time": 3599}, {"elapsed_time": "59:59"}),
        ({"elapsed_time": 90_061}, {"elapsed_time": "25:01:01", "elapsed_time_raw": 90_061}),
    ],
)
def test_a_model_describes_the_activity(fields, shown):
    assert shown.items() <= model(**fields).items()


def test_the_local_start_is_the_wall_clock_as_if_it_were_utc():
    shown = model()
    assert shown["start_time"] == "2026-05-06T07:08:09+0000"
    assert shown["start_date_local_raw"] - START.timestamp() == 7200


@pytest.mark.parametrize(
    ("language", "units", "shown"),
    [
        ("en", "mi", {"distance": "767.12", "long_unit": "miles", "short_unit": "mi"}),
        ("en", "mi", {"elevation_gain": "4,010", "elevation_unit": "ft"}),
        ("de", "km", {"distance": "1.234,56", "long_unit": "Kilometer", "short_unit": "km"}),
        ("de", "km", {"activity_type_display_name": "Lauf", "elevation_gain": "1.222"}),
        ("de", "km", {"start_date": "Mi, 6.5.2026", "start_day": "Mi"}),
        ("fr", "km", {"distance": "1\u202f234,56", "long_unit": "kilomètres"}),
        ("fr", "km", {"activity_type_display_name": "Course à pied"}),
        ("fr", "km", {"start_date": "mer. 06/05/2026", "start_day": "mer."}),
    ],
)
def test_words_follow_language_and_units_and_raw_numbers_do_not(language, units, shown):
    fields = {"distance": 1_234_567.8, "total_elevation_gain": 1222.2, "sport_type": "Run"}
    found, plain = model(language, units, **fields), model(**fields)
    assert shown.items() <= found.items()
    same = [name for name in plain if name.endswith("_raw")] + ["start_time", "sport_type"]
    assert [found[name] for name in same] == [plain[name] for name in same]


def test_a_sport_without_a_word_is_called_by_its_english_name():
    assert model(sport_type="GravelRide")["activity_type_display_name"] == "Gravel Ride"
    assert model("de", sport_type="Padel2")["activity_type_display_name"] == "Padel2"
    assert LANGUAGES.keys() == WORDS.keys()


def test_the_list_is_in_the_athletes_language_and_units(account):
    account.language, account.units = "de", "mi"
    assert load(account, LIST)["models"][0]["distance"] == "12,42"
    assert load(account, ONE)["long_unit"] == "Meilen"


def test_the_list_has_all_activities_newest_first_in_pages_of_twenty(account):
    pages = [load(account, LIST, page=str(page)) for page in (1, 2, 3)]
    assert [len(page["models"]) for page in pages] == [20, len(account.activities) - 20, 0]
    assert [(page["page"], page["perPage"]) for page in pages] == [(1, 20), (2, 20), (3, 20)]
    assert {page["total"] for page in pages} == {len(account.activities)}
    ids = [model["id"] for page in pages for model in page["models"]]
    assert ids == [activity.id for activity in account.activities]
    logged = [(request.kind, request.id) for request in account.requests]
    assert logged == [("web-list", 1), ("web-list", 2), ("web-list", 3)]
    assert not account.unknown_requests


@pytest.mark.parametrize(
    ("per_page", "size"), [("1", 1), ("20", 20), ("200", 20), ("500", 20), ("many", 20)]
)
def test_a_page_has_at_most_twenty_activities(account, per_page, size):
    page = load(account, LIST, per_page=per_page)
    assert (len(page["models"]), page["perPage"]) == (size, size)


def test_the_list_shows_private_activities_regardless_of_the_api_scopes(account):
    account.scopes.clear()
    models = load(account, LIST)["models"] + load(account, LIST, page="2")["models"]
    hidden = [(one["visibility"], one["private"]) for one in models if one["private"]]
    assert hidden == [("only_me", True)] * 2


def test_the_list_follows_the_account(account):
    before = load(account, LIST)
    newest = before["models"][0]["id"]
    account.edit(newest, name="Renamed")
    assert load(account, LIST)["models"][0]["name"] == "Renamed"
    account.remove(newest)
    after = load(account, LIST)
    assert after["models"][0]["id"] == before["models"][1]["id"]
    assert after["total"] == before["total"] - 1
    account.add(captured())
    assert load(account, LIST)["total"] == before["total"]


def test_the_total_can_be_higher_than_the_number_shown(account):
    ids = [activity.id for activity in account.activities]
    account.hidden_from_web = {ids[1], ids[5]}
    account.web_total_extra = 3
    pages = [load(account, LIST, page=str(page)) for page in (1, 2)]
    shown = [model["id"] for page in pages for model in page["models"]]
    assert shown == [ids[0], *ids[2:5], *ids[6:]]
    assert {page["total"] for page in pages} == {len(ids) + 3}
    assert len(pages[0]["models"]) == 20


def test_one_activity_can_be_asked_for(account):
    assert load(account, ONE) == load(account, LIST)["models"][0]
    account.remove(16_600_000_000)
    answer = ask(account, ONE, {"_strava4_session": account.issue_session()})
    assert (answer.status, answer.body) == (404, b"")
    logged = [(request.kind, request.id) for request in account.requests]
    assert logged[0] == logged[-1] == ("web-activity", 16_600_000_000)


# Photos


def photos_of(account):
    return [photo for activity in account.activities for photo in activity.photos]


def test_a_photo_has_the_form_of_strava():
    ride = Activity(recorded(7, START, "Tom's <ride>"))
    photo = photo_of(ride.detail, caption='"Top" & more', location=(47.9, 7.8))
    assert photo_item(photo, ride) == {
        "photo_id": photo.unique_id,
        "id": photo.number,
        "media_type": 1,
        "activity_id": 7,
        "activity_id_str": "7",
        "post_id": None,
        "activity_name_escaped": "Tom&#39;s &lt;ride&gt;",
        "caption_escaped": "&quot;Top&quot; &amp; more",
        "thumbnail": photo.address(256),
        "large": photo.record(ride.detail, 5000)["urls"]["5000"],
        "video": None,
        "duration": None,
        "lat": None,
        "lng": None,
        "native": True,
        "owner_id": 26_462_176,
        "viewing_athlete_id": 26_462_176,
        "editable": True,
        "activity": {
            "id": 7,
            "athlete_id": 26_462_176,
            "name": "Tom's <ride>",
            "description": None,
            "elapsed_time": 3695,
            "moving_time": 3600,
            "elev_gain": 222.2,
            "distance": 20000.0,
            "type": "Ride",
            "private": False,
            "start_date": "2026-05-06T07:08:09Z",
        },
        "dimensions": {
            "large": {"width": 1536, "height": 2048},
            "thumbnail": {"width": 192, "height": 256},
        },
        "is_sponsored_photo": False,
        "enhanced_photo": None,
    }


@pytest.mark.parametrize("kind", ["video", "placeholder", "instagram"])
def test_other_entries_than_photos_are_recognizable(kind):
    ride = Activity(recorded(7, START))
    photo = photo_of(ride.detail, kind=kind)
    item, record = photo_item(photo, ride), photo.record(ride.detail, 5000)
    names = ("media_type", "photo_id", "large", "video", "duration", "native")
    shown = tuple(item[name] for name in names)
    poster = photo.address()
    assert (
        shown
        == {
            "video": (2, photo.unique_id, poster, record.get("video_url"), 4.0, True),
            "placeholder": (1, photo.unique_id, PLACEHOLDER, None, None, True),
            "instagram": (1, None, None, None, None, False),
        }[kind]
    )
    assert item["id"] == record.get("id", photo.number)


def test_pages_by_cursor_bring_every_photo_once_newest_first(account):
    found, cursor = [], ""
    while cursor is not None:
        page = load(account, PHOTOS, per_page="4", cursor=cursor)
        assert page["has_more"] == (page["next_cursor"] is not None)
        found += page["items"]
        cursor = page["next_cursor"]
    newest_first = sorted(photos_of(account), key=lambda photo: photo.taken, reverse=True)
    assert [item["id"] for item in found] == [photo.number for photo in newest_first]
    assert len({item["id"] for item in found}) == len(found) == 12


def test_a_cursor_is_the_position_of_the_last_photo(account):
    page = load(account, PHOTOS, per_page="1")
    last = max(photos_of(account), key=lambda photo: photo.taken)
    assert page["next_cursor"] == f"{int(last.taken.timestamp())},{last.number}"
    load(account, PHOTOS, cursor=page["next_cursor"])
    logged = [(request.kind, request.id) for request in account.requests]
    assert logged == [("web-photos", ""), ("web-photos", page["next_cursor"])]


def test_a_photo_that_comes_or_goes_moves_no_other_across_a_cursor(account):
    first = load(account, PHOTOS, per_page="3")
    rest = load(account, PHOTOS, per_page="20", cursor=first["next_cursor"])["items"]
    activity = account.activity(16_600_000_000)
    del activity.photos[0]
    activity.photos.append(photo_of(activity.detail, 40))
    assert load(account, PHOTOS, per_page="20", cursor=first["next_cursor"])["items"] == rest


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 10),
        ({"per_page": "20"}, 20),
        ({"per_page": "200"}, 20),
        ({"page": "2", "before": "1", "after": "1", "offset": "5"}, 10),
    ],
)
def test_a_page_has_ten_photos_and_never_more_than_twenty(query, count):
    account = Account.of(100)
    assert load(account, PHOTOS, **query) == load(account, PHOTOS, per_page=str(count))
    assert len(load(account, PHOTOS, **query)["items"]) == count


@pytest.mark.parametrize("cursor", ["next", "1", "1,2,3"])
def test_a_garbled_cursor_is_refused(account, cursor):
    session = {"_strava4_session": account.issue_session()}
    assert ask(account, PHOTOS, session, cursor=cursor).status == 400


def test_an_account_without_photos_has_an_empty_page():
    page = load(Account.sample(photos=False), PHOTOS)
    assert page == {"items": [], "next_cursor": None, "has_more": False}


def test_the_picture_at_large_is_the_apis_largest(account):
    shown = [one for one in load(account, PHOTOS, per_page="20")["items"] if one["large"]]
    by_id = {photo.unique_id: photo for photo in photos_of(account)}
    assert len(shown) == 11
    for item in shown:
        host, _, path = item["large"].removeprefix("https://").partition("/")
        answer = serve(account, Request("GET", host, f"/{path}"))
        assert answer.body == by_id[item["photo_id"]].content


@pytest.mark.parametrize("path", [PHOTOS, BIKES, SHOES])
def test_nothing_is_shown_of_another_athlete(account, path):
    other = path.replace("26462176", "7")
    answer = ask(account, other, {"_strava4_session": account.issue_session()})
    assert (answer.status, answer.body) == (404, b"")
    assert not account.unknown_requests


# Gear

NICKNAMED = {"id": 9_000_001, "display_name": "Rosi", "name": "R", "default": True, "active": True}


@pytest.mark.parametrize(
    ("gear", "units", "shown"),
    [
        (
            Bike("b9000001", "R", "Canyon", "CF", "Rosi", "!", 14_018_412, primary=True, weight=8),
            "km",
            NICKNAMED
            | {"total_distance": "14,018.4", "brand_name": "Canyon", "model_name": "CF"}
            | {"description": "!", "frame_type": 3, "weight": 8},
        ),
        (
            Shoe("g7", "Mud", nickname="", distance=452_834, retired=True),
            "mi",
            {"id": 7, "display_name": "Mud", "name": "Mud", "default": False, "active": False}
            | {"total_distance": "281.4", "brand_name": "", "model_name": "", "description": None}
            | {"notification_distance": 0},
        ),
    ],
)
def test_gear_has_the_form_that_its_readers_expect(gear, units, shown):
    assert gear_item(gear, units) == shown


def test_bikes_and_shoes_have_a_list_each_including_retired_ones(account):
    bikes, shoes = load(account, BIKES), load(account, SHOES)
    assert [f"b{one['id']}" for one in bikes] + [f"g{one['id']}" for one in shoes] == [
        *account.gear
    ]
    assert [one["active"] for one in bikes] == [one["active"] for one in shoes]
    assert [one["active"] for one in bikes] == [True, True, False]
    logged = [(request.kind, request.id) for request in account.requests]
    assert logged == [("web-gear", "bikes"), ("web-gear", "shoes")]


def test_distances_follow_the_rides_and_the_athletes_units(account):
    account.units = "mi"
    account.ride("b9000001", 1609.344)
    assert load(account, BIKES)[0]["total_distance"] == "8,711.6"


# The signed-in athlete


@pytest.mark.parametrize("headers", [XHR, {}])
def test_the_current_athlete_is_sent_with_and_without_the_header(account, headers):
    for cookies in ({"_strava4_session": account.issue_session()}, pair(account)):
        answer = ask(account, CURRENT, cookies, headers)
        found = json.loads(answer.body)
        assert (answer.status, found["currentAthlete"]["id_str"]) == (200, "26462176")
        assert found["currentAthlete"].keys() >= {"id", "firstname", "measurement_units"}
        assert found["pageContext"] == {}
    assert account.requests[-1].kind == "current"


@pytest.mark.parametrize("session", [None, "stale"])
def test_there_is_no_current_athlete_without_a_session(account, session):
    cookies = {"_strava4_session": session} if session else {}
    answer = ask(account, CURRENT, cookies)
    assert answer.status == 200
    assert json.loads(answer.body)["currentAthlete"] is None


def test_the_current_athlete_is_that_of_the_scripts(account):
    account.remember_needs_dashboard = True
    cookies = pair(account) | session_set(ask(account, "/me", pair(account), {}))
    assert json.loads(ask(account, CURRENT, cookies).body)["currentAthlete"] is None
    cookies |= session_set(ask(account, "/dashboard", cookies, {}))
    assert json.loads(ask(account, CURRENT, cookies).body)["currentAthlete"]["id"] == 26_462_176


# Faults

FAULTY = [
    (LIST, "web-list", 1),
    (ONE, "web-activity", 16_600_000_000),
    (PHOTOS, "web-photos", ""),
    (BIKES, "web-gear", "bikes"),
    (SHOES, "web-gear", "shoes"),
    (CURRENT, "current", None),
]


@pytest.mark.parametrize(("path", "kind", "item"), FAULTY)
def test_faults_apply_to_every_list(account, path, kind, item):
    session = {"_strava4_session": account.issue_session()}
    right = ask(account, path, session)

    def with_fault(what, **more):
        account.faults.append(Fault(kind, what, id=item, times=1, **more))
        return ask(account, path, session)

    for status in (401, 403, 404, 429, 500, 503):
        assert with_fault(str(status)).status == status
    assert is_refused(with_fault("401"))
    assert with_fault("429", retry_after=30).header("Retry-After") == "30"
    assert with_fault("html").header("Content-Type").startswith("text/html")
    assert with_fault("redirect-login").header("Location").endswith("/login")
    assert with_fault("empty") == right._replace(body=b"")
    assert with_fault("truncated") == right._replace(cut=len(right.body) // 2)
    assert with_fault("other-body", body=b"[]") == right._replace(body=b"[]")
    assert with_fault("dropped").drop
    assert ask(account, path, session) == right


def test_a_fault_can_name_one_page(account):
    cursor = load(account, PHOTOS)["next_cursor"]
    account.faults = [Fault("web-list", "500", id=2), Fault("web-photos", "500", id=cursor)]
    session = {"_strava4_session": account.issue_session()}
    assert ask(account, LIST, session).status == ask(account, PHOTOS, session).status == 200
    assert ask(account, LIST, session, page="2").status == 500
    assert ask(account, PHOTOS, session, cursor=cursor).status == 500
