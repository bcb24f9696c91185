"""The website's page on which an athlete grants an app its scopes, and the redirect after it.

Queries and answers follow https://developers.strava.com/docs/authentication. The page's HTML and
the fields of its form are made up. The page is always shown (`approval_prompt=force`).
"""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode, urlsplit

from strava_backup.demo.account import Account
from strava_backup.demo.errors import api_error
from strava_backup.demo.routes import Route
from strava_backup.demo.wire import Request, Response, html, redirect

# "localhost and 127.0.0.1 are white-listed" (same documentation)
_HOSTS = {"localhost", "127.0.0.1"}


def _page(account: Account, request: Request, _: int) -> Response:
    refused = _refusal(account, request)
    if refused:
        return refused
    query = escape(urlencode(request.query))
    csrf = account.csrf_token(request.cookies.get("_strava4_session", ""))
    boxes = "".join(
        f"<input type='checkbox' name='{escape(scope)}' checked>"
        for scope in request.query["scope"].split(",")
    )
    return html(
        f"<html class='logged-in'><body><form method='post' action='/oauth/accept?{query}'>"
        f"<input type='hidden' name='authenticity_token' value='{csrf}'>{boxes}"
        "<button>Authorize</button></form>"
        f"<a href='{escape(_back(request, error='access_denied'))}'>Cancel</a></body></html>"
    )


def _accept(account: Account, request: Request, _: int) -> Response:
    refused = _refusal(account, request)
    if refused:
        return refused
    session = request.cookies.get("_strava4_session", "")
    if request.form.get("authenticity_token") != account.csrf_token(session):
        return html("<html><body>The change you wanted was rejected.</body></html>", 422)
    granted = [scope for scope in request.query["scope"].split(",") if scope in request.form]
    return redirect(_back(request, code=account.consent(granted), scope=",".join(granted)))


def _refusal(account: Account, request: Request) -> Response | None:
    if request.query.get("client_id") != account.client_id:
        return api_error(400, "Bad Request", "Application", "client_id", "invalid")
    address = urlsplit(request.query.get("redirect_uri", ""))
    if address.scheme != "http" or address.hostname not in _HOSTS:
        return api_error(400, "Bad Request", "Application", "redirect_uri", "invalid")
    if request.query.get("response_type") != "code" or not request.query.get("scope"):
        return api_error(400, "Bad Request", "Authorize", "response_type", "invalid")
    return None


def _back(request: Request, **answer: str) -> str:
    """Return the address of the app, with the state that it sent."""
    query = urlencode({"state": request.query.get("state", ""), **answer})
    return f"{request.query['redirect_uri']}?{query}"


ROUTES = (
    Route("GET", "/oauth/authorize", "consent", _page),
    Route("POST", "/oauth/accept", "accept", _accept),
)
