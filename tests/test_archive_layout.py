from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.strava import records

STEM = "2026-05-06T07-08-09Z_16600000000"
STARTS = st.datetimes(timezones=st.timezones()).filter(
    lambda moment: datetime(1, 1, 2) < moment.replace(tzinfo=None) < datetime(9999, 12, 30)
)
IDS = st.integers(1, 10**18)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"{STEM}.fit", (16600000000, STEM, ".fit")),
        (f"{STEM}.fit.gz", (16600000000, STEM, ".fit.gz")),
        (f"{STEM}.meta.json", (16600000000, STEM, ".meta.json")),
        # Earlier versions: a month in place of the minute, no date at all, unusual suffixes.
        ("2019-07-31T18-07-09Z_77.GPX", (77, "2019-07-31T18-07-09Z_77", ".GPX")),
        ("_77.gz", (77, "_77", ".gz")),
        ("_77.a b", (77, "_77", ".a b")),
    ],
)
def test_a_name_is_parsed_into_id_stem_and_suffix(name, expected):
    assert layout.parse_activity_name(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        f".{STEM}.fit.part",
        f".{STEM}.part",
        STEM,
        f"{STEM}.",
        f"{STEM}.meta.json~",
        f"{STEM}.meta.json.bak",
        "2026-05-06T07-08-09Z_.fit",
        "2026-05-06T07-08-09Z.fit",
        "16600000000.fit",
        "notes_16600000000.txt",
        "2026-05-06T07-08-09Z_-5.fit",
        "2026-05-06T07-08-09Z_" + "1" * 5000 + ".fit",
        "SHA256SUMS",
        ".DS_Store",
        "",
    ],
)
def test_other_names_do_not_count(name):
    assert layout.parse_activity_name(name) is None


PHOTO_ID = "6D1EA8B4-1C1D-4B1E-9C1F-0123456789AB"
PHOTO_KEY = "6d1ea8b41c1d4b1e9c1f0123456789ab"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"7_{PHOTO_ID}.jpg", ((7, PHOTO_KEY), f"7_{PHOTO_ID}", ".jpg")),
        (f"7_{PHOTO_ID}.meta.json", ((7, PHOTO_KEY), f"7_{PHOTO_ID}", ".meta.json")),
        (f"7_{PHOTO_ID.lower()}.JPG", ((7, PHOTO_KEY), f"7_{PHOTO_ID.lower()}", ".JPG")),
        ("7_19219017_26462176.webp", ((7, "19219017_26462176"), "7_19219017_26462176", ".webp")),
        ("7_a.b.jpg", ((7, "a"), "7_a", ".b.jpg")),
    ],
)
def test_the_name_of_a_photo_is_parsed_into_activity_photo_and_suffix(name, expected):
    assert layout.parse_photo_name(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        f".7_{PHOTO_ID}.part",
        f"7_{PHOTO_ID}",
        f"7_{PHOTO_ID}.",
        f"7_{PHOTO_ID}.meta.json~",
        f"{PHOTO_ID}.jpg",
        "7" * 5000 + "_a.jpg",
        "7.jpg",
        "7_.jpg",
        "7_a b.jpg",
        "7_\u00e9.jpg",
        "\u0667_a.jpg",
        "x7_a.jpg",
        ".DS_Store",
        "",
    ],
)
def test_names_that_are_not_those_of_photos_do_not_count(name):
    assert layout.parse_photo_name(name) is None


@given(
    IDS,
    st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    st.sampled_from([".jpg", ".webp", ".dat", ".meta.json"]),
)
def test_the_name_of_every_saved_photo_can_be_parsed(activity_id, photo_id, suffix):
    stem = layout.photo_stem(activity_id, photo_id)
    assert stem.parent == layout.PHOTOS
    key = layout.photo_key(activity_id, photo_id)
    assert layout.parse_photo_name(stem.name + suffix) == (key, stem.name, suffix)


