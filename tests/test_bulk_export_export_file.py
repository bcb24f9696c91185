"""ZIPs and folders are read alike, and unsafe ones are refused."""

from __future__ import annotations

import gzip
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from strava_backup import errors
from strava_backup.bulk_export import export_file
from tests import account_export

TABLE = b"Activity ID\n5\n"
FILES = {"activities.csv": TABLE, "activities/1.gpx": b"<gpx/>" * 50, "media/a.jpg": b"abc"}

Write = Callable[[Mapping[str, bytes], Path], None]


def read(export: export_file.Export, name: str) -> bytes:
    return b"".join(export.read_chunks(name))


@pytest.mark.parametrize("write", [account_export.write_zip, account_export.write_folder])
@pytest.mark.parametrize("top", ["", "export_123/"])
def test_zip_and_folder_are_read_alike(write: Write, top: str, tmp_path: Path) -> None:
    hidden = {"__MACOSX/activities.csv": b"x", f"{top}.DS_Store": b"x"}
    write({**{top + name: data for name, data in FILES.items()}, **hidden}, tmp_path / "export")
    with export_file.opened(tmp_path / "export") as export:
        assert {name: read(export, name) for name in export.names} == FILES


def test_the_day_is_that_of_the_table_whether_packed_or_not(tmp_path: Path) -> None:
    account_export.write_zip(FILES, tmp_path / "export.zip")
    with export_file.opened(tmp_path / "export.zip") as export:
        assert export.day == "2026-11-20"
    account_export.write_folder(FILES, tmp_path / "export")
    os.utime(tmp_path / "export" / "activities.csv", (1_700_000_000, 1_700_000_000))
    with export_file.opened(tmp_path / "export") as export:
        assert export.day in ("2023-11-14", "2023-11-15")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "cannot read"),
        (lambda path: path.write_bytes(b"PK, or so"), "is not a complete ZIP"),
        (lambda path: path.mkdir(), "contains no activities.csv"),
        (lambda path: account_export.write_zip({"a": b"b"}, path), "contains no activities.csv"),
        (
            lambda path: account_export.write_zip({"a/b/activities.csv": TABLE}, path),
            "contains no activities.csv",
        ),
    ],
)
def test_a_path_without_an_export_is_refused(
    make: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    make(tmp_path / "export.zip")
    with (
        pytest.raises(errors.ConfigError, match=words),
        export_file.opened(tmp_path / "export.zip"),
    ):
        pass


def test_a_zip_that_came_only_in_part_is_no_zip(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    account_export.write_zip(FILES, path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(errors.ConfigError, match="not a complete ZIP"), export_file.opened(path):
        pass


@pytest.mark.parametrize(
    "name",
    ["../evil", "activities/../../evil", "/etc/evil", "\\evil", "a\\..\\..\\evil", "C:evil"],
)
def test_a_zip_with_a_path_out_of_it_is_refused(name: str, tmp_path: Path) -> None:
    account_export.write_zip({**FILES, name: b"x"}, tmp_path / "export.zip")
    with (
        pytest.raises(errors.ConfigError, match="a path outside of it"),
        export_file.opened(tmp_path / "export.zip"),
    ):
        pass


def test_a_zip_with_a_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    account_export.write_zip(FILES, path)
    with zipfile.ZipFile(path, "a") as packed:
        info = zipfile.ZipInfo("activities/2.gpx")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(errors.ConfigError, match="not a regular file"), export_file.opened(path):
        pass


def test_a_folder_with_a_link_is_refused(tmp_path: Path) -> None:
    account_export.write_folder(FILES, tmp_path / "export")
    (tmp_path / "export" / "activities" / "2.gpx").symlink_to("/etc/passwd")
    with (
        pytest.raises(errors.ConfigError, match="not a regular file"),
        export_file.opened(tmp_path / "export"),
    ):
        pass


def test_a_bomb_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_file, "_HARMLESS", 5_000_000)
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("activities.csv", TABLE)
        with packed.open("bomb", "w") as file:
            for _ in range(6):
                file.write(bytes(1_000_000))
    assert path.stat().st_size < 20_000
    with (
        pytest.raises(errors.ConfigError, match="more than 200 times its size"),
        export_file.opened(path),
    ):
        pass


def test_a_part_whose_checksum_is_wrong_fails_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    account_export.write_zip(FILES, path)
    path.write_bytes(path.read_bytes().replace(b"abc", b"abd"))
    with export_file.opened(path) as export:
        with pytest.raises(errors.ItemError, match=r"media/a\.jpg is damaged in the export"):
            read(export, "media/a.jpg")
        assert read(export, "activities.csv") == TABLE


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    account_export.write_zip(FILES, path)
    content = bytearray(path.read_bytes())
    # The flag of encryption, in the local header and in the directory.
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rindex(signature) + offset] |= 1
    path.write_bytes(content)
    with (
        pytest.raises(errors.ConfigError, match=r"media/a\.jpg in .* is encrypted: unpack it"),
        export_file.opened(path),
    ):
        pass


def test_a_zip_packed_by_an_unknown_method_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    account_export.write_zip(FILES, path)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.rindex(signature) + offset] = 9
    path.write_bytes(content)
    with (
        pytest.raises(errors.ConfigError, match=r"an unsupported method \(9\)"),
        export_file.opened(path),
    ):
        pass


