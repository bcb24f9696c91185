"""Kills the program that finds this on its path in the middle of its work on the disk.

`DEATH` says where: "append 2 0.5" is when half of the second line, or group of lines, has been
appended to SHA256SUMS, "rename 7 0" and "rename 7 1" just before and after the seventh renaming.

Python imports this at its start: https://docs.python.org/3/library/site.html
"""

from __future__ import annotations

import builtins
import io
import os
import signal
import threading
from typing import Any

_what, _number, _share = os.environ["DEATH"].split()
_left = int(_number)
_lock = threading.Lock()
_open, _replace = builtins.open, os.replace


def _is_it() -> bool:
    global _left
    with _lock:
        _left -= 1
        return _left == 0


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Last(io.FileIO):
    def write(self, data: Any) -> int:
        super().write(bytes(data)[: int(len(data) * float(_share))])
        _die()
        raise AssertionError


def _dying_open(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
    if mode == "ab" and os.path.basename(path) == "SHA256SUMS" and _is_it():
        return _Last(path, "ab")
    return _open(path, mode, *args, **kwargs)


def _dying_replace(*args: Any, **kwargs: Any) -> None:
    is_it = _is_it()
    if is_it and _share == "0":
        _die()
    _replace(*args, **kwargs)
    if is_it:
        _die()


if _what == "append":
    builtins.open = _dying_open
else:
    os.replace = _dying_replace
