"""Questions and answers at a terminal, and answers from a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from strava_backup.setup.dialog import Dialog
from tests.terminal import Terminal, terminal

ROOT = Path(__file__).parent.parent
LONG = "x" * 20_000


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    os.close(ends[0])


def piped(pipe: tuple[int, int], text: bytes) -> tuple[Dialog, list[str]]:
    said: list[str] = []
    os.write(pipe[1], text)
    os.close(pipe[1])
    return Dialog(pipe[0], said.append), said


def test_a_pipe_is_read_line_by_line_and_asked_nothing(pipe: tuple[int, int]) -> None:
    dialog, said = piped(pipe, b"first \r\n\nthird")
    assert [dialog.ask("?"), dialog.ask_hidden("?"), dialog.ask("?")] == ["first", "", "third"]
    assert dialog.ask("?") == ""
    assert dialog.read_line() is None
    assert said == []


def test_what_is_pasted_is_all_that_a_pipe_has(pipe: tuple[int, int]) -> None:
    dialog, _ = piped(pipe, b"first\nsecond\n\xff\n")
    assert dialog.ask("?") == "first"
    assert dialog.ask_for_paste("?") == "second\n\ufffd\n"
    assert dialog.ask_for_paste("?") == ""


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_a_pasted_file_may_be_in_an_encoding_of_windows(
    pipe: tuple[int, int], encoding: str
) -> None:
    dialog, _ = piped(pipe, "eyJä\r\n".encode(encoding))
    assert dialog.ask_for_paste("?").removeprefix("\ufeff") == "eyJä\r\n"


def test_without_any_input_there_are_no_answers() -> None:
    dialog = Dialog(None, lambda text: None)
    assert not dialog.is_terminal
    assert dialog.ask("?") == dialog.ask_for_paste("?") == ""
    assert dialog.read_line() is None


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be opened")
def test_an_input_that_cannot_be_read_has_no_answers(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    dialog = Dialog(descriptor, lambda text: None)
    assert dialog.ask("?") == dialog.ask_for_paste("?") == ""
    os.close(descriptor)
    assert dialog.read_line() is None


PROGRAM = """
import sys
from strava_backup.setup.dialog import Dialog

def write(text):
    sys.stderr.write(text)
    sys.stderr.flush()

dialog = Dialog(0, write)
print(len(repr(dialog.{ask}("Question: "))), flush=True)
print("and", dialog.ask("More: "))
"""


@pytest.fixture
def ask(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    arguments = [sys.executable, "-c", PROGRAM.format(ask=request.param)]
    with terminal(arguments, {"PYTHONPATH": str(ROOT)}, tmp_path) as opened:
        opened.wait_for("Question: ")
        yield opened


@pytest.mark.parametrize("ask", ["ask"], indirect=True)
def test_an_ordinary_answer_is_shown(ask: Terminal) -> None:
    ask.type("hello\r")
    ask.wait_for("More: ")
    assert ask.shown == "Question: hello\n7\nMore: "


@pytest.mark.parametrize("ask", ["ask_hidden", "ask_for_paste"], indirect=True)
@pytest.mark.parametrize(
    ("typed", "length"),
    [
        pytest.param("secret\r", len("'secret'"), id="a line"),
        pytest.param("secxy\x7f\x7fret\r", len("'secret'"), id="corrected"),
        pytest.param("secret\x04", len("'secret'"), id="ended by ^D"),
        pytest.param(f"{LONG}\r", len(LONG) + 2, id="longer than a terminal's line"),
        pytest.param("one\rtwo\rthree\r", len(r"'one\ntwo\nthree'"), id="several lines"),
    ],
)
@pytest.mark.every(2)
def test_a_hidden_answer_is_not_shown_and_the_terminal_is_as_before(
    ask: Terminal, request: pytest.FixtureRequest, typed: str, length: int
) -> None:
    ask.type(typed)
    ask.wait_for("More: ")
    is_paste = "ask_for_paste" in request.node.name
    length += 2 if is_paste and typed.endswith("\r") else 0  # with the last line's end
    assert ask.shown == f"Question: \n{length}\nMore: "
    ask.type("visible\r")
    assert ask.wait() == 0
    assert ask.shown.endswith("More: visible\nand visible\n")


@pytest.mark.parametrize("ask", ["ask_hidden"], indirect=True)
def test_an_interrupt_ends_a_hidden_question(ask: Terminal) -> None:
    ask.type("secret")
    assert ask.interrupt() != 0
    assert "KeyboardInterrupt" in ask.shown
    assert "secret" not in ask.shown.partition("Traceback")[0]