@pytest.mark.parametrize("name", ["export.z01", "export.Z02", "export.zip.001", "export.zip"])
def test_a_piece_of_a_split_zip_is_refused(name: str, tmp_path: Path) -> None:
    account_export.write_zip(FILES, tmp_path / name)
    (tmp_path / "export.z01").touch()
    with (
        pytest.raises(errors.ConfigError, match="one part of a split ZIP: unpack all parts"),
        export_file.opened(tmp_path / name),
    ):
        pass


@pytest.mark.parametrize("write", [account_export.write_zip, account_export.write_folder])
@pytest.mark.parametrize("first", ["", "export_1/"])
@pytest.mark.parametrize("second", ["export_2/", "export_2/x/"])
def test_two_exports_are_refused_and_named(
    write: Write, first: str, second: str, tmp_path: Path
) -> None:
    write({f"{top}activities.csv": TABLE for top in (first, second)}, tmp_path / "export")
    with (
        pytest.raises(
            errors.ConfigError, match=rf"more than one .*{first}activities.*{second}activities"
        ),
        export_file.opened(tmp_path / "export"),
    ):
        pass


@pytest.mark.parametrize("write", [account_export.write_zip, account_export.write_folder])
@pytest.mark.parametrize("top", ["", "export_123\\"])
def test_backslashes_are_slashes(write: Write, top: str, tmp_path: Path) -> None:
    made = {top + name.replace("/", "\\"): data for name, data in FILES.items()}
    write(made, tmp_path / "export")
    with export_file.opened(tmp_path / "export") as export:
        assert {name: read(export, name) for name in export.names} == FILES


def test_a_backslash_takes_no_other_files_place(tmp_path: Path) -> None:
    more = {"media\\a.jpg": b"1", "media\\b\\c.jpg": b"2", "media\\b/c.jpg": b"3"}
    account_export.write_zip({**FILES, **more}, tmp_path / "export.zip")
    with export_file.opened(tmp_path / "export.zip") as export:
        contents = {name: read(export, name) for name in export.names}
    assert contents.items() >= FILES.items()
    assert sorted(contents.values()) == sorted([*FILES.values(), *more.values()])


def test_folders_with_backslashes_are_no_files(tmp_path: Path) -> None:
    account_export.write_zip({**FILES, "media\\": b""}, tmp_path / "export.zip")
    with export_file.opened(tmp_path / "export.zip") as export:
        assert set(export.names) == FILES.keys()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("activities/1.fit.gz", ["activities/1.fit.gz"]),
        ("activities/2.fit.gz", ["activities/2.fit"]),
        ("activities/3.fit", ["activities/3.FIT.gz"]),
        ("activities\\4.gpx", ["activities/4.gpx"]),
        ("activities/5.fit.gz", ["activities/5.FIT", "activities/5.FIT.GZ"]),
        ("activities/6.fit", []),
        ("activities/1.tcx.gz", []),
        ("", []),
    ],
)
def test_a_file_is_found_under_a_name_that_differs_little(name: str, found: list[str]) -> None:
    names = export_file.Names(
        [
            "activities/1.fit.gz",
            "activities/1.fit",
            "activities/2.fit",
            "activities/3.FIT.gz",
            "activities/4.gpx",
            "activities/5.FIT",
            "activities/5.FIT.GZ",
        ]
    )
    assert names.find(name) == found


