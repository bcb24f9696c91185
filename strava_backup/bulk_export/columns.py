"""Pure: the columns of Strava's English `activities.csv` of 2026, and its names of sports.

The header is that of https://github.com/martin-ueding/geo-activity-playground (2024) with the
columns that Strava has added to public exports since.
"""

from __future__ import annotations

import re

# Values for display: rounded, kilometres, in the athlete's language.
FIRST_BLOCK = (
    "Activity ID", "Activity Date", "Activity Name", "Activity Type", "Activity Description",
    "Elapsed Time", "Distance", "Max Heart Rate", "Relative Effort", "Commute",
    "Activity Private Note", "Activity Gear", "Filename", "Athlete Weight", "Bike Weight",
)  # fmt: skip
# Unrounded values in seconds, metres, and metres per second.
SECOND_BLOCK = (
    "Elapsed Time", "Moving Time", "Distance", "Max Speed", "Average Speed", "Elevation Gain",
    "Elevation Loss", "Elevation Low", "Elevation High", "Max Grade", "Average Grade",
    "Average Positive Grade", "Average Negative Grade", "Max Cadence", "Average Cadence",
    "Max Heart Rate", "Average Heart Rate", "Max Watts", "Average Watts", "Calories",
    "Max Temperature", "Average Temperature", "Relative Effort", "Total Work", "Number of Runs",
    "Uphill Time", "Downhill Time", "Other Time", "Perceived Exertion", "Type", "Start Time",
    "Weighted Average Power", "Power Count", "Prefer Perceived Exertion",
    "Perceived Relative Effort", "Commute", "Total Weight Lifted", "From Upload",
    "Grade Adjusted Distance", "Weather Observation Time", "Weather Condition",
    "Weather Temperature", "Apparent Temperature", "Dewpoint", "Humidity", "Weather Pressure",
    "Wind Speed", "Wind Gust", "Wind Bearing", "Precipitation Intensity", "Sunrise Time",
    "Sunset Time", "Moon Phase", "Bike", "Gear", "Precipitation Probability",
    "Precipitation Type", "Cloud Cover", "Weather Visibility", "UV Index", "Weather Ozone",
    "Jump Count", "Total Grit", "Average Flow", "Flagged", "Average Elapsed Speed",
    "Dirt Distance", "Newly Explored Distance", "Newly Explored Dirt Distance",
    "Activity Count", "Total Steps", "Carbon Saved", "Pool Length", "Training Load", "Intensity",
    "Average Grade Adjusted Pace", "Timer Time", "Total Cycles", "Recovery", "With Pet",
    "Competition", "Long Run", "For a Cause", "With Kid", "Downhill Distance", "Total Sets",
    "Total Reps",
)  # fmt: skip
MEDIA = "Media"
HEADER = (*FIRST_BLOCK, *SECOND_BLOCK, MEDIA)

# https://developers.strava.com/docs/reference/#api-models-SportType, and the six of April 2026
_SPORT_TYPES = (
    "AlpineSki BackcountrySki Badminton Basketball Canoeing Cricket Crossfit Dance EBikeRide "
    "Elliptical EMountainBikeRide Golf GravelRide Handcycle HighIntensityIntervalTraining Hike "
    "IceSkate InlineSkate Kayaking Kitesurf MountainBikeRide NordicSki Padel PhysicalTherapy "
    "Pickleball Pilates Racquetball Ride RockClimbing RollerSki Rowing Run Sail Skateboard "
    "Snowboard Snowshoe Soccer Squash StairStepper StandUpPaddling Surfing Swim TableTennis Tennis "
    "TrailRun Velomobile VirtualRide VirtualRow VirtualRun Volleyball Walk WeightTraining "
    "Wheelchair Windsurf Workout Yoga"
)
# The names in English exports that are not the API's name with spaces.
_IRREGULAR = {
    "Canoeing": "Canoe",
    "EBikeRide": "E-Bike Ride",
    "EMountainBikeRide": "E-Mountain Bike Ride",
    "HighIntensityIntervalTraining": "HIIT",
    "RockClimbing": "Rock Climb",
    "Soccer": "Football (Soccer)",
    "StairStepper": "Stair-Stepper",
}
_WORD_START = re.compile("(?<=[a-z])(?=[A-Z])")
_NOT_IN_A_TYPE = re.compile(r"[\s_-]")


def sport_name(sport_type: str) -> str:
    """Return the name of a sport in an English export; of an unknown sport, its words."""
    return _IRREGULAR.get(sport_type) or _WORD_START.sub(" ", sport_type)


def sport_type(name: str) -> str | None:
    """Return the API's name for a sport of an English export, or None.

    Both the name for display and the API's name are accepted, in any case.
    """
    return _SPORTS.get(_folded(name))


def _folded(name: str) -> str:
    return _NOT_IN_A_TYPE.sub("", name).lower()


_SPORTS = {
    _folded(name): sport for sport in _SPORT_TYPES.split() for name in (sport, sport_name(sport))
}
