from __future__ import annotations

import ast
import functools
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import pytest_publish


ROOT: Final = Path(pytest_publish.__file__).parent
CONTRIBUTING: Final = Path(__file__).parents[2] / "CONTRIBUTING.md"
#: Which parts of the package a part may import, besides itself.
MAY_IMPORT: Final[dict[str, set[str]]] = {
    "plugin": {"results", "tree", "delivery", "_os"},
    "tree": {"results", "_os"},
    "delivery": {"_os"},
    "results": set(),
    "_os": set(),
    "board": set(),
    "cli": {"board", "delivery", "_os"},
    "__main__": {"cli"},
    "__init__": {"results", "plugin"},
}
#: Packages of others that only some may import: a part, or one module of it.
MAY_BE_IMPORTED_BY: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("pytest", "_pytest", "pluggy", "xdist"), ("plugin",)),
    **dict.fromkeys(("requests", "urllib3"), ("delivery.http",)),
    **dict.fromkeys(("h11", "platformdirs", "starlette", "uvicorn"), ("board",)),
    "fasteners": ("board.store",),
    "orjson": ("board", "cli", "delivery", "results.encoding"),
}
HEAVY: Final = {"requests", "urllib3", "orjson", "fasteners", "execnet", "xdist"}


def name_of(path: Path) -> str:
    """Return a module's name below the package; a folder's own module has the folder's."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES: Final = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


@functools.cache
def imports_of(module: str) -> list[str]:
    """Return the full names of what a module imports, wherever in it that is."""
    path = MODULES[module]
    return list(imported_in(path, ("pytest_publish", *path.relative_to(ROOT).parts[:-1])))


def imported_in(path: Path, folder: tuple[str, ...]) -> Iterator[str]:
    """Yield the full names of what a file imports, which is in a folder of the package."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level < 2, "from another folder, by the full name"
            above = ".".join(folder) + "." if node.level else ""
            base = f"{above}{node.module or ''}".rstrip(".")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def own_imports_of(module: str) -> Iterator[str]:
    """Yield the modules of the package that a module imports."""
    for name in imports_of(module):
        if name.startswith("pytest_publish."):
            inner = name.removeprefix("pytest_publish.")
            yield inner if inner in MODULES else inner.rpartition(".")[0]


def part(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def is_within(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def loaded_by(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after running code."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.split())


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_in_the_allowed_directions(module: str) -> None:
    imported = set(map(part, own_imports_of(module)))
    assert imported - {part(module)} <= MAY_IMPORT[part(module)]


@pytest.mark.parametrize("module", MODULES)
def test_a_package_of_others_is_imported_where_it_belongs(module: str) -> None:
    imported = {name.split(".")[0] for name in imports_of(module)}
    misplaced = {
        name
        for name in imported & MAY_BE_IMPORTED_BY.keys()
        if not is_within(module, MAY_BE_IMPORTED_BY[name])
    }
    assert not misplaced


def test_no_module_imports_itself_through_others() -> None:
    graph = {module: set(own_imports_of(module)) for module in MODULES}
    graphlib.TopologicalSorter(graph).prepare()


def test_a_run_without_a_switch_loads_the_options_and_the_hooks_only() -> None:
    before = loaded_by("import pytest, unittest.mock; pytest.PytestPluginManager()")
    loaded = loaded_by(
        "import pytest, unittest.mock, pytest_publish.plugin as plugin\n"
        "plugin.pytest_addoption(unittest.mock.Mock())\n"
        "plugin.pytest_addhooks(pytest.PytestPluginManager())"
    )
    ours = "pytest_publish.plugin"
    # Nothing of Python's own either, which pytest would not have loaded.
    assert loaded - before == {"pytest_publish", ours, f"{ours}.options", f"{ours}.hookspec"}


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("plugin.controller", {"requests", "urllib3", "pytest_publish.delivery.outbox"}),
        ("plugin.controller", {"pytest_publish.tree.writer", "pytest_publish.plugin.events"}),
        ("delivery.process", {"requests", "urllib3", "pytest_publish.delivery.relay"}),
        ("plugin.worker", {"requests", "orjson", "fasteners", "pytest_publish.plugin.settings"}),
        ("delivery.relay", {"pytest", "_pytest", "pluggy", "execnet", "xdist"}),
    ],
)
def test_a_process_loads_only_what_it_needs(module: str, unneeded: set[str]) -> None:
    loaded = loaded_by(f"import pytest_publish.{module}")
    assert f"pytest_publish.{module}" in loaded
    assert not loaded & unneeded


def test_contributing_says_where_each_module_belongs() -> None:
    text = CONTRIBUTING.read_text("utf-8")
    modules = [module.rpartition(".") for module in MODULES]
    assert [
        f"{folder}.{name}"
        for folder, _dot, name in modules
        if folder and f"`{name}`" not in text and f"{folder}/{name}.py" not in text
    ] == []


def test_contributing_names_only_files_that_there_are() -> None:
    text = CONTRIBUTING.read_text("utf-8")
    rows = re.findall(r"^\| `(\w+/)`: (.+?) \|", text, re.MULTILINE)
    listed = {room + name for room, names in rows for name in re.findall(r"`(.+?)`", names)}
    paths = {path for path in re.findall(r"`([\w.][\w./-]*)`", text) if "/" in path} | listed
    folders = CONTRIBUTING.parent, ROOT, ROOT / "board" / "static"
    assert [
        path for path in sorted(paths) if not any(there_is(folder / path) for folder in folders)
    ] == []


def there_is(path: Path) -> bool:
    return path.exists() or path.with_name(f"{path.name}.py").exists()


def test_the_how_tos_name_only_what_the_code_has() -> None:
    text = CONTRIBUTING.read_text("utf-8").partition("\n## How to\n")[2].partition("\n## ")[0]
    named = {
        word  # of names such as `Publisher.start` and `mask()`
        for name in re.findall(r"`([\w.]+)(?:\(\))?`", text)
        for word in name.split(".")
    }
    files = [
        path
        for folder in ("src", "tests", "fuzz")
        for path in (CONTRIBUTING.parent / folder).rglob("*")
        if path.suffix in (".py", ".json") and path != Path(__file__)
    ]
    words = {word for path in files for word in re.findall(r"\w+", path.read_text("utf-8"))}
    assert named - words == set()


def test_the_public_names_load_nothing_of_pytest() -> None:
    loaded = loaded_by(
        "import pytest_publish\n"
        "assert set(pytest_publish.__all__) == {\n"
        "    'GroupsIgnoredWarning', 'TestResult', '__version__', 'schema'}\n"
        "assert pytest_publish.schema()['title'] and pytest_publish.__version__\n"
        "assert pytest_publish.TestResult.__name__ == 'TestResult'"
    )
    assert not loaded & {"pytest", "_pytest", *HEAVY}
