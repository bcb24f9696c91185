"""Strava's website: pages, log-in, exports and bikes of an account.

Opens no sockets and keeps no state of its own. The lists that scripts load are in web_lists.py.
"""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from strava_backup.demo.account import JWT_LIFETIME, Account, Visit
from strava_backup.demo.activity import Activity, transliterated
from strava_backup.demo.bike_page import bike_body
from strava_backup.demo.consent import ROUTES as CONSENT
from strava_backup.demo.errors import WEBSITE, empty_json
from strava_backup.demo.gear import Bike
from strava_backup.demo.routes import Match, Route, find
from strava_backup.demo.web_lists import ROUTES as LISTS
from strava_backup.demo.wire import Item, Request, Response, html, redirect


def match(request: Request) -> Match | None:
    """Return the website's route for a request."""
    return find(ROUTES, request.method, request.path)


def answer(account: Account, request: Request) -> Response:
    """Return the website's answer to a request, with the cookies that it sets."""
    found = match(request)
    if found is None:
        return _not_found()
    if found.route.xhr and (found.route.public or _is_xhr(request)):
        return _answer_to_script(account, request, found)
    visit = account.visit(request.cookies, dashboard=found.route.kind == "dashboard")
    if not (visit.signed_in or found.route.public):
        return redirect(f"{WEBSITE}/login")
    shown = _signed_in_page if found.route.xhr else found.route.answer
    response = shown(account, request, found.id or 0)
    return response.with_headers(*_visit_cookies(account, visit))


def _is_xhr(request: Request) -> bool:
    """Return whether a request is a script's. Without this header, the answer is the page even if
    the request accepts JSON (https://github.com/mapliberator/extension, docs/phase0-findings.md).
    """
    return request.headers.get("x-requested-with") == "XMLHttpRequest"


def _answer_to_script(account: Account, request: Request, found: Match) -> Response:
    visit = account.visit_by_script(request.cookies)
    if not (visit.signed_in or found.route.public):
        return empty_json(401)
    response = found.route.answer(account, request, found.id or 0)
    return response.with_headers(*_visit_cookies(account, visit))


def _visit_cookies(account: Account, visit: Visit) -> list[tuple[str, str]]:
    cookies = []
    if visit.session:
        cookies.append(_session_cookie(visit.session))
    if visit.jwt:
        cookies.append(_lasting_cookie("strava_remember_token", visit.jwt))
    return cookies


def _session_cookie(session: str) -> tuple[str, str]:
    # attributes as in https://github.com/akahn/strava-heatmap-to-kmz/issues/1
    value = f"_strava4_session={session}; domain=.strava.com; path=/; secure; HttpOnly"
    return "Set-Cookie", value


def _lasting_cookie(name: str, value: str) -> tuple[str, str]:
    attributes = f"domain=.strava.com; path=/; max-age={JWT_LIFETIME}; secure; HttpOnly"
    return "Set-Cookie", f"{name}={value}; {attributes}"


def _me(account: Account, request: Request, _: int) -> Response:
    return redirect(f"{WEBSITE}/athletes/{account.athlete_id}")


def _signed_in_page(account: Account, request: Request, _: Item) -> Response:
    return html(_page("Strava", csrf=_csrf(account, request), classes="logged-in"))


def _activity_page(account: Account, request: Request, activity_id: int) -> Response:
    activity = account.activity(activity_id)
    if activity is None:
        return _not_found()
    # The link is present only if there is something to export.
    link = f"<a href='/activities/{activity_id}/export_original'>Export Original</a>"
    return html(
        _page(
            f"Activity {activity_id}",
            link if activity.original is not None else "",
            csrf=_csrf(account, request),
            classes="logged-in",
        )
    )


