"""The error answers that the API and the website's scripts share. Keeps no state."""

from __future__ import annotations

from strava_backup.demo.wire import Response, json_response

WEBSITE = "https://www.strava.com"


def api_error(
    status: int, message: str, resource: str = "", field: str = "", code: str = ""
) -> Response:
    """An error in the shape of the API's bodies."""
    errors = [{"resource": resource, "field": field, "code": code}] if resource else []
    return json_response({"message": message, "errors": errors}, status)


def empty_json(status: int) -> Response:
    """An empty answer to a script of the website's pages, for example the 401 without a session
    (https://github.com/mapliberator/extension, docs/phase0-findings.md).
    """
    return Response(status, (("Content-Type", "application/json"),))
