"""Configs of every form, and what Python's own reader finds in them."""

from __future__ import annotations

import configparser
from pathlib import Path

from hypothesis import strategies as st

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
BLANKS = st.sampled_from(["", "", " ", "    ", "\t"])
FILLERS = st.tuples(BLANKS, st.sampled_from(["", "# x", "; jwt = y", "#[user]"])).map("".join)
WORDS = st.sampled_from(["", "a", "old", "<x>", "%b", "a = b", "[c]", "e;f", "g #h", "ä"])
KEYS = {
    "global": ["delay", "Output_Dir"],
    "api": ["refresh_token", "client_id", "client_secret"],
    "user": ["jwt", "JWT_file", "session", "email"],
}


@st.composite
def config_lines(draw: st.DrawFn) -> list[str]:
    """The lines of a config, most of them good ones."""
    lines = draw(st.lists(FILLERS, max_size=2))
    for section in draw(st.permutations(sorted(KEYS)))[: draw(st.integers(0, 3))]:
        lines.append(f"{draw(BLANKS)}[{section}]")
        indentation = draw(BLANKS)
        for key in draw(st.permutations(KEYS[section]))[: draw(st.integers(0, 3))]:
            start = draw(st.just(indentation) | BLANKS)
            delimiter = draw(st.sampled_from(["=", " = ", ": ", "  :", "=\t"]))
            lines.append(f"{start}{key}{delimiter}{draw(WORDS)}")
            folds = st.tuples(st.just(start + "  "), WORDS).map("".join) | FILLERS
            lines += draw(st.lists(folds, max_size=2))
    return lines


@st.composite
def config_texts(draw: st.DrawFn) -> str:
    end = draw(LINE_ENDS)
    ends = draw(st.just(st.just(end)) | st.just(LINE_ENDS))
    text = "".join(f"{line}{draw(ends)}" for line in draw(config_lines()))
    return draw(st.sampled_from(["", "\ufeff"])) + (text if draw(st.booleans()) else text.rstrip())


def content(path: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    """What Python's own reader finds in a config."""
    parser = configparser.RawConfigParser(default_section="")
    with open(path, encoding="utf-8-sig") as file:
        parser.read_file(file)
    return [(name, parser.items(name)) for name in parser.sections()]


def with_change(
    before: list[tuple[str, list[tuple[str, str]]]], section: str, key: str, value: str
) -> list[tuple[str, list[tuple[str, str]]]]:
    sections = dict(before)
    values = dict(sections.get(section, []))
    return list({**sections, section: list({**values, key: value}.items())}.items())
