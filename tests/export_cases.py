"""Small bulk exports in forms that are read with difficulty: old tables, and changes by hand.

The headers and forms of cells are those of public exports of 2020 to 2026. All values are made up.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from strava_backup.bulk_export.columns import FIRST_BLOCK, MEDIA, SECOND_BLOCK
from strava_backup.demo import files
from strava_backup.demo.pictures import picture

Contents = dict[str, bytes]
Cells = dict[str, str]

_START = datetime(2021, 5, 6, 7, 8, 9, tzinfo=UTC)
_TABLE = "activities.csv"

_SPANISH = (
    "Id. de actividad", "Fecha de la actividad", "Nombre de la actividad", "Tipo de actividad",
    "Descripción de la actividad", "Tiempo transcurrido", "Distancia", "Ritmo cardíaco máx.",
    "Esfuerzo relativo", "Viaje al trabajo", "Nota privada de actividad",
    "Equipamiento de la actividad", "Nombre de archivo", "Peso del atleta",
    "Peso de la bicicleta", "Tiempo transcurrido", "Tiempo en movimiento", "Distancia",
    "Velocidad máxima", "Velocidad promedio", "Desnivel positivo", "Desnivel negativo",
    "Desnivel bajo", "Desnivel alto", "Grado máximo", "Pendiente promedio",
    "Grado positivo promedio", "Grado negativo promedio", "Cadencia máx.", "Cadencia promedio",
    "Ritmo cardíaco máx.", "Ritmo cardíaco promedio", "Máx. de vatios", "Vatios promedio",
    "Calorías", "Temperatura máx.", "Temperatura promedio", "Esfuerzo relativo", "Esfuerzo total",
    "Cantidad de carreras", "Tiempo de ascenso", "Tiempo de descenso", "Otro tiempo",
    "Esfuerzo Percibido", "Tipo", "Hora de inicio", "Potencia promedio ponderada",
    "Conteo de potencia", "Usar Esfuerzo Percibido", "Esfuerzo relativo percibido",
    "Viaje al trabajo", "Peso total levantado", "De carga", "Distancia ajustada en pendientes",
    "Tiempo de observación del clima", "Condición climática", "Temperatura", "Sensación térmica",
    "Punto de rocío", "Humedad", "Presión atmosférica", "Velocidad del viento",
    "Ráfaga de viento", "Dirección del viento", "Intensidad de la precipitación",
    "Hora de salida del sol", "Hora de puesta del sol", "Fase lunar", "Bicicleta", "Equipamiento",
    "Probabilidad de precipitación", "Tipo de precipitación", "Nubosidad", "Visibilidad",
    "Índice UV", "Estado del ozono", "Recuento de saltos", "Complejidad total",
    "Fluidez promedio", "Marcado", "Velocidad promedio durante el tiempo transcurrido",
    "Distancia sobre tierra", "Distancia recién recorrida",
    "Distancia recién recorrida en caminos sin asfaltar", "Número de actividades",
    "Pasos en total", "Emisión de carbono evitada", "Largo de la piscina",
    "Carga de entrenamiento", "Intensidad", "Ritmo ajustado en pendientes promedio",
    "Tiempo del cronómetro", "Ciclos en total", "Recuperación", "Con mascota", "Competencia",
    "Carrera larga", "Por una causa", "Con niño", "Distancia de descenso", "Total de series",
    "Total de repeticiones", "Multimedia",
)  # fmt: skip
# Strava failed to translate these headers in 2020 to 2022.
_FAILED = {
    "Type": "type", "Start Time": "start_time", "Jump Count": "jump_count",
    "Total Grit": "total_grit", "Avg Flow": "avg_flow", "Flagged": "flagged",
    "Avg Elapsed Speed": "avg_elapsed_speed", "Dirt Distance": "dirt_distance",
    "Newly Explored Distance": "newly_explored_distance",
    "Newly Explored Dirt Distance": "newly_explored_dirt_distance", "Sport Type": "sport_type",
}  # fmt: skip
_MISSING = "translation missing: en-US.lib.export.portability_exporter.activities.horton_values"
_SPORTS = (
    *("Virtual Ride", "Weight Training", "E-Bike Ride", "Alpine Ski", "Nordic Ski"),
    *("Stair-Stepper", "Rock Climb", "Ice Skate", "Inline Skate", "Stand Up Paddling"),
    *("Backcountry Ski", "Virtual Run", "Football (Soccer)", "Ride"),
)
_PHOTOS = tuple(f"media/{number:08}-aaaa-bbbb-cccc-dddddddddddd.jpg" for number in (1, 2, 3))


class _Form(NamedTuple):
    """The titles of a table, and the names of its columns, with a `2` in the second block."""

    titles: tuple[str, ...]
    names: tuple[str, ...]


def cases() -> dict[str, Contents]:
    """Return the exports by what is unusual about them."""
    return {
        "84 columns of 2022": _of_2022(),
        "77 columns of 2020": _of_2020(),
        "media with empty places": _with_photos(),
        "unpacked by hand": _unpacked(_spanish(_rows(2))),
        "UTF-16": _in_utf_16(),
        "ids with .0": _spanish(_rows(2, ids="{}.0")),
        "four columns": _four_columns(),
        "raw elapsed time blank": _raw_elapsed_time_blank(),
        "suffix in capitals": _renamed(_spanish(_rows(1)), ".fit", ".FIT"),
        "names of sports": _names_of_sports(),
        "half a FIT file": _half_a_file(),
        "table cut off": _cut_off(),
        "id in scientific form": _spoilt_id(),
        "backslashes": _renamed(_trimmed(), "/", "\\"),
        "semicolons": _with_semicolons(),
    }


def _of_2022() -> Contents:
    """Distances in kilometres are not rounded up, and the second commute is empty."""
    failed = '<span class="translation_missing" title="{key}">{title}</span>'
    form = _old_form(["Activity Private Note"], list(_FAILED)[2:], failed)
    rows = [_english(number, 5_000_000_000, ".tcx.gz") for number in range(3)]
    rows[0] |= _numbers("1399", "4.04", "1399.0 1399.0 4048.2 3.7 - 15.2")
    rows[1] |= _numbers("3892", "0", "3892.0 3892.0 0.0 0.0 0.0 0.0")
    content = files.gzipped(files.tcx(_START, 2, leading_whitespace=True))
    return _export(form, rows, {row["Filename"]: content for row in rows})


def _of_2020() -> Contents:
    form = _old_form(["Max Heart Rate", "Activity Private Note"], list(_FAILED)[2:5], "{key}")
    rows = [_english(0, 4_000_000_000, ".fit.gz"), _english(1, 4_000_000_000, ".bin.gz")]
    contents = (files.gzipped(files.fit(_START, 3)), files.gzipped(b"BIN\0" * 9))
    return _export(form, rows, dict(zip((row["Filename"] for row in rows), contents, strict=True)))


def _with_photos() -> Contents:
    rows = _rows(2)
    rows[0][MEDIA], rows[1][MEDIA] = f"||{_PHOTOS[0]}|{_PHOTOS[1]}", _PHOTOS[2]
    pictures = {name: picture("jpg", name, 8, 8) for name in _PHOTOS}
    captions = {"media.csv": _csv([["Media Filename", "Media Caption"], [_PHOTOS[0], "Café"]])}
    return {**_spanish(rows), **pictures, **captions}


def _unpacked(contents: Contents) -> Contents:
    """Return the export with originals that somebody unpacked; the table still has `.gz`."""
    return {
        name.removesuffix(".gz"): gzip.decompress(data) if name.endswith(".gz") else data
        for name, data in contents.items()
    }


def _in_utf_16() -> Contents:
    rows = _rows(2)
    for number, row in enumerate(rows):
        row["Activity Date"] = f"{_moment(number):%d.%m.%Y, %H:%M:%S}"
    contents = _spanish(rows)
    return {**contents, _TABLE: contents[_TABLE].decode().encode("utf-16")}


def _four_columns() -> Contents:
    row = ["1", "6 may 2021, 7:08:09", "x", "Run"]
    return {_TABLE: _csv([_SPANISH[:4], row])}


def _raw_elapsed_time_blank() -> Contents:
    """Return an export with numbers that only one of the two blocks has."""
    rows = _rows(3, base=2_000_000_000)
    rows[0] |= {"Elapsed Time 2": "", "Average Speed 2": ""}
    rows[1] |= {"Average Speed 2": ""}
    rows[2] |= _numbers("2000", "0", "2000.0 0.0 0.0 0.0 0.0 0.0")
    return _spanish(rows)


def _names_of_sports() -> Contents:
    rows = _rows(len(_SPORTS), file="")
    return _spanish(
        [{**row, "Activity Type": sport} for row, sport in zip(rows, _SPORTS, strict=True)]
    )


def _half_a_file() -> Contents:
    contents = _unpacked(_trimmed())
    name = "activities/7000000002.fit"
    table = contents[_TABLE].replace(b".fit.gz", b".fit")
    return {**contents, _TABLE: table, name: contents[name][: len(contents[name]) // 2]}


def _cut_off() -> Contents:
    contents = _trimmed()
    first_row = contents[_TABLE].splitlines()[:2]
    return {**contents, _TABLE: b"\n".join(first_row)}


def _spoilt_id() -> Contents:
    contents = _trimmed()
    return {**contents, _TABLE: contents[_TABLE].replace(b"5600000002", b"5.6E+09")}


def _with_semicolons() -> Contents:
    """Return an export whose distances have lost their decimal point in a spreadsheet program."""
    table = _trimmed()[_TABLE].decode().replace("3322.9", "33229").replace("3.32", "332")
    rows = csv.reader(io.StringIO(table, newline=""))
    return {**_trimmed(), _TABLE: _csv(rows, separator=";")}


def _trimmed() -> Contents:
    """Return an export without the columns after the raw distance, which somebody deleted."""
    second = SECOND_BLOCK[:3]
    form = _Form((*FIRST_BLOCK, *second), _names(FIRST_BLOCK, second))
    values = _numbers("1428", "3.32", "1428.0 1411.0 3322.9")
    rows = [
        _cells(
            5_600_000_000 + number,
            f"May {4 - number}, 2024, 6:30:00 AM",
            name,
            f"activities/{7_000_000_000 + number}.fit.gz",
        )
        | values
        for number, name in enumerate(("One", "Two", "Three"), 1)
    ]
    profile = {"profile.csv": b"Athlete ID,Email Address\n3001234,a@example.org\n"}
    return {**_export(form, rows, _fit_files(rows)), **profile}


def _spanish(rows: list[Cells]) -> Contents:
    form = _Form(_SPANISH, (*_names(FIRST_BLOCK, SECOND_BLOCK), MEDIA))
    return _export(form, rows, _fit_files(rows))


def _rows(
    count: int, base: int = 18_000_000_000, *, ids: str = "{}", file: str = "activities/{}.fit.gz"
) -> list[Cells]:
    """Return rows of a Spanish table, whose dates have U+202F before the half of the day."""
    return [
        _cells(
            ids.format(base + number + 1),
            f"6 may 2021, 7:08:{9 + number:02}\u202fa.m.",
            f"Actividad {number}",
            file.format(base + 5001 + number),
        )
        | {"Activity Type": "Carrera"}
        for number in range(count)
    ]


def _english(number: int, base: int, suffix: str) -> Cells:
    return _cells(
        base + number + 1,
        f"May 6, 2021, 7:08:{9 + number:02} AM",
        f"Activity {number}",
        f"activities/{base + 5001 + number}{suffix}",
    )


def _cells(activity_id: object, date: str, name: str, file: str) -> Cells:
    return {
        "Activity ID": str(activity_id),
        "Activity Date": date,
        "Activity Name": name,
        "Activity Type": "Run",
        "Commute": "false",
        "Filename": file,
        "Elevation Low 2": "10.0",
        "Elevation High 2": "20.0",
        **_numbers("2000", "5.70", "2000.0 1900.0 5700.0 4.0 3.0 33.0"),
    }


def _numbers(seconds: str, kilometres: str, second: str) -> Cells:
    """Return cells of numbers: those of the second block in its order, with `-` for none."""
    values = (value.replace("-", "") for value in second.split())
    names = (f"{title} 2" for title in SECOND_BLOCK)
    return {
        "Elapsed Time": seconds,
        "Distance": kilometres,
        **dict(zip(names, values, strict=False)),
    }


def _old_form(without: Sequence[str], last: Sequence[str], failed: str) -> _Form:
    """Return a form of 2020 to 2022; `failed` is the title of a column without a translation."""
    first = [title for title in FIRST_BLOCK if title not in without]
    second = [*SECOND_BLOCK[: SECOND_BLOCK.index("Jump Count")], *last]
    titles = (
        failed.format(key=f"{_MISSING}.{_FAILED[title]}", title=title)
        if title in _FAILED
        else title
        for title in (*first, *second)
    )
    return _Form(tuple(titles), _names(first, second))


def _names(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return (*first, *(f"{title} 2" for title in second))


def _export(form: _Form, rows: list[Cells], originals: Mapping[str, bytes]) -> Contents:
    table = ([row.get(name, "") for name in form.names] for row in rows)
    return {_TABLE: _csv([form.titles, *table]), **originals}


def _fit_files(rows: Iterable[Cells]) -> Contents:
    return {
        row["Filename"]: files.gzipped(files.fit(_moment(number), 3))
        for number, row in enumerate(rows)
        if row["Filename"]
    }


def _renamed(contents: Contents, old: str, new: str) -> Contents:
    return {name.replace(old, new): data for name, data in contents.items()}


def _moment(number: int) -> datetime:
    return _START + timedelta(seconds=number)


def _csv(rows: Iterable[Iterable[str]], separator: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
