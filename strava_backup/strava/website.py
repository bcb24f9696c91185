"""Downloads originals, GPX files, routes, component lists and private notes from the website, and
its activity count.

Saves nothing, and follows no redirects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from strava_backup import errors
from strava_backup.strava import pages, session, transport
from strava_backup.strava.web_source import fetch_list_page


class Website:
    """Downloads files and pages with a signed-in session."""

    def __init__(self, web: session.WebSession) -> None:
        self._web = web

    def download_original(self, activity_id: int) -> AbstractContextManager[transport.Download]:
        """Return the file as it was uploaded. Raises the errors of `_download`."""
        return self._download(f"/activities/{activity_id}/export_original")

    def download_gpx(self, activity_id: int) -> AbstractContextManager[transport.Download]:
        """Return the GPX that Strava creates for an activity with a track. Raises as above."""
        return self._download(f"/activities/{activity_id}/export_gpx")

    def download_route(self, route_id: str) -> AbstractContextManager[transport.Download]:
        """Return the GPX of a route, also of a private one. Raises as above."""
        return self._download(f"/routes/{route_id}/export_gpx")

    def fetch_components(self, bike_id: str) -> Callable[[], list[dict[str, Any]]]:
        """Fetch a bike's page, and return a function that parses its components.

        Raises as above; the function raises PageChanged. Parsing takes longer than most requests
        and makes none, so the caller can do it concurrently with the next request.
        """
        response = self._web.get(f"/bikes/{bike_id.removeprefix('b')}")
        if response.status_code != 200:
            raise self._refusal(response)
        renewed = self._web.renewed()

        def read() -> list[dict[str, Any]]:
            components = pages.parse_components(response.text)
            self._web.keep(renewed)
            return components

        return read

    def fetch_private_note(self, activity_id: int) -> Callable[[], dict[str, Any]]:
        """Fetch an activity's edit page, and return a function that parses the values of its form.

        The errors are those of `fetch_components`. The page of a deleted activity redirects
        elsewhere, which is Refused.
        """
        response = self._web.get(f"/activities/{activity_id}/edit")
        if response.status_code != 200:
            raise self._edit_refusal(response)
        renewed = self._web.renewed()

        def read() -> dict[str, Any]:
            values = pages.parse_edit_page(response.text)
            self._web.keep(renewed)
            return values

        return read

    def fetch_activity_count(self) -> int | None:
        """Return the number of activities in the website's list, private ones included.

        None if the list has no total. Raises SessionOver and TryLater.
        """
        return fetch_list_page(self._web, 1)[1]

    @contextmanager
    def _download(self, path: str) -> Iterator[transport.Download]:
        """Return the download in an export's answer.

        200 with an attachment is a file. A redirect to the log-in means that the session is over, a
        redirect to the activity or the dashboard that the file does not exist
        (https://github.com/pR0Ps/stravaweblib, branch feature/standalone-scraping).

        Raises Refused, ItemError, Unreachable, SessionOver, TryLater.
        """
        response = self._web.get(path, stream=True)
        try:
            if response.status_code == 200 and pages.is_attachment(response.headers):
                self._web.keep_renewed()
                name = pages.sent_file_name(response.headers)
                yield transport.Download(name, response.read_chunks())
            else:
                raise self._refusal(response)
        finally:
            response.close()

    def _edit_refusal(self, response: transport.Response) -> errors.Error:
        error = self._refusal(response, "edit page")
        if response.is_redirect and isinstance(error, errors.PageInstead):
            why = "redirect elsewhere"
            return errors.Refused("Strava sends no edit page and redirects elsewhere", why)
        return error

    def _refusal(self, response: transport.Response, kind: str = "file") -> errors.Error:
        status = response.status_code
        if status == 404:
            return errors.Refused("Strava answers 404 (not found)", "404")
        target = pages.redirect_target(response.headers.get("Location", ""))
        if not response.is_redirect:
            return self._blocked(status)
        if target is pages.Target.LOGIN:
            return errors.SessionOver(f"the web session is over: {session.RENEWAL}")
        if target is pages.Target.OTHER:
            return self._blocked(status)
        return errors.Refused(
            f"Strava sends no {kind} and redirects to the {target.name.lower()}",
            f"redirect to the {target.name.lower()}",
        )

    def _blocked(self, status: int) -> errors.Error:
        """Return the error for a 403 or an unexpected page: a request of /me shows the cause."""
        if self._web.fetch_athlete_id() is None:
            return errors.SessionOver(f"the web session is over: {session.RENEWAL}")
        if status == 403:
            return errors.Blocked("Strava answers 403 (forbidden)", "403")
        return errors.PageInstead(f"Strava answers {status} with a page instead of the file")
