from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.report import Completeness, Failure, Report, format_size, printable

# https://www.unicode.org/reports/tr9/#Bidi_Control
BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))
NASTY_TEXT = st.text(
    st.sampled_from(["a", " ", "\x1b", "\r", "\n", "\x85", "\ud800", *BIDI_CONTROLS])
)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Morning Run", "Morning Run"),
        ("", ""),
        ("  Morning\t\n Run ", "Morning Run"),
        ("Fahrt zum Münster 🚴", "Fahrt zum Münster 🚴"),
        ("\x1b[2Jgone", "?[2Jgone"),
        ("a\x00b\x7fc\x9bd", "a?b?c?d"),
        ("abc\u202edef", "abcdef"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("one\u2028two\u2029three", "one two three"),
        ("half an emoji \ud83d", "half an emoji ?"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
    ],
)
def test_a_name_from_strava_becomes_one_short_line(name, line):
    assert printable(name) == line


@given(ANY_TEXT | NASTY_TEXT)
@example("a\u061cb")
def test_no_name_moves_the_cursor_or_turns_the_line_around(name):
    line = printable(name)
    assert len(line.splitlines()) <= 1
    assert len(line) <= 60
    assert not BIDI_CONTROLS & set(line)
    assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(character) for character in line}
    line.encode()


@given(ANY_TEXT | NASTY_TEXT)
def test_a_printable_name_stays_as_it_is(name):
    assert printable(printable(name)) == printable(name)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1500, "1.5 kB"),
        (23_400, "23 kB"),
        (999_499, "999 kB"),
        (999_999, "1.0 MB"),
        (23_000_000, "23 MB"),
        (999_999_999, "1.0 GB"),
        (1_500_000_000_000, "1500.0 GB"),
    ],
)
def test_a_size_is_told_for_people(size, text):
    assert format_size(size) == text


@given(st.integers(0, 999 * 10**9))
@example(999_500)
def test_no_size_below_a_terabyte_takes_more_than_three_digits_before_the_point(size):
    digits, _, _ = format_size(size).split(" ")[0].partition(".")
    assert len(digits) <= 3


@pytest.mark.parametrize(
    ("fatal", "failures", "exit_code"),
    [
        ([], [], 0),
        ([], [Failure("activity 5", "404")], 3),
        ([errors.TryLater("later")], [Failure("activity 5", "404")], 5),
        ([errors.TryLater("later"), errors.SessionOver("over")], [], 4),
        ([errors.SessionOver("over"), errors.Error("the disk")], [], 1),
    ],
)
def test_the_worst_that_came_up_is_the_exit_code(fatal, failures, exit_code):
    assert Report(fatal=fatal, failures=failures).exit_code == exit_code


def test_an_item_that_is_not_available_is_reported_and_is_no_failure():
    report = Report(
        listed=3, not_available=[Failure("activity 5, original", "404")], is_finished=True
    )
    assert report.exit_code == 0
    assert report.problem_lines() == []
    assert report.lines() == [
        "3 activities on Strava: nothing new",
        "1 item not available from Strava:",
        "  activity 5, original: 404",
    ]


def test_a_run_tells_what_it_saved_and_where():
    saved = Counter({"original": 1, "detail": 1200, "gpx": 2})
    report = Report(listed=1200, saved=saved, saved_bytes=23_400_000, archive="/backup")
    report.is_finished = True
    assert report.lines() == [
        "1,200 activities on Strava: saved 1 original, 2 GPX, 1,200 metadata records (23 MB) in "
        "/backup"
    ]


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (Report(), "interrupted; nothing was changed"),
        (
            Report(archive="/backup"),
            "interrupted; what was saved stays, the next run goes on from here",
        ),
        (
            Report(listed=7, archive="/backup", saved=Counter(original=12, photo=1)),
            "interrupted: saved 12 originals, 1 photo; "
            "what was saved stays, the next run goes on from here",
        ),
        (
            Report(archive="/backup", saved=Counter(original=2), saved_bytes=3_400_000),
            "interrupted: saved 2 originals (3.4 MB); "
            "what was saved stays, the next run goes on from here",
        ),
        (
            Report(archive="/backup", saved=Counter(original=2, detail=3), listed_saved=5),
            "interrupted: saved 2 originals, 5 metadata records; "
            "what was saved stays, the next run goes on from here",
        ),
        (
            Report(archive="/backup", saved=Counter(original=2), dry_run=True),
            "interrupted; nothing was changed",
        ),
    ],
)
def test_an_interrupted_run_tells_what_it_saved(report, line):
    assert report.interrupted_line() == line


