"""The arrows between modules point one way, and heavy libraries stay behind one module each."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import strava_backup

PACKAGE = Path(strava_backup.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

# What the modules of a room may import of the package. A room may always import itself.
ALLOWED = {
    "__init__.py": set(),
    "__main__.py": {"cli"},
    "cli.py": {
        "bulk_export",
        "config",
        "demo",
        "errors",
        "progress",
        "report",
        "run",
        "setup",
        "verify",
    },
    "run.py": {
        "archive",
        "backup",
        "beside",
        "config",
        "decide",
        "errors",
        "progress",
        "report",
        "strava",
    },
    "backup.py": {
        "activities",
        "archive",
        "census",
        "decide",
        "errors",
        "gear",
        "gone",
        "keeper",
        "lanes",
        "merge",
        "photos",
        "progress",
        "report",
        "strava",
    },
    "activities.py": {
        "archive",
        "decide",
        "errors",
        "keeper",
        "lanes",
        "merge",
        "photos",
        "report",
        "strava",
    },
    "photos.py": {"archive", "decide", "errors", "keeper", "lanes", "merge", "strava"},
    "gear.py": {"archive", "decide", "errors", "keeper", "lanes", "merge", "report", "strava"},
    "gone.py": {
        "archive",
        "census",
        "decide",
        "errors",
        "keeper",
        "lanes",
        "merge",
        "report",
        "strava",
    },
    "census.py": {"archive", "decide", "report", "strava"},
    "keeper.py": {"archive", "decide", "errors", "lanes", "merge", "report", "strava"},
    "verify.py": {"archive", "errors", "report"},
    "lanes.py": {"beside", "errors", "report"},
    "beside.py": set(),
    "decide.py": {"archive", "errors", "strava"},
    "merge.py": {"archive", "decide", "strava"},
    "report.py": {"errors"},
    "progress.py": set(),
    "config.py": {"config_file", "config_values", "errors"},
    "config_file.py": {"archive"},
    "config_values.py": set(),
    "errors.py": set(),
    "archive": {"errors"},
    "setup": {
        "archive",
        "config",
        "config_values",
        "errors",
        "report",
        "strava",
    },
    "strava": {"beside", "errors"},
    "bulk_export": {"archive", "errors", "keeper", "merge", "report", "strava"},
    "demo": {"config", "run"},
}

# The only modules that may import these, wherever in the file.
KEEPERS = {
    "stravalib": {"strava/api.py"},
    "bs4": set(),
    "configupdater": {"config_file.py"},
    "filelock": {"archive/directory.py"},
    "appdirs": {"config.py"},
    "tqdm": {"progress.py"},
}


def imports(module: str) -> set[str]:
    """The dotted names that a module imports, anywhere in it, with `from a import b` as a.b."""
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(module: str) -> str:
    return module.split("/")[0]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    ours = {name.split(".")[1] for name in imports(module) if name.startswith("strava_backup.")}
    allowed = ALLOWED[room(module)] | {room(module), "__version__"}
    assert ours <= allowed


@pytest.mark.parametrize("module", MODULES)
def test_a_library_is_imported_by_its_keeper_only(module: str) -> None:
    libraries = {name.split(".")[0] for name in imports(module)}
    assert {name for name in libraries & KEEPERS.keys() if module not in KEEPERS[name]} == set()


@pytest.mark.parametrize(
    "module",
    [
        name
        for name in MODULES
        if "/" not in name
        and name not in ("__main__.py", "cli.py", "config.py", "config_file.py", "run.py")
    ],
)
def test_deciding_imports_neither_the_network_nor_the_system(module: str) -> None:
    libraries = {name.split(".")[0] for name in imports(module)}
    assert not libraries & {"requests", "stravalib", "os", "sys", "subprocess", "shutil"}


@pytest.mark.parametrize("module", [name for name in MODULES if name != "cli.py"])
def test_only_the_command_line_reads_the_environment_or_writes_to_the_terminal(
    module: str,
) -> None:
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    used = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
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
