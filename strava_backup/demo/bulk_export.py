"""The account's bulk export, as Strava packs it: tables in the athlete's language, files, photos.

Layout and headers are those of https://github.com/martin-ueding/geo-activity-playground: the
English header is known whole, of other languages only what is ahead of `Athlete Weight`; the rest
of them is in English here. How other languages than those below write their dates is not known.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from strava_backup.demo import files
from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity
from strava_backup.demo.gear import Bike
from strava_backup.demo.photos import Photo
from strava_backup.demo.pictures import picture

# When the samples were exported, in the local time of nobody knows whom.
EXPORTED = (2026, 11, 20, 21, 22, 24)

SHORT = 10
SHORT_HEADER = (
    "id", "date", "name", "type", "description", "elapsed_time", "distance", "commute", "gear",
    "filename",
)  # fmt: skip

_EN = (
    "Activity ID", "Activity Date", "Activity Name", "Activity Type", "Activity Description",
    "Elapsed Time", "Distance", "Max Heart Rate", "Relative Effort", "Commute",
    "Activity Private Note", "Activity Gear", "Filename",
)  # fmt: skip
_DE = (
    "Aktivitäts-ID", "Aktivitätsdatum", "Name der Aktivität", "Aktivitätsart",
    "Aktivitätsbeschreibung", "Verstrichene Zeit", "Distanz", "Max. Herzfrequenz",
    "Relative Leistung", "Pendeln", "Hinweis zur Privatsphäre für Aktivitäten",
    "Aktivitätsausrüstung", "Dateiname",
)  # fmt: skip
_FR = (
    "ID de l'activité", "Date de l'activité", "Nom de l'activité", "Type d'activité",
    "Description de l'activité", "Temps écoulé", "Distance", "Fréquence cardiaque max.",
    "Effort relatif", "Déplacement-transport", "Note privée sur les activités",
    "Matériel utilisé pour l'activité", "Nom du fichier",
)  # fmt: skip
_CS = (
    "ID aktivity", "Datum aktivity", "Název aktivity", "Typ aktivity", "Popis aktivity",
    "Uplynulý čas", "Vzdálenost", "Max. srdeční frekvence", "Relativní úsilí", "Dojíždění",
    "Soukromá poznámka", "Vybavení", "Název souboru",
)  # fmt: skip
_REST = (
    "Athlete Weight", "Bike Weight", "Elapsed Time", "Moving Time", "Distance", "Max Speed",
    "Average Speed", "Elevation Gain", "Elevation Loss", "Elevation Low", "Elevation High",
    "Max Grade", "Average Grade", "Average Positive Grade", "Average Negative Grade",
    "Max Cadence", "Average Cadence", "Max Heart Rate", "Average Heart Rate", "Max Watts",
    "Average Watts", "Calories", "Max Temperature", "Average Temperature", "Relative Effort",
    "Total Work", "Number of Runs", "Uphill Time", "Downhill Time", "Other Time",
    "Perceived Exertion", "Type", "Start Time", "Weighted Average Power", "Power Count",
    "Prefer Perceived Exertion", "Perceived Relative Effort", "Commute", "Total Weight Lifted",
    "From Upload", "Grade Adjusted Distance", "Weather Observation Time", "Weather Condition",
    "Weather Temperature", "Apparent Temperature", "Dewpoint", "Humidity", "Weather Pressure",
    "Wind Speed", "Wind Gust", "Wind Bearing", "Precipitation Intensity", "Sunrise Time",
    "Sunset Time", "Moon Phase", "Bike", "Gear", "Precipitation Probability",
    "Precipitation Type", "Cloud Cover", "Weather Visibility", "UV Index", "Weather Ozone",
    "Jump Count", "Total Grit", "Average Flow", "Flagged", "Average Elapsed Speed",
    "Dirt Distance", "Newly Explored Distance", "Newly Explored Dirt Distance",
    "Activity Count", "Total Steps", "Carbon Saved", "Pool Length", "Training Load", "Intensity",
    "Average Grade Adjusted Pace", "Timer Time", "Total Cycles",
)  # fmt: skip
_MEDIA = "Media"


class Language(NamedTuple):
    """How the first block of the table is worded: its header, dates, decimals and types."""

    header: tuple[str, ...]
    date: Callable[[datetime], str]
    point: str
    types: Mapping[str, str]


def _english_date(moment: datetime) -> str:
    half = "PM" if moment.hour >= 12 else "AM"
    month = _MONTHS["en"].split()[moment.month - 1]
    clock = f"{(moment.hour - 1) % 12 + 1}:{moment:%M:%S}"
    return f"{month} {moment.day}, {moment.year}, {clock} {half}"


def _german_date(moment: datetime) -> str:
    return f"{moment:%d.%m.%Y, %H:%M:%S}"


def _french_date(moment: datetime) -> str:
    month = _MONTHS["fr"].split()[moment.month - 1]
    return f"{moment.day} {month} {moment.year} à {moment:%H:%M:%S}"


def _czech_date(moment: datetime) -> str:
    return f"{moment.day}. {moment.month}. {moment.year} {moment.hour}:{moment:%M:%S}"


_MONTHS = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "fr": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
}
LANGUAGES = {
    "en": Language(_EN, _english_date, ".", {}),
    "de": Language(_DE, _german_date, ",", {"Ride": "Radfahrt", "Run": "Lauf"}),
    "fr": Language(_FR, _french_date, ",", {"Ride": "Vélo", "Run": "Course à pied"}),
    "cs": Language(_CS, _czech_date, ",", {"Ride": "Jízda", "Run": "Běh"}),
}


def export_files(
    account: Account,
    language: str = "en",
    columns: int = 94,
    *,
    lost: Collection[int] = (),
    missing: Collection[int] = (),
    rename_photo: Callable[[str], str] = str,
) -> dict[str, bytes]:
    """The files of an export, by their names.

    Activities `lost` have `#error#` in place of a file name, those `missing` a name without a file.
    `rename_photo` makes the name of a file from a photo's id; whether Strava takes the id as it is
    is not known.
    """
    made = {
        "activities.csv": table(account, language, columns, lost=lost, rename_photo=rename_photo),
        "media.csv": _csv(_captions(account, rename_photo)),
        **_gear_tables(account),
        "profile.csv": _csv(
            [["Athlete ID", "Email Address", "First Name"], [account.athlete_id, "", "Ada"]]
        ),
        "profile.jpg": picture("jpg", "profile", 124, 124),
        "routes.csv": _csv([["Route Name", "Route Filename"], ["Round", "routes/1.gpx"]]),
        "routes/1.gpx": files.gpx(datetime(2020, 1, 1, tzinfo=UTC), 20, name="Round"),
        "messaging.json": b"{}\n",
    }
    for activity in account.activities:
        name = original_name(activity)
        if name and activity.id not in {*lost, *missing}:
            made[name] = _packed(activity)
        for photo in _photos(activity):
            made[_media_name(photo, rename_photo)] = photo.content
    return made


def write_zip(contents: Mapping[str, bytes], path: Path) -> None:
    """Write files as a ZIP, as Strava does: what is packed already is not packed again."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in contents.items():
            info = zipfile.ZipInfo(name, EXPORTED)
            is_packed = name.endswith((".gz", ".jpg"))
            info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            packed.writestr(info, content)


