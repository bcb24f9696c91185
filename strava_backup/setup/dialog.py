"""Asks a person at a terminal, or whatever standard input is. Knows nothing of the questions."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

# Seconds of silence after a line by which a paste of several lines is known to be over.
_PAUSE = 0.5
_END = b"\x04"
_ERASE = b"\x7f\b"


class Dialog:
    """Questions through `write`, answers from the file descriptor, None where there is none.

    It is read without a buffer of Python's: a thread that waits there must not keep the program
    from ending.
    """

    def __init__(self, descriptor: int | None, write: Callable[[str], object]) -> None:
        self._descriptor = descriptor
        self._write = write
        self._rest = b""

    @property
    def is_terminal(self) -> bool:
        """Whether a person can answer."""
        return self._descriptor is not None and os.isatty(self._descriptor)

    def tell(self, text: str) -> None:
        """Say something that belongs to a question."""
        self._write(f"{text}\n")

    def ask(self, question: str) -> str:
        """An answer of one line, without space around it; empty at the end of the input."""
        if self.is_terminal:
            self._write(question)
        return (self.read_line() or "").strip()

    def ask_hidden(self, question: str) -> str:
        """The same for a secret: a terminal does not show it."""
        return self._ask_hidden(question).strip() if self.is_terminal else self.ask(question)

    def ask_for_paste(self, question: str) -> str:
        """A hidden answer that may have several lines: all of the input where it is no terminal."""
        if self.is_terminal:
            return self._ask_hidden(question)
        pieces = [self._rest, *iter(self._read, b"")]
        self._rest = b""
        return _text(b"".join(pieces))

    def read_line(self) -> str | None:
        """The next line of the input, None at its end."""
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
            # A folder or a terminal that is gone, from which nothing will come.
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
        # Line by line a terminal cuts off after 4,096 bytes, on macOS after 1,024.
        hidden[3] &= ~(termios.ECHO | termios.ICANON)
        hidden[6][termios.VMIN], hidden[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, hidden)
        try:
            self._write(question)
            return _text(self._read_keys(self._descriptor))
        finally:
            # Flushed, so that no shell gets to see the rest of a paste.
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, before)
            self._write("\n")

    def _read_keys(self, terminal: int) -> bytes:
        """What is typed or pasted until Enter and a pause, or until ^D."""
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


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