@pytest.mark.parametrize(
    ("completeness", "line"),
    [
        (Completeness(0), "0 on Strava: 0 complete here"),
        (Completeness(1592), "1,592 on Strava: 1,592 complete here"),
        (
            Completeness(592, (123, 456)),
            "592 on Strava: 590 complete here, 2 missing (123, 456)",
        ),
        (
            Completeness(3, (), not_available=1),
            "3 on Strava: 3 complete here, 1 item not available",
        ),
        (
            Completeness(40, tuple(range(10)), not_available=2000),
            "40 on Strava: 30 complete here, 10 missing (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), "
            "2,000 items not available",
        ),
        (
            Completeness(40, tuple(range(22))),
            "40 on Strava: 18 complete here, 22 missing (0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 12 more)",
        ),
        (Completeness(2, nameless=1), "2 on Strava: 1 complete here, 1 missing"),
        (Completeness(2, (5,), nameless=1), "2 on Strava: 0 complete here, 2 missing (5)"),
        (
            Completeness(11, (5,), is_whole=False, lacks_photos=True),
            "at least 11 on Strava: 10 complete here except for photos, 1 missing (5)",
        ),
        (
            Completeness(1240, (5,), not_available=2, lacks_photos=True, limit=12),
            "--limit selected 12 of 1,240 activities on Strava",
        ),
        (
            Completeness(240, is_whole=False, limit=12),
            "--limit selected 12 of at least 240 activities on Strava",
        ),
    ],
)
def test_what_is_held_is_compared_with_what_is_on_strava(completeness, line):
    assert str(completeness) == line


@given(st.integers(0, 10**6), st.sets(st.integers(1), max_size=40), st.integers(0, 3))
def test_a_comparison_is_one_short_line(on_strava, missing, nameless):
    line = str(Completeness(on_strava, tuple(missing), nameless))
    assert len(line.splitlines()) == 1
    assert line.count(",") < 30


def test_the_comparison_and_what_is_gone_come_before_what_was_saved():
    report = Report(
        listed=20,
        completeness=Completeness(592, (123,)),
        gone=2,
        saved=Counter(original=1),
        saved_bytes=999,
        archive="/backup",
        is_finished=True,
    )
    assert report.lines() == [
        "592 on Strava: 591 complete here, 1 missing (123); 2 deleted there, kept here; "
        "saved 1 original (999 B) in /backup"
    ]


def test_a_run_without_news_says_so_in_one_line():
    report = Report(listed=1, archive="/backup", is_finished=True)
    assert report.lines() == ["1 activity on Strava: nothing new"]