def test_a_photo_is_found_in_spite_of_case_and_hyphens_of_its_id():
    assert layout.photo_key(7, PHOTO_ID) == layout.photo_key(7, PHOTO_ID.lower())
    assert layout.photo_key(7, PHOTO_ID) == layout.photo_key(7, PHOTO_ID.replace("-", ""))
    assert layout.photo_key(7, "a") != layout.photo_key(8, "a")


@pytest.mark.parametrize("gear_id", ["b9000001", "g1", "b12345678901234567890"])
def test_the_name_of_all_saved_gear_can_be_parsed(gear_id):
    path = layout.metadata_path(layout.gear_stem(gear_id))
    assert path == PurePosixPath(f"gear/{gear_id}.meta.json")
    assert layout.parse_gear_name(path.name) == (gear_id, gear_id, ".meta.json")


@pytest.mark.parametrize(
    "name",
    [".b1.meta.json.part", "b1", "b1.json", "b1.meta.json~", "1.meta.json", "b.meta.json", "b1.x"],
)
def test_names_that_are_not_those_of_gear_do_not_count(name):
    assert layout.parse_gear_name(name) is None


@pytest.mark.parametrize(
    ("stem", "path"),
    [
        (f"activities/2026/{STEM}", f"activities/2026/{STEM}.meta.json"),
        ("photos/7_a.b", "photos/7_a.b.meta.json"),
        ("gear/b1", "gear/b1.meta.json"),
    ],
)
def test_metadata_is_in_the_folder_of_its_files(stem, path):
    assert layout.metadata_path(PurePosixPath(stem)) == PurePosixPath(path)


@pytest.mark.parametrize(
    ("start", "path"),
    [
        (datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC), f"activities/2026/{STEM}"),
        (
            datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-5))),
            "activities/2027/2027-01-01T04-30-00Z_16600000000",
        ),
        (
            datetime(207, 1, 2, 3, 4, 5, 999999, tzinfo=UTC),
            "activities/0207/0207-01-02T03-04-05Z_16600000000",
        ),
    ],
)
def test_an_activity_is_named_by_its_start_in_utc_and_its_id(start, path):
    assert layout.activity_stem(start, 16600000000) == PurePosixPath(path)


@given(STARTS, IDS, st.from_regex(r"\.[a-z0-9]{1,16}(\.gz)?", fullmatch=True))
def test_the_name_of_every_saved_activity_can_be_parsed(start, activity_id, suffix):
    stem = layout.activity_stem(start, activity_id).name
    assert layout.parse_activity_name(stem + suffix) == (activity_id, stem, suffix)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("Morning_Run.fit", ".fit"),
        ("Morning_Run.FIT", ".fit"),
        ("Morning Run.fit.gz", ".gz"),
        ("a.b.c.gpx", ".gpx"),
        (".fit", ".fit"),
        ("Morning_Run", ""),
        ("fit", ""),
        ("", ""),
        ("Morning_Run.", ""),
        ("Morning_Run.f t", ""),
        ("Morning_Run.fit\n", ""),
        ("Morning_Run.../../../etc/passwd", ""),
        ("Morning_Run.fit/../x", ""),
        ("Morning_Run.fit\x00", ""),
        ("Morning_Run.\ufb01t", ""),
        ("Morning_Run.\uff11\uff12", ""),
        ("Morning_Run." + "x" * 16, "." + "x" * 16),
        ("Morning_Run." + "x" * 17, ""),
    ],
)
def test_only_a_valid_suffix_of_a_name_from_strava_is_used(name, suffix):
    assert layout.sent_suffix(name) == suffix


@given(
    st.text(st.characters(exclude_categories=()))
    | st.text(st.sampled_from("./\\:\x00~fit \n"))
    | st.builds("{}.{}".format, st.text(), st.sampled_from(["..", "/", "fit", "a/b", "C:", "part"]))
)
@example("x./..")
@example("x.meta.json")
def test_no_name_from_strava_leads_out_of_the_folder(name):
    stem = layout.activity_stem(datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC), 16600000000)
    suffix = layout.sent_suffix(name)
    file = stem.name + (suffix or ".dat")
    assert PurePosixPath(file).name == PureWindowsPath(file).name == file
    assert (stem.parent / file).parent == stem.parent
    parsed = layout.parse_activity_name(file)
    assert parsed is not None
    assert parsed.key == 16600000000
    assert parsed.suffix != layout.META_SUFFIX


