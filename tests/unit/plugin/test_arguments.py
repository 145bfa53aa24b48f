from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from pytest_publish.plugin.arguments import join_paths
from pytest_publish.plugin.arguments import missed_ini_file


def called(folder: Path, *words: str, inipath: Path | None = None) -> pytest.Config:
    """Return what is read of the configuration of a pytest that was called in a folder."""
    params = pytest.Config.InvocationParams(args=words, plugins=None, dir=folder)
    return cast("pytest.Config", SimpleNamespace(invocation_params=params, inipath=inipath))


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        (["--pubdir", "tree", "tests"], ["--pubdir=tree", "tests"]),
        (["-q", "--publish-outbox", "out"], ["-q", "--publish-outbox=out"]),
        (["--publish-log", "log", "-q"], ["--publish-log=log", "-q"]),
        (["--pubdir=tree", "--publish", "http://h"], ["--pubdir=tree", "--publish", "http://h"]),
        (["tests", "--pubdir"], ["tests", "--pubdir"]),
        ([], []),
    ],
)
def test_workers_get_each_path_joined_to_its_option(given: list[str], joined: list[str]) -> None:
    # Else they would take it, now that it exists, for a place of tests.
    assert join_paths(given) == joined


def test_arguments_that_are_paths_are_joined_too() -> None:
    assert join_paths(["--pubdir", Path("tree"), Path("tests")]) == ["--pubdir=tree", "tests"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pytest.ini", ""),
        ("pyproject.toml", "[tool.pytest.ini_options]\n"),
        ("setup.cfg", "[tool:pytest]\n"),
        ("tox.ini", "[pytest]\n"),
    ],
)
def test_a_run_whose_ini_file_was_missed_because_of_a_path_is_warned(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    (tmp_path / "tree").mkdir()
    warning = missed_ini_file(called(tmp_path, "--pubdir", "tree"))
    assert warning is not None
    assert name in warning
    assert warning.endswith("write --pubdir=tree")


@pytest.mark.parametrize("case", ["joined", "new", "found", "no ini file"])
def test_a_run_that_has_found_its_ini_file_is_not_warned(tmp_path: Path, case: str) -> None:
    if case != "new":
        (tmp_path / "tree").mkdir()
    if case != "no ini file":
        (tmp_path / "pytest.ini").touch()
    words = ["--pubdir=tree"] if case == "joined" else ["--pubdir", "tree"]
    inipath = tmp_path / "pytest.ini" if case == "found" else None
    assert missed_ini_file(called(tmp_path, *words, inipath=inipath)) is None