def test_metadata_that_changed_in_the_list_alone_is_news():
    report = Report(listed=1, listed_saved=1, archive="/backup", is_finished=True)
    assert report.lines() == ["1 activity on Strava: saved 1 metadata record in /backup"]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    "trouble",
    [
        {"fatal": [errors.TryLater("later")]},
        {"failures": [Failure("activity 5, original", "404")]},
        {"has_bug": True},
    ],
)
def test_a_run_that_met_trouble_does_not_claim_that_there_was_nothing(trouble, dry_run):
    report = Report(listed=1, archive="/backup", is_finished=True, dry_run=dry_run, **trouble)
    nothing = "nothing was found to fetch" if dry_run else "nothing was saved"
    assert report.lines() == [f"1 activity on Strava: {nothing}"]


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (Report(archive="/backup", dry_run=True), "stopped early; nothing was changed"),
        (
            Report(archive="/backup", completeness=Completeness(1)),
            "stopped early; what was saved stays, the next run goes on from here",
        ),
        (
            Report(archive="/backup", listed_saved=49, saved=Counter(original=1)),
            "stopped early: saved 1 original, 49 metadata records; "
            "what was saved stays, the next run goes on from here",
        ),
    ],
)
def test_a_run_that_stopped_early_claims_nothing(report, line):
    assert report.lines() == [line]


def test_a_bug_is_exit_1_whatever_else_failed():
    assert Report(failures=[Failure("x", "y")], has_bug=True).exit_code == 1


@pytest.mark.parametrize(
    ("saved", "line"),
    [
        (Counter(original=2), "2 activities on Strava: would fetch 2 originals"),
        (Counter(), "2 activities on Strava: nothing is missing"),
    ],
)
def test_a_dry_run_never_claims_to_have_saved(saved, line):
    report = Report(listed=2, saved=saved, archive="/backup", dry_run=True, is_finished=True)
    assert report.lines() == [line]


def test_what_stopped_the_run_comes_before_the_items_that_failed():
    report = Report(
        fatal=[errors.SessionOver("the web session is over")],
        failures=[Failure("activity 5, original", "cut short"), Failure("activity 6", "404")],
        left=Counter(original=3, detail=1),
    )
    assert report.problem_lines() == [
        "the web session is over",
        "2 items failed, tried again next time:",
        "  activity 5, original: cut short",
        "  activity 6: 404",
        "not fetched this time: 3 originals, 1 metadata record",
    ]


@pytest.mark.parametrize(("number", "more"), [(20, []), (21, ["  and 1 more"])])
def test_a_long_list_of_failures_is_cut(number, more):
    report = Report(failures=[Failure(f"activity {index}", "404") for index in range(number)])
    heading, *rest = report.problem_lines()
    assert heading == f"{number} items failed, tried again next time:"
    assert rest[:20] == [f"  activity {index}: 404" for index in range(20)]
    assert rest[20:] == more


@given(
    st.lists(st.sampled_from([errors.TryLater("later"), errors.SessionOver("over")]), max_size=2),
    st.integers(0, 30),
)
def test_an_exit_other_than_0_always_says_why(fatal, failed):
    report = Report(fatal=fatal, failures=[Failure("activity 5", "404")] * failed)
    assert bool(report.problem_lines()) == (report.exit_code != 0)


def test_an_import_is_told_of_as_one():
    saved = Counter({"original": 2, "metadata": 3, "file": 1})
    report = Report(listed=3, saved=saved, archive="/backup", is_import=True)
    report.is_finished = True
    assert report.lines() == [
        "3 activities in the export: saved 2 originals, 3 metadata records, 1 other file in /backup"
    ]
    report.dry_run = True
    report.failures.append(Failure("activity 5", "the export lacks it"))
    assert report.lines() == [
        "3 activities in the export: would save 2 originals, 3 metadata records, 1 other file"
    ]
    assert report.problem_lines() == [
        "1 item failed, may be available later:",
        "  activity 5: the export lacks it",
    ]


def test_the_summary_of_an_export_names_what_it_lacks() -> None:
    saved = Counter({"original": 2, "file": 7})
    report = Report(listed=3, saved=saved, archive="/export", is_export=True, is_finished=True)
    report.failures.append(Failure("activity 5, original", "it cannot be read"))
    assert report.lines() == [
        "3 activities in the export: saved 2 originals, 7 other files in /export"
    ]
    assert report.problem_lines() == [
        "1 item failed, the export is without them:",
        "  activity 5, original: it cannot be read",
    ]