# Names of devices in Windows, with any suffix
# (https://learn.microsoft.com/windows/win32/fileio/naming-a-file).
RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{device}{number}" for device in ("COM", "LPT") for number in "0123456789\u00b9\u00b2\u00b3"
}
WORDS = st.sampled_from(
    ["..", "/", "\\", "con", "CON", "nul", "com1", "b", "g", "7", ".", " ", ":"]
)
HOSTILE = st.text(st.characters(exclude_categories=()), max_size=80) | st.lists(WORDS).map("".join)


def assert_valid_everywhere(path):
    """Assert that all file systems accept the path and its partial file, in a known section."""
    assert not path.is_absolute()
    assert path.parts[0] in {section.name for section in (*layout.SECTIONS, layout.HISTORY)}
    assert PureWindowsPath(str(path)).parts == path.parts
    for part in path.parts:
        assert part.partition(".")[0].rstrip().upper() not in RESERVED
        assert not part.endswith((".", " "))
        assert part.isascii()
        assert part.isprintable()
        assert not set(part) & set('<>:"|?*')
        assert len(f".{part}.part") <= 255


@given(
    st.integers() | st.sampled_from([10**300, 2**63 - 1]) | HOSTILE,
    STARTS.map(datetime.isoformat) | HOSTILE,
    HOSTILE | st.from_regex(r"[A-Za-z0-9_-]{60,70}", fullmatch=True),
    HOSTILE | st.sampled_from(["com1", "COM1", "b1", "g" + "1" * 20, "b" * 3 + "1"]),
    HOSTILE,
)
@example(2**63 - 1, "2026-05-06T07:08:09Z", "x" * 64, "bb" + "1" * 20, "a." + "x" * 16)
@example(5, "2026-05-06T07:08:09Z", "CON", "com1", "CON.con")
def test_all_ids_and_names_from_strava_make_valid_paths(
    activity_id, start, photo_id, gear_id, sent_name
):
    suffix = layout.sent_suffix(sent_name) or ".dat"
    stems = [layout.gear_stem(gear_id)] if records.is_gear_id(gear_id) else []
    with suppress(errors.ItemError):
        activity = records.parse_activity({"id": activity_id, "start_date": start})
        stems.append(layout.activity_stem(activity.start, activity.id))
        photo = records.parse_photo(activity.id, {"unique_id": photo_id})
        stems.append(layout.photo_stem(photo.activity_id, photo.id))
    for stem in stems:
        metadata = layout.metadata_path(stem)
        moment = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
        for path in (stem.with_name(stem.name + suffix), metadata):
            assert_valid_everywhere(path)
            assert_valid_everywhere(layout.history_path(path, moment))


def test_history_has_the_same_path_and_the_moment_of_the_change_in_utc():
    moment = datetime(2026, 11, 22, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    path = layout.ACTIVITIES / "2026" / f"{STEM}.meta.json"
    assert layout.history_path(path, moment) == PurePosixPath(
        f"history/activities/2026/{STEM}.meta.json.2026-11-22T10-00-00Z.json"
    )


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("3100000000000000001.gpx", (".gpx", True)),
        ("3100000000000000001.meta.json", (".meta.json", False)),
        ("7.gpx.bak", (".gpx.bak", False)),
        ("7.GPX", (".GPX", False)),
        ("7.gpx.part", None),
        ("7.meta.json.orig", None),
        ("07.gpx", None),
        ("123456789012345678901.gpx", None),
        ("Alps.gpx", None),
        (".7.gpx", None),
        ("7", None),
    ],
)
def test_the_name_of_a_route_is_its_id(name, parsed):
    found = layout.parse_route_name(name)
    assert (found and (found.suffix, layout.is_route_file(found))) == parsed
    if parsed:
        assert found.key == name.partition(".")[0]
        assert layout.parse_name(layout.ROUTES / name) == found


