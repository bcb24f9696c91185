"""`python -m benchmarks.server`: serves the made-up Strava in a process of its own.

Reads commands as lines of JSON from standard input, and answers each with a line of JSON.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from benchmarks import accounts
from strava_backup.demo.account import Account, LoggedRequest
from tests.strava_proxy import StravaProxy

Json = dict[str, Any]

_ACCOUNTS: dict[str, Callable[..., Account]] = {
    "ordinary": accounts.ordinary,
    "rich": accounts.rich,
    "bulky": accounts.bulky,
}


def main(kind: str, *numbers: str) -> None:
    """Serve the account of that kind until the input ends."""
    with StravaProxy(_ACCOUNTS[kind](*map(int, numbers))) as proxy:
        _write({"url": proxy.url, "ca_file": proxy.ca_file})
        for line in sys.stdin:
            order = json.loads(line)
            _write(_ORDERS[order["do"]](proxy, order))


def _write(answer: Json) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _begin(proxy: StravaProxy, order: Json) -> Json:
    """Clear the log of requests; return the credentials for a config."""
    account = proxy.account
    account.requests.clear()
    proxy.latency = order["latency"]
    return {
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "refresh_token": account.refresh_token,
        "jwt": account.issue_jwt(),
    }


def _end(proxy: StravaProxy, _: Json) -> Json:
    """Return the request counts of the run, and its forbidden requests."""
    account = proxy.account
    website = [request for request in account.requests if _is_website(request)]
    wrong = [f"unknown: {one.path}" for one in account.unknown_requests]
    wrong += [f"leak: {one.path}" for one in account.leaks] + [repr(one) for one in proxy.errors]
    return {
        "kinds": Counter(request.kind for request in account.requests),
        "api_requests": sum(_is_api(request) for request in account.requests),
        "website_requests": len(website),
        "website_seconds": website[-1].at - website[0].at if website else 0,
        "wrong": wrong,
    }


def _website(proxy: StravaProxy, _: Json) -> Json:
    """Return all requests to the website, and the cookies of the last one."""
    website = [request for request in proxy.account.requests if _is_website(request)]
    return {
        "urls": [_url(request) for request in website],
        "statuses": [request.status for request in website],
        "cookie": website[-1].headers["cookie"],
    }


def _is_website(request: LoggedRequest) -> bool:
    return request.host == "www.strava.com" and not request.path.startswith(("/api/", "/oauth/"))


def _is_api(request: LoggedRequest) -> bool:
    """Return whether a request counts against the API's limits, unlike token requests."""
    is_api = request.path.startswith("/api/") or request.host == "api-v3.strava.com"
    return is_api and request.kind != "token"


def _url(request: LoggedRequest) -> str:
    query = f"?{urlencode(request.query)}" if request.query else ""
    return f"https://{request.host}{request.path}{query}"


_ORDERS: dict[str, Callable[[StravaProxy, Json], Json]] = {
    "begin": _begin,
    "end": _end,
    "website": _website,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
