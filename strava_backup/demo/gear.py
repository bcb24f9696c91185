"""Made-up gear: bikes with their components, and shoes, as Strava's API has them.

The fields are those recorded by dblock/strava-ruby-client. Pure; knows no HTTP and no account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

METRES = {"km": 1000.0, "mi": 1609.344}

Json = dict[str, Any]


@dataclass
class Component:
    """A part of a bike; only the website knows of it. `added` is None since the beginning."""

    id: int
    type: str
    brand: str = ""
    model: str = ""
    added: date | None = None
    removed: date | None = None
    distance: float = 0.0


@dataclass
class Gear:
    """What bikes and shoes have in common; distances are metres."""

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
        """The object as in the athlete's lists and in an activity's detail."""
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
        """The whole object."""
        return {
            **self.summary(units),
            "resource_state": 3,
            "brand_name": self.brand,
            "model_name": self.model,
            "description": self.description,
        }

    def ride(self, metres: float) -> None:
        """Wear it for that distance."""
        self.distance += metres


@dataclass
class Bike(Gear):
    """`frame_type` 1 is a mountain bike, 2 cross, 3 road, 4 time trial, 5 gravel
    (https://github.com/pR0Ps/stravaweblib, webclient.py).
    """

    frame_type: int = 3
    weight: float = 9.0
    components: list[Component] = field(default_factory=list)

    def detail(self, units: str) -> Json:
        """The whole object; it tells nothing of components."""
        return {**super().detail(units), "frame_type": self.frame_type, "weight": self.weight}

    def ride(self, metres: float) -> None:
        """Wear the bike, and those components that are still on it."""
        super().ride(metres)
        for component in self.components:
            if component.removed is None:
                component.distance += metres


@dataclass
class Shoe(Gear):
    """A pair of shoes."""

    def detail(self, units: str) -> Json:
        """The whole object."""
        return {**super().detail(units), "notification_distance": 0}
