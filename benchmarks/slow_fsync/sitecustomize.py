"""Makes every fsync of the program that finds this on its path slower, as on a slow disk.

Python imports this at its start: https://docs.python.org/3/library/site.html
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_DELAY = float(os.environ["BENCHMARK_FSYNC_DELAY"])
_fsync = os.fsync


def _slow_fsync(fd: FileDescriptorLike) -> None:
    time.sleep(_DELAY)
    _fsync(fd)


os.fsync = _slow_fsync
