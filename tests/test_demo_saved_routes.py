"""The made-up account's routes: lists, downloads, and their permissions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from strava_backup.demo.account import Account
from strava_backup.demo.serve import serve
from strava_backup.demo.wire import Request, Response

LIST = "/api/next/data/routes/my-routes"
MINT = "/api/next/mint-csrf-token"
PRIVATE, STARRED = 3_100_000_000_000_000_003, 3_050_000_000_000_000_211


@pytest.fixture
def account() -> Account:
    return Account.sample()


def ask_api(account: Account, path: str, **query: str) -> Response:
    headers = {"authorization": f"Bearer {account.issue_access_token()}"}
    return serve(account, Request("GET", "www.strava.com", f"/api/v3{path}", query, headers))


def post(account: Account, path: str, body: Any, **headers: str) -> Response:
    words = {"cookie": f"_strava4_session={account.issue_session()}", **headers}
    return serve(
        account, Request("POST", "www.strava.com", path, headers=words, body=json.dumps(body))
    )


def wanted(after: str = "0", size: int = 200, **search: Any) -> dict[str, Any]:
    return {"pageSize": size, "after": after, "searchArgs": {"createdBy": "Any", **search}}


def token(account: Account) -> dict[str, str]:
    answer = post(account, MINT, {})
    return {"x-csrf-token": json.loads(answer.body)["token"]}


def nodes(answer: Response) -> tuple[list[str], dict[str, Any]]:
    found = json.loads(answer.body)["me"]["searchRoutes"]
    return [one["id"] for one in found["nodes"]], found["pageInfo"]


def listed(account: Account) -> list[int]:
    answer = ask_api(account, f"/athletes/{account.athlete_id}/routes")
    return [one["id"] for one in json.loads(answer.body)]


def test_the_api_lists_own_routes_and_private_ones_only_with_the_scope(account: Account) -> None:
    assert PRIVATE in listed(account)
    assert STARRED not in listed(account)
    account.scopes.remove("read_all")
    assert len(listed(account)) == 2
    assert PRIVATE not in listed(account)
    assert ask_api(account, f"/routes/{PRIVATE}/export_gpx").status == 403
    account.scopes.remove("read")
    assert ask_api(account, f"/athletes/{account.athlete_id}/routes").status == 401


def test_the_api_lists_no_routes_of_others_and_page_by_page(account: Account) -> None:
    assert ask_api(account, "/athletes/4711/routes").status == 404
    path = f"/athletes/{account.athlete_id}/routes"
    pages = [ask_api(account, path, per_page="2", page=page).body for page in ("1", "2", "3")]
    assert [len(json.loads(page)) for page in pages] == [2, 1, 0]


def test_ids_in_the_api_are_a_number_and_a_text(account: Account) -> None:
    answer = ask_api(account, f"/athletes/{account.athlete_id}/routes")
    for one in json.loads(answer.body):
        assert one["id_str"] == str(one["id"])
        assert int(float(one["id"])) != one["id"]


def test_both_sources_send_the_same_gpx(account: Account) -> None:
    by_api = ask_api(account, f"/routes/{PRIVATE}/export_gpx")
    cookie = {"cookie": f"_strava4_session={account.issue_session()}"}
    path = f"/routes/{PRIVATE}/export_gpx"
    by_website = serve(account, Request("GET", "www.strava.com", path, headers=cookie))
    assert by_api.body == by_website.body == account.routes[PRIVATE].gpx
    assert b"<time>" not in by_api.body
    assert ask_api(account, "/routes/7/export_gpx").status == 404


def test_the_website_lists_starred_routes_and_pages(account: Account) -> None:
    ids, page = nodes(post(account, LIST, wanted(), **token(account)))
    assert str(STARRED) in ids
    assert page == {"endCursor": "4", "hasNextPage": False}
    first, page = nodes(post(account, LIST, wanted(size=3), **token(account)))
    assert page == {"endCursor": "3", "hasNextPage": True}
    rest, _ = nodes(post(account, LIST, wanted("3", size=3), **token(account)))
    assert first + rest == ids


def test_the_website_enforces_its_token(account: Account) -> None:
    assert (post(account, LIST, wanted()).status, post(account, LIST, wanted()).body) == (403, b"")
    assert post(account, LIST, wanted(), **{"x-csrf-token": "guessed"}).status == 403
    cookie = f"_strava4_session={account.issue_session()}"
    form_token = account.csrf_token(cookie.partition("=")[2])
    answer = post(account, LIST, wanted(), cookie=cookie, **{"x-csrf-token": form_token})
    assert answer.status == 500
    assert post(account, MINT, {}, cookie="_strava4_session=stale").status == 403


def test_a_wrong_search_finds_nothing(account: Account) -> None:
    assert post(account, LIST, wanted(createdBy="Me"), **token(account)).status == 500
    ids, _ = nodes(post(account, LIST, wanted(routeTypes=[]), **token(account)))
    assert ids == []