def test_the_history_of_a_route_keeps_its_suffix():
    moment = datetime(2026, 11, 22, 10, tzinfo=UTC)
    path = layout.history_path(PurePosixPath("routes/7.gpx"), moment)
    assert path == PurePosixPath("history/routes/7.gpx.2026-11-22T10-00-00Z.gpx")
    assert layout.is_archive_folder(path.parent)


def test_history_of_gear_stays_apart_from_that_of_activities():
    moment = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    assert layout.history_path(PurePosixPath("gear/b1.meta.json"), moment) == PurePosixPath(
        "history/gear/b1.meta.json.2026-11-22T10-00-00Z.json"
    )


@pytest.mark.parametrize(
    "suffix",
    [
        ".meta.sync-conflict-20261122-101112-ABCDEFG.json",
        ".meta (conflicted copy).json",
        ".meta.json~",
        ".meta.json.bak",
        ".fit.part",
        ".fit.tmp",
        ".fit.crdownload",
        ".fit~",
    ],
)
def test_files_of_other_programs_are_no_originals(suffix):
    assert layout.parse_activity_name(f"2026-05-06T07-08-09Z_16600000000{suffix}") is None
    assert layout.parse_photo_name(f"16600000000_6D1E-DE55{suffix}") is None


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("activities/2026/2026-05-06T07-08-09Z_5.fit", 5),
        ("activities/2026-05-06T07-08-09Z_5.meta.json", 5),
        ("photos/5_A-B.jpg", (5, "ab")),
        ("gear/b1.meta.json", "b1"),
        ("gear/b1.jpg", None),
        ("photos/b1.meta.json", None),
        ("history/gear/b1.meta.json", None),
        ("damaged/photos/5_A-B.jpg", None),
        ("5_A-B.jpg", None),
        ("photos", None),
        (".", None),
        ("", None),
        ("/photos/5_A-B.jpg", None),
        ("../photos/5_A-B.jpg", None),
        ("photos/../../5_A-B.jpg", None),
        ("photos/..", None),
    ],
)
def test_a_path_is_parsed_by_the_rules_of_its_section(path, key):
    name = layout.parse_name(PurePosixPath(path))
    assert (name and name.key) == key


@pytest.mark.parametrize(
    "path",
    [
        f"activities/2026/.{STEM}.part",
        f"activities/2026/.{STEM}.meta.json.part",
        f"activities/2026/.{STEM}.comments.json.part",
        f"history/activities/2026/.{STEM}.comments.json.2026-11-22T10-00-00Z.json.part",
        "photos/.5_A-B.part",
        "photos/.5_A-B.video.part",
        "photos/.5_A-B.meta.json.part",
        "gear/.b1.meta.json.part",
        "routes/.7.part",
        "routes/.7.meta.json.part",
        "history/routes/.7.meta.json.2026-11-22T10-00-00Z.json.part",
        "history/routes/.7.gpx.2026-11-22T10-00-00Z.gpx.part",
        "damaged/routes/.7.gpx.part",
        f"history/activities/2026/.{STEM}.meta.json.2026-11-22T10-00-00Z.json.part",
        "history/gear/.b1.meta.json.2026-11-22T10-00-00Z.json.part",
        f"damaged/activities/2026/.{STEM}.fit.part",
        "damaged/photos/.5_A-B.jpg.2.part",
        "damaged/gear/.b1.meta.json.part",
        ".SHA256SUMS.part",
        "..strava-backup.json.part",
    ],
)
def test_a_partial_file_is_recognized_by_its_path(path):
    assert layout.is_partial(PurePosixPath(path))
    assert not layout.is_partial(PurePosixPath(path).with_suffix(""))
    assert not layout.is_partial(PurePosixPath(path).with_suffix(".tmp"))
    assert not layout.is_partial(PurePosixPath("elsewhere") / path)


