from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import strava_backup
from strava_backup.archive import checksums
from strava_backup.archive.checksums import Checksums, Manifest, format_line, mended, parse, without
from tests.conftest import version_of
from tests.limits import files_limited_to

REPOSITORY = Path(strava_backup.__file__).parents[1]
A, B = PurePosixPath("activities/2026/x_1.fit"), PurePosixPath("photos/1_a.jpg")
C = PurePosixPath("photos/1_c.jpg")
ONE, TWO = "1" * 64, "2" * 64
LINE_A, LINE_B = f"{ONE}  {A}\n".encode(), f"{TWO}  {B}\n".encode()

PATHS = st.lists(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1).filter(
        lambda name: name not in (".", "..")
    ),
    min_size=1,
    max_size=4,
).map(lambda parts: PurePosixPath(*parts))
DIGESTS = st.binary(max_size=4).map(lambda data: hashlib.sha256(data).hexdigest())
EDITED = st.lists(
    st.sampled_from(
        [
            LINE_A,
            LINE_B,
            LINE_A.upper(),
            f"{TWO} *./{A}\r\n".encode(),
            b"\\" + LINE_A,
            b"\\" + LINE_A.replace(b"x", b"\\x"),
            LINE_A[:-1],
            LINE_A[:70],
            b"# mine\n",
            b"\n",
            b"\0" * 9,
            b"SHA256 (a) = 0\n",
            f"{ONE}  ../../etc/passwd\n".encode(),
        ]
    )
    | st.binary(max_size=90),
    max_size=6,
).map(b"".join)


@pytest.fixture
def root(tmp_path):
    for path in (A, B):
        (tmp_path / path).parent.mkdir(parents=True)
    return tmp_path


def text_of(root):
    return (root / "SHA256SUMS").read_bytes()


def check(folder, *options):
    """`sha256sum -c` itself."""
    return subprocess.run(
        ["sha256sum", "-c", *options, "SHA256SUMS"], cwd=folder, capture_output=True, text=True
    )


# The format


def test_a_line_is_as_sha256sum_prints_it(tmp_path):
    for name in ("plain.fit", "two words.fit", "back\\slash", "line\nfeed", "naïve", b"\xff.fit"):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(b"content")
        printed = subprocess.run(
            ["sha256sum", path.name], cwd=tmp_path, check=True, capture_output=True
        ).stdout
        assert format_line(PurePosixPath(path.name), checksums.hash_file(path)) == printed
        assert parse(printed) == Manifest({path.name: (checksums.hash_file(path),)})


@given(PATHS, DIGESTS)
@example(PurePosixPath("a\rb"), ONE)
@example(PurePosixPath("\\n"), ONE)
def test_every_line_is_read_back(path, digest):
    line = format_line(path, digest)
    assert line.count(b"\n") == 1
    assert parse(line) == Manifest({str(path): (digest,)})


@pytest.mark.parametrize(
    ("text", "digests"),
    [
        (b"", {}),
        (LINE_A + LINE_B, {str(A): (ONE,), str(B): (TWO,)}),
        ((LINE_A + LINE_B).replace(b"\n", b"\r\n"), {str(A): (ONE,), str(B): (TWO,)}),
        (b"\xef\xbb\xbf" + LINE_A, {str(A): (ONE,)}),
        (LINE_A + LINE_A, {str(A): (ONE,)}),
        (f"{'ab' * 32} *{A}\n".encode().upper().replace(str(A).upper().encode(), str(A).encode()),
         {str(A): ("ab" * 32,)}),
        (f"{ONE}  ./{A}\n{TWO}  {B}\n".encode(), {str(A): (ONE,), str(B): (TWO,)}),
        (f"{ONE}  {A}\n{TWO}  {A}\n".encode(), {str(A): (ONE, TWO)}),
        (b"# mine\n\n" + LINE_A, {str(A): (ONE,)}),
        # a run died while writing the last line, which names another file now
        (LINE_A + LINE_B[:-1], {str(A): (ONE,)}),
        (LINE_A + LINE_B[:-4], {str(A): (ONE,)}),
        (LINE_A + b"\0\0\0", {str(A): (ONE,)}),
    ],
)  # fmt: skip
def test_a_manifest_is_read_after_manual_edits_and_dead_runs(text, digests):
    assert parse(text) == Manifest(digests)


