"""Creates the bulk export of a made-up account: tables in the athlete's language, files, photos.

Layout and headers are those of https://github.com/martin-ueding/geo-activity-playground and of
other public exports. The English header is known completely; headers in other languages are known
up to `Athlete Weight`, and in English after it. The date formats of further languages are not
known.
"""

from __future__ import annotations

import csv
import functools
import io
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from strava_backup.bulk_export import columns as columns_of_2026
from strava_backup.bulk_export.columns import sport_name
from strava_backup.demo import files
from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity
from strava_backup.demo.gear import Bike
from strava_backup.demo.photos import Photo
from strava_backup.demo.pictures import picture

# The time of the sample exports, in an unknown local time.
EXPORTED = (2026, 11, 20, 21, 22, 24)

# The widths of 79 real tables of 2019 to 2026.
WIDTHS = (10, 11, 72, 77, 78, 79, 80, 83, 84, 87, 88, 92, 94, 99, 101, 103)

SHORT = 10
SHORT_HEADER = (
    "id", "date", "name", "type", "description", "elapsed_time", "distance", "commute", "gear",
    "filename",
)  # fmt: skip
# The column added in 2019 is not known; this is a guess.
_SHORT_HEADER_OF_2019 = (*SHORT_HEADER[:7], "relative_effort", *SHORT_HEADER[7:])

# The first block up to the file's name, which is known in other languages, too.
_EN = columns_of_2026.FIRST_BLOCK[:13]
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
_NL = (
    "Activiteits-ID", "Datum van activiteit", "Naam activiteit", "Activiteitstype",
    "Beschrijving van activiteit", "Verstreken tijd", "Afstand", "Max. hartslag",
    "Relatieve inspanning", "Woon-werkverkeer", "Privénotitie bij activiteit",
    "Uitrusting voor activiteit", "Bestandsnaam",
)  # fmt: skip
_ES = (
    "Id. de actividad", "Fecha de la actividad", "Nombre de la actividad", "Tipo de actividad",
    "Descripción de la actividad", "Tiempo transcurrido", "Distancia", "Ritmo cardíaco máx.",
    "Esfuerzo relativo", "Viaje al trabajo", "Nota privada de actividad",
    "Equipamiento de la actividad", "Nombre de archivo",
)  # fmt: skip
_REST = (*columns_of_2026.FIRST_BLOCK[13:], *columns_of_2026.SECOND_BLOCK)
_MEDIA = "Media"
# The smallest widths with these columns of the first block, and with the column of media.
_MAX_HEART_RATE_FROM, _NOTE_AND_MEDIA_FROM = 83, 87
# Headers that Strava does not translate in tables up to this width.
_UNTRANSLATED_TO = 84
_UNTRANSLATED = ("Type", "Start Time", "Jump Count", "Total Grit", "Average Flow", "Flagged")


class Language(NamedTuple):
    """The texts of the table's first block: its header, dates, decimals and types."""

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


def _dutch_date(moment: datetime) -> str:
    month = _MONTHS["nl"].split()[moment.month - 1]
    return f"{moment.day} {month} {moment.year}, {moment:%H:%M:%S}"


def _spanish_date(moment: datetime) -> str:
    half = "p.m." if moment.hour >= 12 else "a.m."
    month = _MONTHS["es"].split()[moment.month - 1]
    clock = f"{(moment.hour - 1) % 12 + 1}:{moment:%M:%S}"
    return f"{moment.day} {month} {moment.year}, {clock}\u202f{half}"


