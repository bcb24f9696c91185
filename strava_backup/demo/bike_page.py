"""The website's page of a bike: its details and its components, in the athlete's language.

The tables are those that https://github.com/pR0Ps/stravaweblib (webclient.py) reads in English and
https://github.com/ateliersam86/strava-scraper (bike.ts) in French. Independent of HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from html import escape
from typing import NamedTuple

from strava_backup.demo.gear import METRES, Bike, Component

KILOGRAMS_PER_POUND = 0.45359237


class Words(NamedTuple):
    """The page's texts in a language; the German and French ones are our own translation.

    `date` is a format string for a day, a month and a year.
    """

    columns: tuple[str, ...]
    details: tuple[str, ...]
    since_beginning: str
    none_active: str
    delete: str
    months: tuple[str, ...]
    date: str
    thousands: str
    point: str
    # between a number and its unit
    gap: str


LANGUAGES = {
    "en": Words(
        ("Type", "Brand", "Model", "Added", "Removed", "Distance", "Actions"),
        ("Brand:", "Model:", "Weight:"),
        "Since beginning",
        "No active components",
        "Delete",
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
        "{month} {day}, {year}",
        ",",
        ".",
        " ",
    ),
    "de": Words(
        ("Art", "Marke", "Modell", "Hinzugefügt", "Entfernt", "Distanz", "Aktionen"),
        ("Marke:", "Modell:", "Gewicht:"),
        "Seit Beginn",
        "Keine aktiven Komponenten",
        "Löschen",
        (
            "Januar", "Februar", "März", "April", "Mai", "Juni",
            "Juli", "August", "September", "Oktober", "November", "Dezember",
        ),
        "{day}. {month} {year}",
        ".",
        ",",
        " ",
    ),
    "fr": Words(
        ("Type", "Marque", "Modèle", "Ajouté", "Retiré", "Distance", "Actions"),
        ("Marque :", "Modèle :", "Poids :"),
        "Depuis le début",
        "Aucun composant actif",
        "Supprimer",
        (
            "janvier", "février", "mars", "avril", "mai", "juin",
            "juillet", "août", "septembre", "octobre", "novembre", "décembre",
        ),
        "{day} {month} {year}",
        "\u202f",
        ",",
        "\u00a0",
    ),
}  # fmt: skip


def bike_body(bike: Bike, language: str, units: str) -> str:
    """Return the HTML of the page below its title."""
    words = LANGUAGES[language]
    return (
        f"<div class='gear-details'><table><tbody>{_details(bike, words, units)}</tbody></table>"
        "</div><table class='components'>"
        f"<thead><tr>{_cells(words.columns, 'th')}</tr></thead>"
        f"<tbody>{_components(bike, words, units)}</tbody></table>"
    )


def localised(number: str, words: Words) -> str:
    """Return an English number with the separators of that language."""
    return number.translate({ord(","): words.thousands, ord("."): words.point})


def _details(bike: Bike, words: Words, units: str) -> str:
    values = (bike.brand, bike.model, _weight(bike.weight, words, units))
    return "".join(
        f"<tr><td>{label}</td><td>{escape(value)}</td></tr>"
        for label, value in zip(words.details, values, strict=True)
    )


def _components(bike: Bike, words: Words, units: str) -> str:
    if not bike.components:
        return f"<tr><td colspan='{len(words.columns)}'>{words.none_active}</td></tr>"
    return "\n".join(
        f"<tr>{_component(bike, component, words, units)}</tr>" for component in bike.components
    )


def _component(bike: Bike, component: Component, words: Words, units: str) -> str:
    link = f"/bikes/{bike.id.removeprefix('b')}/components/{component.id}"
    texts = (
        component.type,
        component.brand,
        component.model,
        _date(component.added, words) if component.added else words.since_beginning,
        _date(component.removed, words) if component.removed else "",
        _quantity(component.distance / METRES[units], units, words),
    )
    return f"{_cells(texts, 'td')}<td><a data-method='delete' href='{link}'>{words.delete}</a></td>"


def _cells(texts: Iterable[str], tag: str) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _weight(kilograms: float, words: Words, units: str) -> str:
    if units == "mi":
        return _quantity(kilograms / KILOGRAMS_PER_POUND, "lbs", words)
    return _quantity(kilograms, "kg", words)


def _quantity(value: float, unit: str, words: Words) -> str:
    return localised(f"{value:,.1f}", words) + words.gap + unit


def _date(moment: date, words: Words) -> str:
    return words.date.format(day=moment.day, month=words.months[moment.month - 1], year=moment.year)
