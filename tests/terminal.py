"""The real command at a pseudo-terminal: what it shows, and what a person types."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from tests.forked import Forked

PATIENCE = 60.0


class Terminal:
    """A terminal of 24 lines and 80 columns, in which one program runs as its foreground job."""

    def __init__(self, start: Callable[[int], Any]) -> None:
        self._master, slave = os.openpty()
        termios.tcsetwinsize(self._master, (24, 80))
        self._process = start(slave)
        os.close(slave)
        self._is_open = True
        self.shown = ""

    def wait_for(self, text: str) -> None:
        """Return when that is on the screen."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert self._read(deadline), f"{text!r} is not shown:\n{self.shown}"

    def type(self, text: str) -> None:
        """Type or paste; a line ends with \\r, as the key Enter has it."""
        data = text.encode()
        while data:
            # A pseudo-terminal holds but 4 kB that nobody has read yet.
            data = data[os.write(self._master, data[:1024]) :]

    def wait(self) -> int:
        """Return the exit code when the program has ended, and all that it said is in `shown`."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self._process.wait(PATIENCE)

    def interrupt(self) -> int:
        """Press ^C until the program ends, and return its exit code.

        Python misses a signal that comes between a line of code and the read that it begins with.
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.type("\x03")
            again = time.monotonic() + 2
            while self._read(again):
                pass
            if time.monotonic() < again:
                break
        return self._process.wait(PATIENCE)

    def hang_up(self) -> int:
        """Close the terminal while the program runs, and return its exit code when it has ended."""
        self._is_open = False
        os.close(self._master)
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        """End a program that has not ended by itself."""
        self._process.kill()
        self._process.wait()
        if self._is_open:
            os.close(self._master)

    def _read(self, deadline: float) -> bool:
        """Take in more of what is shown; False at its end, and when it is late."""
        if not select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._master, 1 << 16)
        except OSError as error:
            if error.errno != errno.EIO:  # how Linux says that nobody has the terminal open
                raise
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


class Keyboard:
    """A terminal in this process: types the next answer as soon as a question is written."""

    def __init__(self, answers: Iterable[str]) -> None:
        self._answers = list(answers)
        self.shown = ""

    def __enter__(self) -> Keyboard:
        self._master, self.descriptor = os.openpty()
        return self

    def __exit__(self, *exc_info: object) -> None:
        os.close(self._master)
        os.close(self.descriptor)

    def write(self, text: str) -> None:
        """Show a text; one that does not end its line is a question."""
        self.shown += text
        if not text.endswith("\n"):
            assert self._answers, f"an unexpected question: {text}"
            os.write(self._master, self._answers.pop(0).encode())


def _sit_down() -> None:
    """Take the terminal as one's own, and mind ^C also where tests run in the background."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def terminal(
    arguments: list[str], environment: Mapping[str, str], folder: Path
) -> AbstractContextManager[Terminal]:
    """A terminal with a new process."""

    def start(slave: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            arguments,
            env=dict(environment),
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_sit_down,
        )

    return _opened(start)


def terminal_of_command(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, before: str = ""
) -> AbstractContextManager[Terminal]:
    """A terminal with a forked process of the command, which starts faster."""
    return _opened(lambda slave: Forked(arguments, environment, folder, slave, before))


@contextmanager
def _opened(start: Callable[[int], Any]) -> Iterator[Terminal]:
    """A terminal that is closed at the end."""
    opened = Terminal(start)
    try:
        yield opened
    finally:
        opened.close()
