"""Rows of the export's tables, whatever stands in their descriptions."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.bulk_export.rows import Row, parse_pairs, parse_table


def parse(text: str) -> list[Row]:
    header, rows = parse_table(io.StringIO(text, newline=""))
    assert header == ["id", "text", "file"]
    return list(rows)


HEADER = "id,text,file\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,plain,a\n", ["1", "plain", "a"]),
        ("1,plain,a", ["1", "plain", "a"]),
        ("1,plain,a\r\n", ["1", "plain", "a"]),
        ('"1","a ""b"" c",a\n', ["1", 'a "b" c', "a"]),
        ('1,"one\ntwo\r\nthree",a\n', ["1", "one\ntwo\r\nthree", "a"]),
        ('1,"splits:\n2,20 min\n3,21 min",a\n', ["1", "splits:\n2,20 min\n3,21 min", "a"]),
        ('1,"a \\"b\\", c",a\n', ["1", 'a "b", c', "a"]),
        ('1,"C:\\",a\n', ["1", "C:\\", "a"]),
        ('1,"a "b" c",a\n', ["1", 'a b" c"', "a"]),
    ],
)
def test_a_row_is_read_however_its_description_is_written(text: str, expected: list[str]) -> None:
    assert parse(HEADER + text) == [Row(expected)]
    if text.endswith("\n"):
        assert parse(HEADER + text + "9,last,z\n") == [Row(expected), Row(["9", "last", "z"])]


@pytest.mark.parametrize("broken", ['1,"never closed,a\n', "1,too,many,cells\n", "1,few\n"])
def test_a_row_without_sense_costs_none_of_its_neighbours(broken: str) -> None:
    first, second, third = parse(f'{HEADER}7,before,x\n{broken}8,"a\nb",y\n')
    assert first == Row(["7", "before", "x"])
    assert (second.cells[0], second.is_whole) == ("1", False)
    assert third == Row(["8", "a\nb", "y"])


def test_many_rows_without_sense_are_done_with_soon() -> None:
    rows = parse(HEADER + '1,"open,a\n' * 2000)
    assert len(rows) == 2000
    assert not any(row.is_whole for row in rows)


def test_a_table_may_be_empty() -> None:
    header, rows = parse_table([])
    assert (header, list(rows)) == ([], [])
    assert parse(HEADER) == []


cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)


@given(st.lists(st.tuples(st.integers(1, 10**11), cells, cells), max_size=8))
def test_what_is_written_by_the_rules_is_read_as_it_was(
    written: list[tuple[int, str, str]],
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(written)
    rows = parse(HEADER + text.getvalue())
    assert [tuple(row.cells) for row in rows] == [(str(one), *rest) for one, *rest in written]


def test_pairs_are_the_first_two_cells() -> None:
    lines = ["Media Filename,Media Caption\n", 'media/a.jpg,"one\n', 'two"\n', "alone\n", "b,c,d\n"]
    assert parse_pairs(lines) == {
        "Media Filename": "Media Caption",
        "media/a.jpg": "one\ntwo",
        "b": "c",
    }


def test_a_cell_beyond_all_measure_costs_only_itself() -> None:
    assert parse_pairs(["a,b\n", f"c,{'x' * 200_000}\n", "d,e\n"]) == {"a": "b", "d": "e"}
