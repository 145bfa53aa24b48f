"""Every command and snippet of the README is run, and shows what the README shows."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any
from typing import Final

import pytest

from documents import Document
from documents import lines
from documents import not_run
from documents import REPOSITORY
from documents import ROOT
from documents import Shell
from documents import URL
from support import Endpoint
from support import tree_results


README: Final = Document("README.md")
JSON: Final = Document("docs/json.md")
#: Of a result, what is another one in each run.
_CHANGING: Final = ("start_time", "stop_time", "duration", "run_id", "session_id", "seq", "host")


@pytest.fixture
def example(shell: Shell) -> Shell:
    """A shell where the README's examples are."""
    shutil.copytree(ROOT / "examples", shell.folder / "examples")
    return shell


def test_each_block_is_run() -> None:
    assert README.unnamed == []
    assert not_run(README) == []


def test_each_link_leads_somewhere() -> None:
    assert README.broken_links() == []


def test_each_link_works_on_a_package_index() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README.text)
    assert [link for link in links if not link.startswith("https://")] == []
    assert sum(link.startswith(REPOSITORY) for link in links) >= 10


def test_it_is_short() -> None:
    assert len(README.text.split()) < 1000


def test_the_example_shows_its_tree_and_its_json(example: Shell) -> None:
    # What comes before makes the environment, which .ci/run does as it is written.
    command = README["the command for the example"].rpartition(".venv/bin/")[2]
    shown = example.run(command)
    assert without_numbers(shown).endswith(without_numbers(README["its output"]))
    folder = example.folder / "results/database/test_sell[pears]/0.fail"
    body = (folder / "result.json").read_bytes()
    assert body.endswith(b"}\n")
    result = constant(json.loads(body))
    assert constant(json.loads(JSON["a whole result"])) == result
    some = constant(json.loads(README["its JSON"]))
    assert some.pop("excinfo").items() <= result["excinfo"].items()
    assert some.items() <= result.items()


def without_numbers(text: str) -> str:
    """Return a text that is the same whenever it was written."""
    return re.sub(r"[0-9]+", "0", text)


def constant(value: Any) -> Any:
    """Return a part of a result with what differs from run to run made the same."""
    if isinstance(value, list):
        return [constant(element) for element in value]
    if isinstance(value, dict):
        return {
            name: name if name in _CHANGING else constant(element)
            for name, element in value.items()
        }
    return (
        re.sub(r"[^ \"]*/(examples|results)/", r"\1/", value) if isinstance(value, str) else value
    )


def test_the_main_uses_publish_each_test(suite: Shell, endpoint: Endpoint) -> None:
    for command in lines(README["the main uses"]):
        before = len(endpoint.posts), len(tree_results(suite.folder / "results"))
        suite.run(command.replace(URL, endpoint.url))
        assert len(endpoint.posts) - before[0] == (3 if "--publish" in command else 0)
        written = len(tree_results(suite.folder / "results")) - before[1]
        assert written == (3 if "--pubdir" in command else 0)


def test_settings_in_an_ini_file_are_enough(suite: Shell, endpoint: Endpoint) -> None:
    ini = README["pytest.ini"].replace(URL, endpoint.url)
    (suite.folder / "pytest.ini").write_text(ini, "utf-8")
    suite.run(README["off for one run"])
    assert not (suite.folder / "results").exists()
    suite.run("pytest")
    assert len(endpoint.results) == 3
    assert sorted(path.name for path in (suite.folder / "results").glob("test_*")) == [
        "test_a",
        "test_b",
        "test_private",
    ]
    assert tree_results(suite.folder / "results") == []  # all have passed


def test_the_command_that_sends_is_in_docs_too() -> None:
    assert README["pytest-publish send"] in Document("docs/delivery.md")["pytest-publish send"]


def test_the_board_starts_as_in_its_docs() -> None:
    command = README["the board and a run"].rpartition(".venv/bin/")[2]
    assert command.replace("--open ", "") in Document("docs/board.md")["the board and a run"]


def test_each_switch_is_in_the_list_of_all() -> None:
    shown = set(re.findall(r"--pub[\w-]+", README.text))
    assert shown <= set(re.findall(r"--pub[\w-]+", Document("docs/switches.md").text))


def test_the_commands_are_those_that_ci_runs() -> None:
    ci = (ROOT / ".ci/run").read_text("utf-8")
    for name in ("the command for the example", "the command for the tests"):
        assert f"command_of_readme '{name}'" in ci
    assert README["the command for the tests"].startswith("python3 -m venv .venv && ")
