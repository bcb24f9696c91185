"""Made-up gear: bikes with their components, and shoes, in the form of Strava's API.

The fields are those recorded by dblock/strava-ruby-client. Pure; independent of HTTP and of the
account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

METRES = {"km": 1000.0, "mi": 1609.344}

Json = dict[str, Any]


@dataclass
class Component:
    """A component of a bike, listed only on the website. `added` is None: since the beginning."""

    id: int
    type: str
    brand: str = ""
    model: str = ""
    added: date | None = None
    removed: date | None = None
    distance: float = 0.0


@dataclass
class Gear:
    """The common fields of bikes and shoes; distances are in metres."""

    id: str
    name: str
    brand: str = ""
    model: str = ""
    nickname: str | None = None
    description: str | None = None
    distance: float = 0.0
    retired: bool = False
    primary: bool = False

    def summary(self, units: str) -> Json:
        """Return the object in the athlete's lists and in an activity's detail."""
        return {
            "id": self.id,
            "primary": self.primary,
            "name": self.name,
            "nickname": self.nickname,
            "resource_state": 2,
            "retired": self.retired,
            "distance": round(self.distance),
            "converted_distance": round(self.distance / METRES[units], 1),
        }

    def detail(self, units: str) -> Json:
        """Return the whole object."""
        return {
            **self.summary(units),
            "resource_state": 3,
            "brand_name": self.brand,
            "model_name": self.model,
            "description": self.description,
        }

    def ride(self, metres: float) -> None:
        """Add the distance."""
        self.distance += metres


@dataclass
class Bike(Gear):
    """A bike. `frame_type` 1 is a mountain bike, 2 cross, 3 road, 4 time trial, 5 gravel
    (https://github.com/pR0Ps/stravaweblib, webclient.py).
    """

    frame_type: int = 3
    weight: float = 9.0
    components: list[Component] = field(default_factory=list)

    def detail(self, units: str) -> Json:
        """Return the whole object, which has no components."""
        return {**super().detail(units), "frame_type": self.frame_type, "weight": self.weight}

    def ride(self, metres: float) -> None:
        """Add the distance to the bike and to its present components."""
        super().ride(metres)
        for component in self.components:
            if component.removed is None:
                component.distance += metres


@dataclass
class Shoe(Gear):
    """A pair of shoes."""

    def detail(self, units: str) -> Json:
        """Return the whole object."""
        return {**super().detail(units), "notification_distance": 0}