def write_folder(contents: Mapping[str, bytes], folder: Path) -> None:
    """Write files as they are after unpacking."""
    for name, content in contents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def table(
    account: Account,
    language: str = "en",
    columns: int = 94,
    *,
    lost: Collection[int] = (),
    rename_photo: Callable[[str], str] = str,
) -> bytes:
    """The text of `activities.csv`, of ten columns as in 2018, or of 87 and more."""
    if columns == SHORT:
        rows = [_short_row(activity, lost) for activity in account.activities]
        return _csv([SHORT_HEADER, *rows])
    words = LANGUAGES[language]
    repeated = dict(zip(_EN, words.header, strict=True))
    wanted = columns - len(words.header) - 1
    rest = [repeated.get(title, title) for title in _REST][:wanted]
    # What came after the 94th is not known one by one.
    rest += [f"New {number}" for number in range(wanted - len(rest))]
    rows = []
    for activity in account.activities:
        numbers = _numbers(activity)
        cells = [numbers.get(title, "") for title in _REST][:wanted]
        cells += [""] * (wanted - len(cells))
        media = "|".join(_media_name(photo, rename_photo) for photo in _photos(activity))
        rows.append([*_first_block(activity, words, lost), *cells, media])
    return _csv([[*words.header, *rest, _MEDIA], *rows])


