"""Full disks, file size limits and missing permissions, real ones that also apply to root."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

NOBODY = 65534


@contextmanager
def without_root() -> Iterator[None]:
    """Run as an unprivileged user, to whom permissions apply."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Limit the size of files, so that a write fails like on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def disk_filled_up(folder: Path, files: Mapping[str, bytes]) -> Iterator[Path]:
    """Mount a disk with these files and without free space."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root mounts disks")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        with suppress(OSError), open(folder / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1 << 1, 1 << 2
_PR_GET_SECUREBITS, _PR_SET_SECUREBITS = 27, 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@contextmanager
def obeying_permissions() -> Iterator[None]:
    """Let the permissions of files apply to root in this thread and those that it starts.

    Unlike with another user, root still owns its files (man 2 capset, man 7 capabilities).
    """
    if os.geteuid() != 0:
        yield
        return
    libc, header = ctypes.CDLL(None), _Header(0x20080522, 0)
    both = (_Capabilities * 2)()
    assert libc.capget(ctypes.byref(header), both) == 0
    before, bits_before = both[0].effective, libc.prctl(_PR_GET_SECUREBITS)
    both[0].effective &= ~(_CAP_DAC_OVERRIDE | _CAP_DAC_READ_SEARCH)
    # Without this bit, access() uses the permitted capabilities of root, not the effective ones.
    assert libc.prctl(_PR_SET_SECUREBITS, bits_before | _SECBIT_NO_SETUID_FIXUP) == 0
    assert libc.capset(ctypes.byref(header), both) == 0
    try:
        yield
    finally:
        both[0].effective = before
        assert libc.capset(ctypes.byref(header), both) == 0
        assert libc.prctl(_PR_SET_SECUREBITS, bits_before) == 0