@pytest.mark.parametrize(
    "path",
    [
        f"activities/2026/{STEM}.part",
        "photos/.5_A-B.comments.json.part",
        f"activities/2026/.{STEM}.fit.part",
        "activities/2026/.notes.part",
        "activities/2026/.notes_5.txt.part",
        "photos/.my pictures.part",
        "photos/.5_A-B.jpg.part",
        "photos/.5_A-B.ts.part",
        "photos/.5_A-B.meta.json.video.part",
        f"activities/2026/.{STEM}.video.part",
        "photos/5_A-B.jpg.part",
        "gear/.b1.part",
        "gear/.b1.pdf.part",
        "routes/.Alps.part",
        "history/routes/.7.gpx.2026-11-22T10-00-00Z.json.part",
        "history/activities/2026/.7.gpx.2026-11-22T10-00-00Z.gpx.part",
        "history/gear/.b1.meta.json.part",
        "history/gear/.b1.meta.json.old.json.part",
        "history/.b1.meta.json.2026-11-22T10-00-00Z.json.part",
        "damaged/.x.part",
        ".my-own.part",
        "..lock.part",
        ".part",
        "..part",
        "photos/...part",
        "photos/....part",
        ".",
        "",
    ],
)
def test_files_that_only_resemble_partial_files_belong_to_others(path):
    assert not layout.is_partial(PurePosixPath(path))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("bikes.csv", "bikes.csv"),
        ("routes/1 (2).gpx", "routes/1 (2).gpx"),
        ("clubs/Münster.csv", "clubs/Münster.csv"),
        ("a/.hidden", "a/_hidden"),
        ("a:b*c?.csv", "a_b_c_.csv"),
        ("a\\..\\b", "a_.._b"),
        ("../../etc/passwd", "_./_./etc/passwd"),
        ("one\ntwo\x1b.csv", "one_two_.csv"),
        ("x" * 300 + ".csv", "x" * 196 + ".csv"),
    ],
)
def test_a_file_of_an_export_keeps_the_harmless_characters_of_its_name(name, path):
    expected = PurePosixPath("bulk_export/2026-11-20") / path
    assert layout.export_path("2026-11-20", name) == expected


@given(st.text(max_size=20).filter(lambda name: not name.startswith("/")))
def test_no_name_of_an_export_leads_out_of_its_folder(name):
    path = layout.export_path("2026-11-20", name)
    assert path.parts[:2] == ("bulk_export", "2026-11-20")
    assert not [part for part in path.parts if part.startswith(".")]


@pytest.mark.parametrize(
    ("path", "activity_id"),
    [
        ("activities/2026/2026-05-06T07-08-09Z_5.fit", 5),
        ("activities/2026/2026-05-06T07-08-09Z_5.meta.json", 5),
        ("photos/5_AB-CD.jpg", 5),
        ("gear/b5.meta.json", None),
        ("activities/2026/notes.txt", None),
        ("SHA256SUMS", None),
    ],
)
def test_a_file_belongs_to_an_activity(path, activity_id):
    assert layout.activity_of(PurePosixPath(path)) == activity_id


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("activities", True),
        ("activities/2026", True),
        ("activities/0207", True),
        ("photos", True),
        ("gear", True),
        ("history", True),
        ("history/activities/2026", True),
        ("damaged/photos", True),
        ("activities/x", False),
        ("activities/2026/2026", False),
        ("activities/20261", False),
        ("activities/@eaDir", False),
        ("photos/2026", False),
        ("history/history", False),
        ("history/x", False),
        ("bulk_export/2026-11-20", False),
        (".stversions", False),
        (".", False),
    ],
)
def test_a_folder_is_the_archives_own_by_its_path(path, expected):
    assert layout.is_archive_folder(PurePosixPath(path)) is expected


def test_comments_are_next_to_their_metadata_and_no_original():
    metadata = PurePosixPath(f"activities/2026/{STEM}.meta.json")
    path = layout.comments_path(metadata)
    assert path == PurePosixPath(f"activities/2026/{STEM}.comments.json")
    name = layout.parse_name(path)
    assert name is not None
    assert layout.activity_of(path) == layout.activity_of(metadata)
    assert layout.has_record_suffix(name)
    assert not layout.has_usual_suffix(name)
