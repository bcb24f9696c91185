"""Asks questions at a terminal, and reads answers from there or from a pipe."""

from __future__ import annotations

import codecs
import os
import select
from collections.abc import Callable

# A paste of several lines is over after a line and this many seconds without input.
_PAUSE = 0.5
_END = b"\x04"
_ERASE = b"\x7f\b"


class Dialog:
    """Asks through `write`, and reads answers from a file descriptor; None means no input.

    The descriptor is read without Python's buffer, whose lock a waiting thread would keep at the
    exit of the program, which then aborts.
    """

    def __init__(self, descriptor: int | None, write: Callable[[str], object]) -> None:
        self._descriptor = descriptor
        self._write = write
        self._rest = b""

    @property
    def is_terminal(self) -> bool:
        """Return whether a person can answer."""
        return self._descriptor is not None and os.isatty(self._descriptor)

    def show(self, text: str) -> None:
        """Write a message that belongs to a question."""
        self._write(f"{text}\n")

    def ask(self, question: str) -> str:
        """Return an answer of one line without surrounding space; empty at the end of the input."""
        if self.is_terminal:
            self._write(question)
        return (self.read_line() or "").strip()

    def ask_hidden(self, question: str) -> str:
        """Return an answer as `ask` does; a terminal does not show it."""
        return self._ask_hidden(question).strip() if self.is_terminal else self.ask(question)

    def ask_for_paste(self, question: str) -> str:
        """Return a hidden answer of one or more lines: all of the input if it is no terminal.

        It is empty only at the end of the input: Enter alone is an empty line.
        """
        if self.is_terminal:
            return self._ask_hidden(question)
        pieces = [self._rest, *iter(self._read, b"")]
        self._rest = b""
        return _text_of_file(b"".join(pieces))

    def read_line(self) -> str | None:
        """Return the next line of the input, None at its end."""
        while b"\n" not in self._rest:
            piece = self._read()
            if not piece:
                last, self._rest = self._rest, b""
                return _text(last) if last else None
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return _text(line)

    def _read(self) -> bytes:
        try:
            return b"" if self._descriptor is None else os.read(self._descriptor, 1 << 16)
        except OSError:
            # The input is a folder, or a terminal that was closed.
            return b""

    def _ask_hidden(self, question: str) -> str:
        try:
            import termios
        except ImportError:
            import getpass

            return getpass.getpass(question)
        assert self._descriptor is not None
        before = termios.tcgetattr(self._descriptor)
        hidden = termios.tcgetattr(self._descriptor)
        # Not getpass, except on Windows: it returns one line, and a terminal in canonical mode cuts
        # that after 4,095 bytes, on macOS after 1,024. A Cookie header may be longer, and a
        # cookies.txt has several lines.
        hidden[3] &= ~(termios.ECHO | termios.ICANON)
        hidden[6][termios.VMIN], hidden[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, hidden)
        try:
            self._write(question)
            return _text(self._read_keys(self._descriptor))
        finally:
            # Discard unread input, so that the shell does not run the rest of a paste.
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, before)
            self._write("\n")

    def _read_keys(self, terminal: int) -> bytes:
        """Return the keys typed or pasted until Enter and a pause, or until ^D."""
        typed = bytearray()
        while not (typed.endswith(b"\n") and _is_silent(terminal)):
            piece = self._read()
            for key in (piece[at : at + 1] for at in range(len(piece))):
                if key == _END:
                    return bytes(typed)
                if key in _ERASE:
                    del typed[-1:]
                else:
                    typed += key
            if not piece:
                break
        return bytes(typed)


def _is_silent(terminal: int) -> bool:
    return not select.select([terminal], [], [], _PAUSE)[0]


def _text_of_file(data: bytes) -> str:
    """Decode the text of a file, which Windows may have saved as UTF-16.

    Without a byte order mark, zero bytes show it, since ASCII characters have one each.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:2]:
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
        return data.decode(encoding, errors="replace")
    return _text(data)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
