"""README agrees with the program."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from strava_backup import cli, errors
from strava_backup.config import loader
from tests.conftest import Rig

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def words(text: str) -> list[str]:
    """Return the words of a text, since versions of argparse break its lines differently."""
    return text.split()


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_readme_shows_the_help_unchanged(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = section("Options").split("```")[1]
    assert words(shown) == words(capsys.readouterr().out)


def test_readme_lists_every_config_key_and_no_other() -> None:
    rows = [line.split("|")[2] for line in section("Config").splitlines() if line.startswith("|")]
    listed = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert listed == {key for keys in loader._PLAIN_KEYS.values() for key in keys}


def test_readme_lists_every_exit_code_and_no_other() -> None:
    listed = {
        int(code) for code in re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)
    }
    assert listed == set(errors._WORST_FIRST)


def test_the_sample_config_has_every_key_and_is_refused_only_for_being_empty(
    tmp_path: Path,
) -> None:
    sample = loader.sample_path().read_text(encoding="utf-8")
    listed = set(re.findall(r"^#?(\w+) = ", sample, re.MULTILINE))
    keys = {key for keys in loader._PLAIN_KEYS.values() for key in keys}
    assert keys - listed == {"base_url"}
    copy = tmp_path / "strava-backup.conf"
    copy.write_text(sample)
    with pytest.raises(errors.ConfigError, match="is filled in: run strava-backup --login"):
        loader.load(copy, {})


def with_whole_texts(source: str) -> str:
    """Return source code with adjacent strings joined, and `…` in place of formatted values."""
    joined = re.sub(r'"\s*\n\s*f?"', "", source)
    return re.sub(r"\{[^{}\n]*\}", "…", joined)


def test_texts_of_source_code_are_joined_and_their_values_replaced() -> None:
    source = """error(
        f"the {noun} of {', '.join(names)} "
        "is there"
    )"""
    assert "the … of … is there" in with_whole_texts(source)


def test_the_explained_messages_are_those_of_the_program() -> None:
    rows = [row for row in section("If something goes wrong").splitlines() if row[:3] == "| `"]
    quoted = [row.split("`")[1] for row in rows]
    sources = [path.read_text("utf-8") for path in (ROOT / "strava_backup").rglob("*.py")]
    texts = with_whole_texts("\n".join(sources))
    assert len(quoted) == 10
    assert [message for message in quoted if message not in texts] == []


def test_the_first_run_in_readme_is_that_of_the_demo_account(
    make_rig: Callable[..., Rig],
) -> None:
    shown = words(README.split("```")[1])
    summary = words(make_rig().run().lines()[0].partition(" in ")[0])
    assert " ".join(summary) in " ".join(shown)


def test_the_links_to_files_are_valid() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "format.md"):
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
