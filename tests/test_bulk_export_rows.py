"""Rows of the export's tables, whatever stands in their descriptions."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.bulk_export.rows import Row, parse_pairs, parse_table


def parse(text: str) -> list[Row]:
    """The rows of a table, without the numbers of their lines."""
    header, rows, _ = parse_table(io.StringIO(text, newline=""))
    assert header == ["id", "text", "file"]
    return [row._replace(line=0) for row in rows]


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
        ("1,two\u2028lines\x85of text,a\n", ["1", "two\u2028lines\x85of text", "a"]),
        ("1.0,b,a\n", ["1.0", "b", "a"]),
        ("'1,b,a\n", ["'1", "b", "a"]),
        ("1.8E+10,b,a\n", ["1.8E+10", "b", "a"]),
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
    for lines in ([], ["\n"], ["\n", ";;;\n", "  \n"]):
        header, rows, _ = parse_table(lines)
        assert (header, list(rows)) == ([], [])
    assert parse(HEADER) == []
    assert parse(HEADER + "\n,,\n  \r\n") == []


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_cells_are_parted_by_what_parts_the_header(separator: str) -> None:
    rows = [["1", 'a, b; c\td "e"\nf', "x"], ["2", "1,5;2.5", "y"]]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows([["id", "text", "file"], *rows])
    text.seek(0)
    table = parse_table(text)
    assert (table.header, table.separator) == (["id", "text", "file"], separator)
    assert [row.cells for row in table.rows] == rows


@pytest.mark.parametrize("line", ["sep=;\n", '"SEP=;"\r\n'])
def test_a_line_that_names_the_separator_is_no_header(line: str) -> None:
    table = parse_table([line, "id;text\n", "1;a\n"])
    assert table.header == ["id", "text"]
    assert list(table.rows) == [Row(["1", "a"], line=3)]


@pytest.mark.parametrize("junk", ["what,is,this\n", "what\n", ",b,c\n", '"open\n', "a\nb\n"])
def test_a_row_without_an_id_is_a_row_of_its_own(junk: str) -> None:
    first, second, third = parse(f'{HEADER}7,"be\nfore",x\n{junk}8,"a\nb",y\n')
    assert first == Row(["7", "be\nfore", "x"])
    assert second.is_whole is (junk.count(",") == 2)
    assert third == Row(["8", "a\nb", "y"])


def test_rows_know_their_lines() -> None:
    text = f'\n{HEADER}1,"a\nb",x\n\n2,b,y\nwhat\n3,"c\n'
    assert [row.line for row in parse_table(io.StringIO(text, newline="")).rows] == [3, 6, 7, 8]


WRITTEN = f'{HEADER}1,"a ""b""\n2,c",x\n3,d,y\n'


@pytest.mark.parametrize("end", range(len(HEADER), len(WRITTEN) - 1))
def test_of_a_table_that_is_cut_off_no_row_is_lost_silently(end: int) -> None:
    rows = parse(WRITTEN[:end])
    whole = [row for row in rows if row.is_whole]
    begun = [start for start in (len(HEADER), WRITTEN.index("3,")) if start < end]
    # The last cell may be truncated, which cannot be detected.
    assert len(whole) <= len(begun) <= len(rows)
    assert len(rows) > len(whole) or all(row.cells[2] in ("x", "y", "") for row in whole)


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
