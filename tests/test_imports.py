"""Imports point one way, and each heavy library is used by one module."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

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
def nodes(module: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))))


@functools.cache
def imports(module: str) -> set[str]:
    """The dotted names that a module imports, anywhere in it, with `from a import b` as a.b."""
    names = set()
    for node in nodes(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def libraries(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports(module)}


def with_names(wrong: dict[str, set[str]]) -> dict[str, set[str]]:
    return {module: names for module, names in wrong.items() if names}


def folder(module: str) -> str:
    return module.split("/")[0]


# One test for all modules: with one for each, every process of pytest-xdist would parse them all.
def test_a_module_imports_only_what_its_folder_may() -> None:
    wrong = {}
    for module in MODULES:
        own = {name.split(".")[1] for name in imports(module) if name.startswith("strava_backup.")}
        wrong[module] = own - ALLOWED[folder(module)] - {folder(module), "__version__"}
    assert with_names(wrong) == {}


def test_a_library_is_imported_by_one_module_only() -> None:
    wrong = {
        module: {
            name
            for name in libraries(module) & LIBRARY_USERS.keys()
            if module not in LIBRARY_USERS[name]
        }
        for module in MODULES
    }
    assert with_names(wrong) == {}


def test_deciding_imports_neither_the_network_nor_the_system() -> None:
    refused = {"requests", "stravalib", "os", "sys", "subprocess", "shutil"}
    wrong = {module: libraries(module) & refused for module in WITHOUT_IO}
    assert with_names(wrong) == {}


def test_only_the_command_line_reads_the_environment_or_writes_to_the_terminal() -> None:
    refused = {"os.environ", "os.getenv", "sys.stderr", "sys.stdout", "sys.exit"}
    wrong = {
        module: {
            f"{node.value.id}.{node.attr}"
            for node in nodes(module)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
        & refused
        for module in MODULES
        if module not in ("__main__.py", "cli.py", "streams.py")
    }
    assert with_names(wrong) == {}


def test_every_module_has_its_tests_and_its_line_in_contributing() -> None:
    contributing = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tested = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    for module in MODULES:
        if Path(module).name in ("__init__.py", "__main__.py") or module.startswith("demo/"):
            continue
        assert f"`{module}`" in contributing
        assert f"test_{module.replace('/', '_')}" in tested