def _edit_page(account: Account, request: Request, activity_id: int) -> Response:
    """Answer the form to edit an activity: Strava's ids, in the markup of Rails.

    The note is `#activity_private_note`, and the description has no id (autumn 2026,
    https://github.com/pmaxhogan/cameld). The control of the perceived exertion is our
    guess.
    """
    activity = account.activity(activity_id)
    if activity is None:
        # It redirects elsewhere (same source); the target is our guess.
        return redirect(f"{WEBSITE}/athlete/training")
    csrf = _csrf(account, request)
    return html(_page("Edit Activity", _edit_form(activity, csrf), csrf=csrf, classes="logged-in"))


def _edit_form(activity: Activity, csrf: str) -> str:
    exertion = activity.detail.get("perceived_exertion")
    shown = "" if exertion is None else exertion
    # Rails begins a textarea with a line break, which browsers ignore.
    return (
        f"<form action='/activities/{activity.id}' method='post'>"
        f"<input type='hidden' name='authenticity_token' value='{csrf}' />"
        f"<input name='activity[name]' value='{escape(activity.detail['name'], quote=True)}' />"
        "<textarea name='activity[description]'>\n"
        f"{escape(activity.detail['description'] or '')}</textarea>"
        "<textarea name='activity[private_note]' id='activity_private_note'>\n"
        f"{escape(activity.private_note)}</textarea>"
        "<input type='hidden' name='activity[perceived_exertion]' "
        f"id='activity_perceived_exertion' value='{shown}' />"
        "</form>"
    )


def _export_original(account: Account, request: Request, activity_id: int) -> Response:
    activity = account.activity(activity_id)
    if activity is None:
        return _not_found()
    if activity.original is None:
        # "302 back to the activity URL" (https://github.com/pR0Ps/stravaweblib, webclient.py)
        return redirect(f"{WEBSITE}/activities/{activity_id}")
    response = _attachment(activity.original_name, activity.content_type, activity.original)
    return response if account.announce_lengths else response._replace(framing="chunked")


def _export_gpx(account: Account, request: Request, activity_id: int) -> Response:
    activity = account.activity(activity_id)
    if activity is None:
        return _not_found()
    if activity.gpx is None:
        # https://github.com/mapliberator/extension, docs/phase0-findings.md
        return redirect(f"{WEBSITE}/dashboard")
    # always without Content-Length (same source)
    response = _attachment(activity.gpx_name, "application/octet-stream", activity.gpx)
    return response._replace(framing="chunked")


def _export_route(account: Account, request: Request, route_id: int) -> Response:
    """Answer with the GPX, also of private routes and of starred ones of others."""
    route = account.routes.get(route_id)
    if route is None:
        return _not_found()
    response = _attachment(f"{route.name}.gpx", "application/octet-stream", route.gpx)
    return response._replace(framing="chunked")


def _attachment(name: str, content_type: str, content: bytes) -> Response:
    # both forms, as recorded in https://github.com/liskin/strava-offline (test_download_gpx.yaml)
    disposition = (
        f"attachment; filename=\"{transliterated(name)}\"; filename*=UTF-8''{quote(name, safe='')}"
    )
    headers = (("Content-Type", content_type), ("Content-Disposition", disposition))
    return Response(200, headers, content)


def _bike(account: Account, request: Request, number: int) -> Response:
    bike = account.gear.get(f"b{number}")
    if not isinstance(bike, Bike):
        return _not_found()
    return html(
        _page(
            escape(bike.name),
            bike_body(bike, account.language, account.units),
            csrf=_csrf(account, request),
            classes="logged-in",
            language=account.language,
        )
    )


def _about(account: Account, request: Request, _: int) -> Response:
    return _form(account, request, "About", "")


def _login_page(account: Account, request: Request, _: int) -> Response:
    if account.visit(request.cookies).signed_in:
        return redirect(f"{WEBSITE}/dashboard")
    if account.login_mode == "waf":
        return _forbidden()
    refused = account.login_was_refused(request.cookies.get("_strava4_session", ""))
    return _form(account, request, "Log In", _WRONG_PASSWORD if refused else "")