@pytest.mark.parametrize(
    "line",
    [
        b"SHA256 (a.fit) = " + ONE.encode(),
        ONE[1:].encode() + b"  a.fit",
        b"g" + ONE[1:].encode() + b"  a.fit",
        ONE.encode() + b" a.fit",
        ONE.encode() + b"  ",
        ONE.encode() + b"  a\0.fit",
        b"\\" + ONE.encode() + b"  a\\x.fit",
        b"\0\0" + ONE.encode() + b"  a.fit",
    ],
)
def test_an_invalid_line_is_counted_and_skipped(line):
    assert parse(LINE_A + line + b"\n" + LINE_B) == Manifest({str(A): (ONE,), str(B): (TWO,)}, 1)


@given(EDITED)
def test_no_manifest_makes_a_crash_and_a_repair_does_not_change_its_content(text):
    manifest = parse(text)
    assert parse(mended(text)) == manifest
    assert mended(mended(text)) == mended(text)
    assert not mended(text) or mended(text).endswith(b"\n")


@given(EDITED)
def test_lines_are_removed_and_all_others_stay(text):
    rest = without(text, {str(A)})
    digests = dict(parse(text).digests)
    digests.pop(str(A), None)
    assert parse(rest) == Manifest(digests, parse(text).unknown)
    assert without(rest, {str(A)}) == mended(rest)


# The file


def test_the_manifest_gets_a_line_for_each_file(root):
    own = Checksums(root)
    own.add(A, ONE)
    assert text_of(root) == LINE_A
    own.add(B, TWO)
    assert text_of(root) == LINE_A + LINE_B
    assert Checksums(root).read().digests == {str(A): (ONE,), str(B): (TWO,)}


def test_a_listed_file_gets_no_second_line(root):
    (root / "SHA256SUMS").write_bytes(LINE_A)
    before = version_of(root / "SHA256SUMS")
    Checksums(root).add(A, ONE)
    assert version_of(root / "SHA256SUMS") == before


@pytest.mark.parametrize("torn", [LINE_B[:-1], LINE_B[:-4], LINE_B[:70], b"2", b"\0\0\0"])
def test_an_incomplete_last_line_is_removed_before_the_next_one(root, torn):
    (root / "SHA256SUMS").write_bytes(LINE_A + torn)
    Checksums(root).add(B, TWO)
    assert text_of(root) == LINE_A + LINE_B


def test_an_intact_manifest_is_not_rewritten(root):
    (root / "SHA256SUMS").write_bytes(b"# mine\n" + LINE_A)
    before = version_of(root / "SHA256SUMS")
    Checksums(root).mend()
    assert version_of(root / "SHA256SUMS") == before


def test_there_is_no_manifest_before_the_first_line(root):
    own = Checksums(root)
    own.mend()
    own.make_room(A, ONE)
    with own.grouped():
        pass
    assert not (root / "SHA256SUMS").exists()


def test_a_line_of_other_content_is_removed_before_the_file_is_renamed(root):
    (root / "SHA256SUMS").write_bytes(LINE_B + LINE_A + b"# mine\n")
    own = Checksums(root)
    own.make_room(A, ONE)
    assert text_of(root) == LINE_B + LINE_A + b"# mine\n"
    own.make_room(A, TWO)
    assert text_of(root) == LINE_B + b"# mine\n"
    own.add(A, TWO)
    assert text_of(root) == LINE_B + b"# mine\n" + f"{TWO}  {A}\n".encode()


def test_a_full_disk_leaves_no_incomplete_line(root):
    own = Checksums(root)
    own.add(A, ONE)
    with files_limited_to(len(LINE_A) + 20), pytest.raises(OSError, match="too large"):
        own.add(B, TWO)
    assert text_of(root) == LINE_A
    own.add(B, TWO)
    assert text_of(root) == LINE_A + LINE_B