@pytest.mark.parametrize("letter", ["a", "é", "\U0001f6b4", "\udc80"])
def test_a_name_too_long_for_a_disk_is_cut_in_front(letter: str) -> None:
    name = f"{letter * 300}/{letter * 300}.csv"
    members = export_file.storable(name).split("/")
    assert len(members) == 2
    assert all(0 < len(part.encode()) <= 200 for part in members)
    assert members[1].endswith(".csv")
    assert len(export_file.storable(f"{letter}/" * 9000).encode()) <= 1000
    assert export_file.storable("media/é.jpg") == "media/é.jpg"


def test_a_file_that_vanished_from_a_folder_fails(tmp_path: Path) -> None:
    account_export.write_folder(FILES, tmp_path / "export")
    with export_file.opened(tmp_path / "export") as export:
        (tmp_path / "export" / "media" / "a.jpg").unlink()
        with pytest.raises(errors.ItemError, match=r"cannot read media/a\.jpg"):
            read(export, "media/a.jpg")


def chopped(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize("size", [1, 100, 10**7])
@pytest.mark.parametrize("padding", [b"", b"\0" * 20])
def test_gzip_is_unpacked(size: int, padding: bytes) -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two") + padding
    assert b"".join(export_file.unpacked(chopped(packed, size), "x")) == b"one two"


@pytest.mark.parametrize(
    "packed", [b"", gzip.compress(b"one" * 99, mtime=0)[:-9], b"\x1f\x8bnonsense" * 9]
)
def test_broken_gzip_fails(packed: bytes) -> None:
    with pytest.raises(errors.ItemError, match="damaged in the export"):
        list(export_file.unpacked([packed], "x"))


def test_a_gzip_bomb_fails_long_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_file, "_HARMLESS", 5_000_000)
    bomb = gzip.compress(bytes(10_000_000), 9)
    sizes: list[int] = []
    with pytest.raises(errors.ItemError, match="more than 200 times"):
        sizes.extend(map(len, export_file.unpacked([bomb], "x")))
    assert sum(sizes) <= 5_000_000
    assert max(sizes) <= 1 << 20


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_lines_come_without_a_bom_and_with_their_ends(bom: bytes, tmp_path: Path) -> None:
    text = bom + "é,1\r\nb\n\nlast".encode()
    account_export.write_folder({"activities.csv": text}, tmp_path)
    with export_file.opened(tmp_path) as export:
        assert list(export_file.read_lines(export, "activities.csv")) == [
            "é,1\r\n",
            "b\n",
            "\n",
            "last",
        ]


TEXT = "Id,Aktivität\r\n1,骑行 🚴\n2,x\u2028y\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_is_read_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    account_export.write_folder({"activities.csv": TEXT.encode(encoding)}, tmp_path)
    with export_file.opened(tmp_path) as export:
        lines = list(export_file.read_lines(export, "activities.csv"))
    assert lines == ["Id,Aktivität\r\n", "1,骑行 🚴\n", "2,x\u2028y\n"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_half_a_character_at_the_end_is_left_out(encoding: str, tmp_path: Path) -> None:
    account_export.write_folder({"activities.csv": TEXT[:20].encode(encoding)[:-1]}, tmp_path)
    with export_file.opened(tmp_path) as export:
        lines = list(export_file.read_lines(export, "activities.csv"))
    assert lines == ["Id,Aktivität\r\n", "1,骑行 "]


@pytest.mark.parametrize("content", [b"a\xffb\n", "Aktivität,1\n".encode("cp1252")])
def test_a_text_that_is_not_in_unicode_fails(content: bytes, tmp_path: Path) -> None:
    account_export.write_folder({"activities.csv": content}, tmp_path)
    with (
        export_file.opened(tmp_path) as export,
        pytest.raises(errors.ItemError, match=r"activities\.csv is not in UTF-8"),
    ):
        list(export_file.read_lines(export, "activities.csv"))