def _log_in(account: Account, request: Request, _: int) -> Response:
    if account.login_mode != "works":
        return _LOGIN_REFUSALS[account.login_mode]
    session = request.cookies.get("_strava4_session", "")
    if request.form.get("authenticity_token") != account.csrf_token(session):
        # the error page of Rails, which creates the tokens
        return html(_page("The change you wanted was rejected."), 422)
    given = request.form.get("email"), request.form.get("password")
    if given != (account.email, account.password):
        account.refuse_login(session)
        return redirect(f"{WEBSITE}/login")
    return redirect(f"{WEBSITE}/dashboard").with_headers(
        _session_cookie(account.issue_session()),
        _lasting_cookie("strava_remember_id", str(account.athlete_id)),
        _lasting_cookie("strava_remember_token", account.issue_jwt()),
    )


_WRONG_PASSWORD = (
    "<div class='alert alert-error'>The username or password did not match. Please try again.</div>"
)


def _form(account: Account, request: Request, title: str, text: str) -> Response:
    """Return a public page with the CSRF token of the visitor's session; create one if needed."""
    session = request.cookies.get("_strava4_session")
    if session:
        return html(_page(title, text, csrf=account.csrf_token(session)))
    session = account.anonymous_session()
    page = html(_page(title, text, csrf=account.csrf_token(session)))
    return page.with_headers(_session_cookie(session))


def _csrf(account: Account, request: Request) -> str:
    return account.csrf_token(request.cookies.get("_strava4_session", ""))


def _page(
    title: str, text: str = "", *, csrf: str = "", classes: str = "", language: str = "en"
) -> str:
    return (
        f"<!DOCTYPE html>\n<html class='{classes}' lang='{language}'><head><title>{title}</title>"
        '<meta name="csrf-param" content="authenticity_token" />'
        f'<meta name="csrf-token" content="{csrf}" />'
        f"</head><body><h1>{title}</h1>{text}</body></html>"
    )


def _not_found() -> Response:
    return html(_page("Page Not Found"), 404)


def _forbidden() -> Response:
    return html("<html><head><title>403 Forbidden</title></head><body></body></html>", 403)


_CAPTCHA = (
    "<script src='https://www.google.com/recaptcha/enterprise.js'></script>"
    "<script>window.grecaptcha.enterprise.execute()</script><div id='challenge'></div>"
)
_CODE = (
    "<p>Enter the 6-digit code we sent to your email. It expires in 5 minutes.</p>"
    "<form><input name='otp' autocomplete='one-time-code' maxlength='6'></form>"
)
_LOGIN_REFUSALS = {
    "captcha": html(_page("Log In", _CAPTCHA)),
    "code": html(_page("Check your email", _CODE)),
    "waf": _forbidden(),
    # https://github.com/pR0Ps/strava-backup/issues/11
    "limited": html(_page("Too Many Requests"), 429),
}


ROUTES = (
    Route("GET", "/about", "about", _about, public=True),
    Route("GET", "/login", "login-page", _login_page, public=True),
    Route("POST", "/session", "login", _log_in, public=True),
    Route("GET", "/me", "me", _me),
    Route("GET", "/dashboard", "dashboard", _signed_in_page),
    Route("GET", r"/athletes/\d+", "profile", _signed_in_page),
    Route("GET", r"/activities/(\d+)", "page", _activity_page),
    Route("GET", r"/activities/(\d+)/edit", "edit", _edit_page),
    Route("GET", r"/activities/(\d+)/export_original", "original", _export_original),
    Route("GET", r"/activities/(\d+)/export_gpx", "gpx", _export_gpx),
    Route("GET", r"/bikes/(\d+)", "bike", _bike),
    Route("GET", r"/routes/(\d+)/export_gpx", "route", _export_route),
    *CONSENT,
    *LISTS,
)
