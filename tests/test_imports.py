"""Imports point one way, and each heavy library is used by one module."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

import strava_backup

PACKAGE = Path(strava_backup.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

# The folders and top-level modules that may be imported from each folder, besides itself.
_BASE = {"characters", "errors", "items", "report", "secret_text", "timestamps"}
ALLOWED = {
    "__init__.py": set(),
    "__main__.py": {"cli", "process"},
    "cli.py": {
        *("backup", "bulk_export", "config", "demo", "setup", "verify", "listing", "listing_text"),
        *("errors", "process", "progress", "progress_bar", "report", "streams"),
    },
    "process.py": {"errors"},
    "streams.py": {"characters"},
    "progress.py": set(),
    "progress_bar.py": {"progress"},
    "report.py": {"characters", "errors", "items"},
    "characters.py": set(),
    "secret_text.py": set(),
    "timestamps.py": set(),
    "errors.py": set(),
    "items.py": set(),
    "archive": _BASE - {"report"},
    "strava": _BASE - {"report"},
    "records": {"archive", "strava", *_BASE},
    "config": {"archive", "strava", *_BASE},
    "backup": {"archive", "config", "progress", "records", "strava", *_BASE},
    "bulk_export": {"archive", "progress", "records", "strava", *_BASE},
    "setup": {"archive", "config", "strava", *_BASE},
    "verify.py": {"archive", "progress", *_BASE},
    "listing.py": {"archive", "records", "strava", *_BASE},
    "listing_text.py": {"archive", "listing", *_BASE},
    "demo": {"backup", "config", "timestamps"},
}

# The only modules that may import these, anywhere in the file.
LIBRARY_USERS = {
    "stravalib": {"strava/api.py"},
    "bs4": {"strava/pages.py"},
    "filelock": {"archive/directory.py"},
    "appdirs": {"config/loader.py"},
    "tqdm": {"progress_bar.py"},
    "cryptography": {"setup/browsers/decryption.py"},
    "secretstorage": {"setup/browsers/keyrings.py"},
    "lz4": {"setup/browsers/session_store.py"},
}

# Modules that decide, or that are given the network and the archive.
WITHOUT_IO = [
    name
    for name in MODULES
    if name.startswith(("backup/", "records/"))
    or name
    in (
        "errors.py",
        "items.py",
        "report.py",
        "progress.py",
        "verify.py",
        "listing.py",
        "listing_text.py",
    )
    if name != "backup/run.py"
]


@functools.cache
def parsed(module: str) -> ast.Module:
    return ast.parse((PACKAGE / module).read_text(encoding="utf-8"))


@functools.cache
def imports(module: str) -> set[str]:
    """The dotted names that a module imports, anywhere in it, with `from a import b` as a.b."""
    names = set()
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def folder(module: str) -> str:
    return module.split("/")[0]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_folder_may(module: str) -> None:
    own = {name.split(".")[1] for name in imports(module) if name.startswith("strava_backup.")}
    allowed = ALLOWED[folder(module)] | {folder(module), "__version__"}
    assert own <= allowed


@pytest.mark.parametrize("module", MODULES)
def test_a_library_is_imported_by_one_module_only(module: str) -> None:
    libraries = {name.split(".")[0] for name in imports(module)}
    assert {
        name for name in libraries & LIBRARY_USERS.keys() if module not in LIBRARY_USERS[name]
    } == set()


@pytest.mark.parametrize("module", WITHOUT_IO)
def test_deciding_imports_neither_the_network_nor_the_system(module: str) -> None:
    libraries = {name.split(".")[0] for name in imports(module)}
    assert not libraries & {"requests", "stravalib", "os", "sys", "subprocess", "shutil"}


@pytest.mark.parametrize(
    "module", [name for name in MODULES if name not in ("__main__.py", "cli.py", "streams.py")]
)
def test_only_the_command_line_reads_the_environment_or_writes_to_the_terminal(
    module: str,
) -> None:
    used = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert not used & {"os.environ", "os.getenv", "sys.stderr", "sys.stdout", "sys.exit"}


def test_every_module_has_its_tests_and_its_line_in_contributing() -> None:
    contributing = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tested = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    for module in MODULES:
        if Path(module).name in ("__init__.py", "__main__.py") or module.startswith("demo/"):
            continue
        assert f"`{module}`" in contributing
        assert f"test_{module.replace('/', '_')}" in tested
