"""Made-up routes, created and starred ones, as the API and the website list them.

Pure; independent of HTTP and of the account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from strava_backup.timestamps import utc_timestamp

Json = dict[str, Any]

_METRES_PER_POINT = 500


@dataclass
class SavedRoute:
    """A route. `creator_id` is None for the athlete's own; `pad` makes the GPX larger."""

    id: int
    name: str
    distance: float
    elevation_gain: float = 120.5
    description: str = ""
    private: bool = False
    starred: bool = False
    creator_id: int | None = None
    created: datetime = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
    updated: datetime = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
    type: int = 1
    estimated_time: int = 4_000

    def edit(self, moment: datetime, **fields: Any) -> None:
        """Change fields, and the time of the last change."""
        for name, value in fields.items():
            setattr(self, name, value)
        self.updated = moment

    def record(self, athlete_id: int) -> Json:
        """Return the route in the API's list. Its fields are those of the model at
        https://developers.strava.com/docs/reference/#api-models-Route; `map_urls` is one of the
        fields that the model lacks (https://github.com/stravalib/stravalib)."""
        return {
            "id": self.id,
            "id_str": str(self.id),
            "name": self.name,
            "description": self.description,
            "athlete": {"id": self.creator_id or athlete_id, "resource_state": 1},
            "distance": self.distance,
            "elevation_gain": self.elevation_gain,
            "estimated_moving_time": self.estimated_time,
            "map": {
                "id": f"r{self.id}",
                "summary_polyline": "ki{eFvqfiVqAWQIGEEKAYJgBVqDJ{BHa@jAkN",
            },
            "map_urls": {"url": f"https://d3o5xota0a1fcr.cloudfront.net/maps/{self.id}"},
            "type": self.type,
            "sub_type": 1,
            "private": self.private,
            "starred": self.starred,
            "timestamp": int(self.created.timestamp()),
            "created_at": utc_timestamp(self.created),
            "updated_at": utc_timestamp(self.updated),
            "resource_state": 2,
        }

    def node(self, athlete_id: int) -> Json:
        """Return the route in the website's list, with the fields that
        https://github.com/mapliberator/extension names (docs/phase0-findings.md). There is no time
        of the last change; the form of `creationTime` is our guess."""
        return {
            "id": str(self.id),
            "title": self.name,
            "isStarred": self.starred,
            "elevationGain": self.elevation_gain,
            "length": self.distance,
            "estimatedTime": self.estimated_time,
            "creationTime": utc_timestamp(self.created),
            "routeType": "Ride" if self.type == 1 else "Run",
            "athlete": {"id": str(self.creator_id or athlete_id)},
            "isPrivate": self.private,
        }

    @property
    def gpx(self) -> bytes:
        """The exported GPX, which has an author and a licence, but no times (same source)."""
        name = escape(self.name)
        points = range(2 + int(self.distance) // _METRES_PER_POINT)
        return "\n".join(
            [
                '<?xml version="1.0" encoding="UTF-8"?>',
                '<gpx creator="StravaGPX" version="1.1" xmlns="http://www.topografix.com/GPX/1/1">',
                f" <metadata><name>{name}</name><author><name>Ada Example</name></author>",
                '  <copyright author="OpenStreetMap contributors"><year>2020</year>'
                "<license>https://www.openstreetmap.org/copyright</license></copyright></metadata>",
                f" <trk><name>{name}</name><trkseg>",
                *(
                    f'  <trkpt lat="{47.99 + 0.001 * point:.5f}" lon="7.84"><ele>280</ele></trkpt>'
                    for point in points
                ),
                " </trkseg></trk>",
                "</gpx>\n",
            ]
        ).encode()


def sample_routes() -> list[SavedRoute]:
    """Return three routes of the athlete, one of them private, and a starred one of another.

    Their ids have 19 digits, the last of which a JavaScript number would lose.
    """
    return [
        SavedRoute(3_100_000_000_000_000_001, "Schauinsland & back", 42_195.3, 1_203.0),
        SavedRoute(3_100_000_000_000_000_003, "To work", 7_310.0, private=True),
        SavedRoute(2_900_000_000_000_000_517, "Dreisam <run>", 10_004.9, 31.2, type=2),
        SavedRoute(
            3_050_000_000_000_000_211, "Col du Galibier", 34_800.0, starred=True, creator_id=4_711
        ),
    ]