def test_a_group_is_listed_at_its_end_even_after_an_error(root):
    own = Checksums(root)

    def save_and_fail():
        with own.grouped():
            own.add(A, ONE)
            assert not (root / "SHA256SUMS").exists()
            raise KeyError

    with pytest.raises(KeyError):
        save_and_fail()
    assert text_of(root) == LINE_A


def test_a_large_group_is_listed_in_batches(root):
    own = Checksums(root)
    with own.grouped():
        for number in range(1000):
            own.add(A.with_name(f"x_{number}.fit"), ONE)
        assert 700 < len(text_of(root).splitlines()) < 1000
    assert len(parse(text_of(root)).digests) == 1000


def test_folders_are_committed_once_per_group_and_before_their_lines(root, monkeypatch):
    steps = []
    monkeypatch.setattr(checksums, "sync_folder", steps.append)
    monkeypatch.setattr(os, "fsync", lambda _: steps.append("line"))
    own = Checksums(root)
    with own.grouped():
        for number in range(5):
            own.add(A.with_name(f"x_{number}.fit"), ONE)
            own.add(B.with_name(f"{number}_a.jpg"), ONE)
    assert steps == [root / A.parent, root / B.parent, "line", root]


def test_threads_that_add_concurrently_neither_lose_nor_mix_lines(root):
    own = Checksums(root)
    ready = threading.Barrier(8)

    def work(worker):
        ready.wait()
        for number in range(50):
            own.add(A.with_name(f"{worker}_{number}.fit"), ONE)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert parse(text_of(root)) == Manifest(
        {str(A.with_name(f"{w}_{n}.fit")): (ONE,) for w in range(8) for n in range(50)}
    )
    assert len(text_of(root).splitlines()) == 400


def test_a_line_that_another_thread_failed_to_write_does_not_count_as_written(root, monkeypatch):
    real, started, go_on = os.fsync, threading.Event(), threading.Event()
    lists = []

    def fsync(descriptor):
        started.set()
        go_on.wait()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            lists.append(descriptor)
            if len(lists) == 2:  # the lines of B and C together
                raise OSError(errno.EIO, "broken")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    own = Checksums(root)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(own.add, A, ONE)
        started.wait()
        others = {path: pool.submit(own.add, path, TWO) for path in (B, C)}
        time.sleep(0.1)
        go_on.set()
    assert first.exception() is None
    failed = [path for path, future in others.items() if future.exception() is not None]
    assert len(failed) == 1
    assert {str(path) for path in {A, B, C} - set(failed)} <= parse(text_of(root)).digests.keys()


KILLED = """
import sys
from pathlib import Path, PurePosixPath
from strava_backup.archive.checksums import Checksums

sums = Checksums(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(1_000_000):
    sums.add(PurePosixPath(f"activities/2026/x_{number}.fit"), f"{number:064x}")
"""


def test_a_killed_process_leaves_a_manifest_that_accepts_another_line(root):
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, root], cwd=REPOSITORY, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        while not (root / "SHA256SUMS").exists() or len(text_of(root)) < 1000:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    Checksums(root).add(A.with_name("x_-1.fit"), ONE)
    manifest = parse(text_of(root))
    assert manifest.unknown == 0
    assert manifest.digests.pop(str(A.with_name("x_-1.fit"))) == (ONE,)
    assert manifest.digests == {
        str(A.with_name(f"x_{number}.fit")): (f"{number:064x}",)
        for number in range(len(manifest.digests))
    }


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5), EDITED)
def test_sha256sum_finds_our_files_after_any_edit_of_the_manifest(contents, edited):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / A.parent).mkdir(parents=True)
        (root / "SHA256SUMS").write_bytes(edited)
        own = Checksums(root)
        for number, content in enumerate(contents):
            path = A.with_name(f"x_{number}.fit")
            (root / path).write_bytes(content)
            digest = checksums.hash_file(root / path)
            own.make_room(path, digest)
            own.add(path, digest)
        result = check(root, "--ignore-missing")
    for number in range(len(contents)):
        assert f"{A.with_name(f'x_{number}.fit')}: OK" in result.stdout.splitlines()