def original_name(activity: Activity) -> str:
    """The name of an original in the export: its number is the upload's, not the activity's."""
    if activity.original is None:
        return ""
    suffix = activity.original_suffix.removesuffix(".gz")
    packed = "" if suffix == ".gpx" and activity.original_suffix == ".gpx" else ".gz"
    return f"activities/{activity.detail['upload_id']}{suffix}{packed}"


def _packed(activity: Activity) -> bytes:
    """An original in the export: a GPX as it is, all else as gzip; once is taken for enough."""
    content = activity.original or b""
    is_plain = activity.original_suffix == ".gpx" or activity.original_suffix.endswith(".gz")
    return content if is_plain else files.gzipped(content)


def _photos(activity: Activity) -> list[Photo]:
    """The photos that an export has; whether it has videos is not known."""
    return [one for one in activity.photos if one.kind in ("jpg", "png", "webp", "gif", "heic")]


def _media_name(photo: Photo, rename: Callable[[str], str]) -> str:
    return f"media/{rename(photo.unique_id)}.jpg"


def _start(activity: Activity) -> datetime:
    return datetime.fromisoformat(activity.detail["start_date"]).astimezone(UTC)


def _file_cell(activity: Activity, lost: Collection[int]) -> str:
    return "#error#" if activity.id in lost else original_name(activity)


def _first_block(activity: Activity, words: Language, lost: Collection[int]) -> list[Any]:
    """Rounded, and worded for the athlete."""
    detail = activity.detail
    return [
        activity.id,
        words.date(_start(activity)),
        detail["name"],
        words.types.get(detail["sport_type"], detail["sport_type"]),
        detail["description"] or "",
        detail["elapsed_time"],
        f"{detail['distance'] / 1000:.2f}".replace(".", words.point),
        f"{detail.get('max_heartrate', '')}".replace(".", words.point),
        "",
        str(detail["commute"]).lower(),
        "",
        "",
        _file_cell(activity, lost),
    ]


def _numbers(activity: Activity) -> dict[str, Any]:
    """As they are: seconds, metres, metres a second."""
    detail = activity.detail
    return {
        "Elapsed Time": float(detail["elapsed_time"]),
        "Moving Time": float(detail["moving_time"]),
        "Distance": detail["distance"],
        "Max Speed": detail["max_speed"],
        "Average Speed": detail["average_speed"],
        "Elevation Gain": detail["total_elevation_gain"],
        "Elevation Low": detail.get("elev_low", ""),
        "Elevation High": detail.get("elev_high", ""),
        "Max Heart Rate": detail.get("max_heartrate", ""),
        "Calories": detail["calories"],
        "Commute": float(detail["commute"]),
        "From Upload": float(activity.original is not None),
        "Gear": f"{detail['gear_id'][1:]}.0" if detail["gear_id"] else "",
    }


def _short_row(activity: Activity, lost: Collection[int]) -> list[Any]:
    detail = activity.detail
    return [
        activity.id,
        f"{_start(activity):%Y-%m-%d %H:%M:%S}",
        detail["name"],
        detail["type"],
        detail["description"] or "",
        detail["elapsed_time"],
        detail["distance"],
        str(detail["commute"]).lower(),
        "",
        _file_cell(activity, lost),
    ]


def _captions(account: Account, rename: Callable[[str], str]) -> list[list[str]]:
    rows = [
        [_media_name(photo, rename), photo.caption]
        for activity in account.activities
        for photo in _photos(activity)
    ]
    return [["Media Filename", "Media Caption"], *rows]


def _gear_tables(account: Account) -> dict[str, bytes]:
    """Gear by name, brand and model, without ids and distances."""
    bikes = [one for one in account.gear.values() if isinstance(one, Bike)]
    shoes = [one for one in account.gear.values() if not isinstance(one, Bike)]
    components = [
        [bike.name, one.type, one.brand, one.model] for bike in bikes for one in bike.components
    ]
    return {
        "bikes.csv": _csv(
            [
                ["Bike Name", "Bike Brand", "Bike Model", "Bike Default Sport Types"],
                *([one.name, one.brand, one.model, ""] for one in bikes),
            ]
        ),
        "shoes.csv": _csv(
            [
                ["Shoe Name", "Shoe Brand", "Shoe Model", "Shoe Default Sport Types"],
                *([one.name, one.brand, one.model, ""] for one in shoes),
            ]
        ),
        "components.csv": _csv(
            [["Bike Name", "Component Type", "Component Brand", "Component Model"], *components]
        ),
    }


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
