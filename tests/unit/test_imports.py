from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import pytest_publish


PACKAGE: Final = Path(pytest_publish.__file__).parent
SOURCES: Final = {path.stem: path for path in PACKAGE.glob("*.py")}

#: Which modules of the package a module may know.
MAY_IMPORT: Final[dict[str, set[str]]] = {
    "__init__": set(),
    "__main__": {"orders", "outbox", "relay"},
    "aggregate": {"reports", "result"},
    "arguments": set(),
    "brief": {"realos", "result"},
    "controller": {
        "aggregate",
        "arguments",
        "forward",
        "guard",
        "outbox",
        "plugin",
        "publisher",
        "realos",
        "repair",
        "reports",
        "result",
        "settings",
        "summary",
    },
    "delivery": {"orders", "outbox", "realos"},
    "directory": {"brief", "layout", "realos", "result"},
    "forward": {"guard", "reports", "result"},
    "guard": set(),
    "hookspec": {"result"},
    "layout": set(),
    "orders": set(),
    "outbox": {"realos"},
    "plugin": {"controller", "forward", "hookspec", "settings"},
    "publisher": {"delivery", "directory", "realos", "result", "settings", "summary"},
    "realos": set(),
    "relay": {"orders", "outbox", "transport"},
    "repair": {"guard", "reports", "result"},
    "reports": {"guard", "result"},
    "result": {"guard"},
    "settings": {"arguments", "directory", "layout", "orders"},
    "summary": {"delivery", "orders", "settings"},
    "transport": {"orders"},
}
#: Which modules may know a package of others.
MAY_BE_IMPORTED_BY: Final[dict[str, set[str]]] = {
    "_pytest": {"forward"},
    "fasteners": {"directory", "outbox"},
    "orjson": {"__main__", "outbox", "result"},
    "pluggy": {"forward"},
    "pytest": {"arguments", "controller", "forward", "hookspec", "plugin", "settings"},
    "requests": {"transport"},
    "urllib3": {"transport"},
}
FREE_OF_PYTEST: Final = {
    "aggregate",
    "brief",
    "directory",
    "guard",
    "layout",
    "orders",
    "outbox",
    "realos",
    "relay",
    "repair",
    "reports",
    "result",
    "transport",
}
FREE_OF_TESTS: Final = {"orders", "outbox", "realos", "relay", "transport"}
ABOUT_TESTS: Final = {
    *("aggregate", "brief", "directory", "forward", "layout", "repair", "reports", "result"),
}


def imported_by(module: str) -> Iterator[str]:
    """Yield the dotted names of all modules that a module imports, wherever it does."""
    tree = ast.parse(SOURCES[module].read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1, "the package is flat"
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (f"pytest_publish.{name}" for name in names)


def own(names: Iterator[str]) -> set[str]:
    """Return which modules of the package are among names."""
    parts = [name.split(".") for name in names]
    return {name[1] for name in parts if name[0] == "pytest_publish"}


def others(names: Iterator[str]) -> set[str]:
    """Return which packages of others are among names."""
    packages = {name.split(".")[0] for name in names}
    return packages - {"pytest_publish"} - set(sys.stdlib_module_names)


def reached_from(module: str) -> set[str]:
    """Return all modules that a module knows, directly or by way of others."""
    reached: set[str] = set()
    waiting = {module}
    while waiting:
        found = own(imported_by(waiting.pop()))
        waiting |= found - reached
        reached |= found
    return reached


def loaded_by(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after running code."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.split())


def test_the_table_has_every_module() -> None:
    assert SOURCES.keys() == MAY_IMPORT.keys()


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_a_module_knows_only_those_it_may_know(module: str) -> None:
    assert own(imported_by(module)) <= MAY_IMPORT[module]


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_a_module_depends_only_on_packages_that_are_its_business(module: str) -> None:
    allowed = {package for package, modules in MAY_BE_IMPORTED_BY.items() if module in modules}
    assert others(imported_by(module)) <= allowed


@pytest.mark.parametrize("module", sorted(FREE_OF_PYTEST))
def test_what_needs_no_pytest_reaches_none_by_any_way(module: str) -> None:
    for known in {module} | reached_from(module):
        assert not others(imported_by(known)) & {"pytest", "_pytest", "pluggy", "xdist"}


@pytest.mark.parametrize("module", sorted(FREE_OF_TESTS))
def test_what_delivers_reaches_nothing_that_knows_of_tests(module: str) -> None:
    assert not reached_from(module) & ABOUT_TESTS


def test_nothing_imports_itself_by_way_of_others() -> None:
    # But for the door, which opens to the controller only when it is needed.
    circles = {module for module in SOURCES if module in reached_from(module)}
    assert circles <= {"controller", "plugin"}


def test_a_run_that_publishes_nothing_loads_only_the_door() -> None:
    loaded = loaded_by("import pytest_publish.plugin")
    assert {name for name in loaded if name.startswith("pytest_publish.")} == {
        "pytest_publish.plugin"
    }
    assert not loaded & {"requests", "urllib3", "orjson", "fasteners", "execnet", "xdist"}


def test_declaring_the_hooks_loads_nothing_but_them() -> None:
    loaded = loaded_by(
        "import pytest, pytest_publish.plugin as plugin\n"
        "plugin.pytest_addhooks(pytest.PytestPluginManager())"
    )
    assert {name for name in loaded if name.startswith("pytest_publish.")} == {
        "pytest_publish.hookspec",
        "pytest_publish.plugin",
    }
    assert not loaded & {"requests", "urllib3", "orjson", "fasteners", "execnet", "xdist"}


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("controller", {"requests", "urllib3", "pytest_publish.transport", "pytest_publish.relay"}),
        ("forward", {"requests", "urllib3", "fasteners", "pytest_publish.settings"}),
        ("relay", {"pytest", "_pytest", "pluggy", "execnet", "xdist", "pytest_publish.result"}),
    ],
)
def test_a_process_loads_only_what_it_needs(module: str, unneeded: set[str]) -> None:
    loaded = loaded_by(f"import pytest_publish.{module}")
    assert f"pytest_publish.{module}" in loaded
    assert not loaded & unneeded