_MONTHS = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "es": "ene feb mar abr may jun jul ago sept oct nov dic",
    "nl": "jan feb mrt apr mei jun jul aug sep okt nov dec",
    "fr": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
}
LANGUAGES = {
    "en": Language(_EN, _english_date, ".", {}),
    "de": Language(_DE, _german_date, ",", {"Ride": "Radfahrt", "Run": "Lauf"}),
    "fr": Language(_FR, _french_date, ",", {"Ride": "Vélo", "Run": "Course à pied"}),
    "es": Language(_ES, _spanish_date, ".", {"Ride": "Bicicleta", "Run": "Carrera"}),
    "nl": Language(_NL, _dutch_date, ",", {"Ride": "Fietsrit", "Run": "Hardloopsessie"}),
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
    videos: bool = False,
) -> dict[str, bytes]:
    """Return the files of an export, by their names.

    Activities `lost` have `#error#` instead of a file name, those `missing` a name without a file.
    `rename_photo` converts a photo's id to the name of a file; Strava's rule is not known.
    """
    made = {
        "activities.csv": table(
            account, language, columns, lost=lost, rename_photo=rename_photo, videos=videos
        ),
        "media.csv": _csv(_captions(account, rename_photo, videos)),
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
        for photo in _photos(activity, videos):
            made[_media_name(photo, rename_photo)] = media(photo)
    return made


def write_zip(contents: Mapping[str, bytes], path: Path) -> None:
    """Write files as a ZIP like Strava's, which stores compressed files without compression."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in contents.items():
            info = zipfile.ZipInfo(name, EXPORTED)
            is_packed = name.endswith((".gz", ".jpg"))
            info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            packed.writestr(info, content)


def write_folder(contents: Mapping[str, bytes], folder: Path) -> None:
    """Write files as an unpacked export."""
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
    videos: bool = False,
) -> bytes:
    """Return the text of `activities.csv`, in one of WIDTHS or wider.

    The media column of an activity with several photos begins with empty entries.
    """
    if columns <= len(_SHORT_HEADER_OF_2019):
        return _short_table(account, columns, lost)
    words = LANGUAGES[language]
    repeated = dict(zip(_EN, words.header, strict=True))
    first = _first_columns(columns)
    wanted = columns - len(first) - _has_media(columns)
    rest = [repeated.get(title, _title(title, columns)) for title in _REST][:wanted]
    # Columns after the 103rd are not known.
    rest += [f"New {number}" for number in range(wanted - len(rest))]
    header = [*(words.header[index] for index in first), *rest, *[_MEDIA] * _has_media(columns)]
    rows = []
    for activity in account.activities:
        block = _first_block(activity, words, lost)
        numbers = _numbers(activity)
        cells = [numbers.get(title, "") for title in _REST][:wanted]
        cells += [""] * (wanted - len(cells))
        names = [_media_name(photo, rename_photo) for photo in _photos(activity, videos)]
        names = ["", "", *names] if len(names) > 1 else names
        photos = ["|".join(names)] * _has_media(columns)
        rows.append([*(block[index] for index in first), *cells, *photos])
    return _csv([header, *rows])


def _short_table(account: Account, columns: int, lost: Collection[int]) -> bytes:
    rows = [_short_row(activity, lost) for activity in account.activities]
    if columns == SHORT:
        return _csv([SHORT_HEADER, *rows])
    return _csv([_SHORT_HEADER_OF_2019, *([*row[:7], "", *row[7:]] for row in rows)])


def _first_columns(columns: int) -> list[int]:
    """Return the indices of the first block's columns in a table of that width."""
    missing = set()
    if columns < _NOTE_AND_MEDIA_FROM:
        missing.add(_EN.index("Activity Private Note"))
    if columns < _MAX_HEART_RATE_FROM:
        missing.add(_EN.index("Max Heart Rate"))
    return [index for index in range(len(_EN)) if index not in missing]


def _has_media(columns: int) -> bool:
    return columns >= _NOTE_AND_MEDIA_FROM


def _title(title: str, columns: int) -> str:
    if columns > _UNTRANSLATED_TO or title not in _UNTRANSLATED:
        return title
    key = "lib.export.portability_exporter.activities.horton_values"
    missing = f"translation missing: en-US.{key}.{title.lower().replace(' ', '_')}"
    if columns < _MAX_HEART_RATE_FROM:
        return missing
    return f'<span class="translation_missing" title="{missing}">{title}</span>'


def original_name(activity: Activity) -> str:
    """Return the name of an original in the export, with the number of the upload."""
    if activity.original is None:
        return ""
    suffix = activity.original_suffix.removesuffix(".gz")
    packed = "" if suffix == ".gpx" and activity.original_suffix == ".gpx" else ".gz"
    return f"activities/{activity.detail['upload_id']}{suffix}{packed}"


def _packed(activity: Activity) -> bytes:
    """Return an original in the export: a GPX unchanged, other files as gzip, but only once."""
    content = activity.original or b""
    is_plain = activity.original_suffix == ".gpx" or activity.original_suffix.endswith(".gz")
    return content if is_plain else _gzipped(content)


# Nearly all exports have the same originals, and gzip takes half of the time to make them.
_gzipped = functools.cache(files.gzipped)


def media(photo: Photo) -> bytes:
    """Return the file of a photo or video in an export."""
    if photo.kind != "video":
        return photo.content
    kind, frames = b"ftypisom\0\0\2\0isommp41", b"mdat" + photo.unique_id.encode()
    return b"".join((len(box) + 4).to_bytes(4, "big") + box for box in (kind, frames))


def _photos(activity: Activity, videos: bool) -> list[Photo]:
    kinds = ("jpg", "png", "webp", "gif", "heic", *["video"] * videos)
    return [one for one in activity.photos if one.kind in kinds]


def _media_name(photo: Photo, rename: Callable[[str], str]) -> str:
    return f"media/{rename(photo.unique_id)}.{'mp4' if photo.kind == 'video' else 'jpg'}"


def _start(activity: Activity) -> datetime:
    return datetime.fromisoformat(activity.detail["start_date"]).astimezone(UTC)


def _file_cell(activity: Activity, lost: Collection[int]) -> str:
    return "#error#" if activity.id in lost else original_name(activity)


def _first_block(activity: Activity, words: Language, lost: Collection[int]) -> list[Any]:
    """Return the first block of a row: rounded values and texts for display."""
    detail = activity.detail
    return [
        activity.id,
        words.date(_start(activity)),
        detail["name"],
        words.types.get(detail["sport_type"], sport_name(detail["sport_type"])),
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
    """Return the exact values: seconds, metres, metres per second."""
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


def _captions(account: Account, rename: Callable[[str], str], videos: bool) -> list[list[str]]:
    rows = [
        [_media_name(photo, rename), photo.caption]
        for activity in account.activities
        for photo in _photos(activity, videos)
    ]
    return [["Media Filename", "Media Caption"], *rows]


def _gear_tables(account: Account) -> dict[str, bytes]:
    """Return the tables of gear, with name, brand and model, without ids and distances."""
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
