"""Docstrings and comments of the package use few words that make sentences vague."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "strava_backup"

# The most occurrences per 1,000 words.
LIMITS = {"what": 3.0, "where": 3.0, "who": 1.0, "tell|tells": 1.0, "such": 1.0}

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def prose(source: str) -> Iterator[str]:
    """The docstrings of a module, and then its comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def count_words(folder: Path) -> Counter[str]:
    """The words in the docstrings and comments of a folder, in lower case."""
    words: Counter[str] = Counter()
    for path in folder.rglob("*.py"):
        for text in prose(path.read_text(encoding="utf-8")):
            words.update(re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower()))
    return words


def per_thousand(words: Counter[str], alternatives: str) -> float:
    return 1000 * sum(words[word] for word in alternatives.split("|")) / words.total()


def test_docstrings_and_comments_are_counted_and_code_is_not(tmp_path: Path) -> None:
    lines = ['"""What a module."""', 'def who(such="tell"):', "    # Where?", '    """It tells."""']
    (tmp_path / "module.py").write_text("\n".join(lines))
    counted = count_words(tmp_path)
    assert counted == Counter(["what", "a", "module", "where", "it", "tells"])
    assert per_thousand(counted, "tell|tells") == pytest.approx(1000 / 6)


def test_the_prose_of_the_package_has_few_vague_words() -> None:
    words = count_words(PACKAGE)
    assert words.total() > 10_000
    rates = {alternatives: per_thousand(words, alternatives) for alternatives in LIMITS}
    assert {one: rate for one, rate in rates.items() if rate > LIMITS[one]} == {}
