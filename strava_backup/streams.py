"""Writes to standard output and standard error, and handles their failures.

Escapes characters that a terminal would act on. Standard output carries the result, so that a
failure to write it fails the command; a failure of standard error is ignored.
"""

from __future__ import annotations

import copy
import io
import logging
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TextIO

from strava_backup.characters import escape_fields, escape_line, escape_lines


class OutputError(Exception):
    """Standard output cannot be written. Not an `errors.Error`, since the work did not fail."""


class ReaderGone(OutputError):
    """The program at the other end of the pipe has closed it, as `head` does."""


def prepare() -> None:
    """Open missing streams on the null device, and escape characters that cannot be encoded."""
    # A stream is missing if its descriptor was closed when Python started.
    sys.stdout = _prepared(sys.stdout)
    sys.stderr = _prepared(sys.stderr)


def finish() -> None:
    """Discard unwritten output, since Python flushes again at exit and prints a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def print_line(line: str) -> None:
    """Write a line to standard output. Raises ReaderGone, OutputError."""
    print_text(f"{escape_line(line)}\n")


def print_text(text: str) -> None:
    """Write a text, line ends included, to standard output. Raises ReaderGone, OutputError."""
    _write(escape_lines(text))


def print_table(lines: Iterable[str]) -> None:
    """Write lines, whose tabs separate fields, to standard output. Raises as `print_text`.

    They are written at once: each line of its own would take a system call.
    """
    _write("".join(f"{escape_fields(line)}\n" for line in lines))


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        # Flush each time, so that the work ends as soon as the reader has closed the pipe.
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"cannot write to standard output: {reason}") from error


def show(text: str) -> None:
    """Write a text, line ends included, to standard error if that accepts it."""
    with suppress(OSError):
        sys.stderr.write(escape_lines(text))
        sys.stderr.flush()


class Handler(logging.StreamHandler[TextIO]):
    """Writes log messages to standard error, and ignores a failure to write them.

    `reword` may change the text of a message.
    """

    def __init__(self, *, with_time: bool, reword: Callable[[str], str] = str) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(_Format(with_time=with_time, reword=reword))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Report a faulty call of the logger, but not a failure of standard error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class _Format(logging.Formatter):
    """Puts `strava-backup: ` before warnings and errors; other messages are plain lines.

    Keeps the line ends of the message itself and of a traceback. Escapes those in its arguments,
    which may be any text, so that a name cannot forge a line.
    """

    def __init__(self, *, with_time: bool, reword: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(name)s: %(message)s" if with_time else "%(message)s")
        self._reword = reword

    def format(self, record: logging.LogRecord) -> str:
        args = record.args if isinstance(record.args, tuple) else ()
        if args:
            record = copy.copy(record)
            record.args = tuple(map(_escaped, args))
        text = escape_lines(self._reword(super().format(record)))
        if record.levelno < logging.WARNING:
            return text
        return f"strava-backup: {record.levelname.lower()}: {text}"


def _escaped(argument: object) -> object:
    return argument if isinstance(argument, (int, float)) else escape_line(str(argument))


def _prepared(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream
