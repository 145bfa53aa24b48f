"""Every command of docs/board.md is run, and does what stands there."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from typing import Final

import pytest
import requests

from boards import Board
from documents import Document
from documents import ROOT
from documents import Shell
from pytest_publish import cli
from support import eventually


PAGE: Final = Document("docs/board.md")


@pytest.fixture
def serve(pytester: pytest.Pytester) -> Iterator[Callable[[str], str]]:
    """Start a board by a command of the page; return its address."""
    shell = Shell(pytester)
    shutil.copytree(ROOT / "examples", shell.folder / "examples")
    environment = {"BROWSER": "true %s"}
    started: list[subprocess.Popen[str]] = []

    def serve(command: str) -> str:
        moved = "pytest-publish board --port 0 --store store "
        process = subprocess.Popen(
            ["bash", "-c", command.replace("pytest-publish board", moved)],
            cwd=shell.folder,
            env=shell.environment | environment,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process.stdout.readline().split()[1]

    yield serve
    for process in started:
        assert process.stdout is not None
        process.terminate()
        process.communicate(timeout=20)


def done(url: str) -> int:
    """Return how many tests a board has."""
    found = requests.get(f"{url}/api/runs", timeout=10).json()
    return sum(run["done"] for run in found)


def test_it_shows_a_run_that_it_starts(serve: Callable[[str], str]) -> None:
    url = serve(PAGE["the board and a run"])
    assert eventually(lambda: done(url) == 6, "six results")


def test_it_shows_a_run_that_publishes_to_it(
    serve: Callable[[str], str], pytester: pytest.Pytester
) -> None:
    url = serve(PAGE["the board alone"])
    Shell(pytester).run(PAGE["a run that publishes to it"].replace("http://localhost:7777", url), 1)
    assert done(url) == 6


def test_a_run_brings_the_token(serve: Callable[[str], str], pytester: pytest.Pytester) -> None:
    url = serve(PAGE["a board for other machines"])
    command = PAGE["a run on another machine"].replace("http://localhost:7777", url)
    Shell(pytester).run(command, 1)  # a test of the examples fails
    assert requests.get(f"{url}/api/runs", timeout=10).status_code == 401
    token = {"Authorization": "Bearer correct-horse"}
    assert requests.get(f"{url}/api/runs", headers=token, timeout=10).json()[0]["done"] == 6


def test_curl_publishes_and_asks(
    start_board: Callable[..., Board], pytester: pytest.Pytester
) -> None:
    board = start_board()
    shell = Shell(pytester)

    def run(command: str) -> str:
        return shell.run(command.replace("http://localhost:7777", board.url))

    assert run(PAGE["publish to it"]) == ""
    (newest,) = json.loads(run(PAGE["the newest runs"]))
    one = json.loads(run(PAGE["one run"]))
    assert one == {**newest, "running": []}
    assert (one["run_id"], one["outcomes"]) == ("nightly-7", {"passed": 1})
    results = json.loads(run(PAGE["its results"]))
    assert dict(zip(results["columns"], *results["rows"], strict=True))["key"] == "s1-0"
    assert json.loads(run(PAGE["one result"]))["nodeid"] == "test_shop.py::test_sell"
    assert "event: rows\n" in run(PAGE["what changes"])
    changes = json.loads(run(PAGE["what is new in a run"]))
    assert changes == {"failures": {}, "mended": [], "before": None, "causes": []}
    test = json.loads(run(PAGE["one test"]))
    assert (test["median"], test["results"][0]["key"]) == (0.5, "s1-0")
    assert json.loads(run(PAGE["flaky tests"])) == {"tests": []}
    slow = json.loads(run(PAGE["slow tests"]))
    assert [one["nodeid"] for one in slow["slowest"]] == ["test_shop.py::test_sell"]
    assert json.loads(run(PAGE["causes"])) == {"causes": []}
    two = json.loads(run(PAGE["two runs"]))
    assert (two["a"], two["counts"]["broken"]) == (two["b"], 0)
    (project,) = json.loads(run(PAGE["projects"]))
    assert (project["project"], project["last"]["run_id"]) == ("shop", "nightly-7")


def test_the_table_has_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        cli.main(["board", "--help"])
    told = capsys.readouterr().out
    section = PAGE.section("Start it")
    for option in ("--port", "--host", "--store", "--keep", "--open"):
        assert f"| `{option}" in section
        assert f"  {option}" in told
