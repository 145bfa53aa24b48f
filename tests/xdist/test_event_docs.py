"""docs/events.md and the recipe of the log show what is so."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from typing import Any
from typing import Final

import pytest
import yaml

from daemons import free_port
from documents import Document
from documents import lines
from documents import ROOT
from documents import Shell
from pytest_publish.results.result import schema
from streams import checked
from streams import logged
from support import eventually
from support import RunPytest


pytestmark = pytest.mark.skipif(os.name != "posix", reason="they are commands for a POSIX shell")

EVENTS: Final = Document("docs/events.md")
RECIPES: Final = Document("docs/recipes.md")
#: What differs from run to run; under xdist also who runs what, and so the order.
_CHANGING: Final = {
    *("time", "start_time", "duration", "run_id", "session_id", "seq"),
    *("host", "platform", "versions", "rootdir", "xdist_worker"),
}


@pytest.fixture
def example(shell: Shell) -> Shell:
    """A shell where the examples are."""
    shutil.copytree(ROOT / "examples", shell.folder / "examples")
    return shell


def test_a_run_publishes_the_stream_that_is_shown(example: Shell) -> None:
    # Loaded by another way than arguments, which are those shown.
    example.environment["PYTEST_PLUGINS"] = "xdist.plugin,pytest_publish.plugin"
    example.run(EVENTS["publish events"], PYTEST_ADDOPTS="")
    stream = checked(logged(example.folder / "run.jsonl"))
    shown = _objects(EVENTS["a stream"])
    assert [told["seq"] for told in shown] == list(range(len(stream)))
    assert len({(told["run_id"], told["session_id"]) for told in shown}) == 1
    # Of two workers, either may be the quicker one.
    by_test = {(told["type"], told.get("nodeid")): told for told in stream}
    for told in shown:
        whole = by_test[told["type"], told.get("nodeid")]
        if told["type"] == "result":  # only some of its fields
            whole = {name: whole[name] for name in told}
        assert list(told) == list(whole)
        assert _constant(told) == _constant(whole)


def _objects(text: str) -> list[dict[str, Any]]:
    """Return JSON objects that follow on one another."""
    decoder, found = json.JSONDecoder(), []
    while text:
        told, end = decoder.raw_decode(text)
        found.append(told)
        text = text[end:].lstrip()
    return found


def _constant(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in _CHANGING}


def test_the_table_has_each_field_of_each_event() -> None:
    found: dict[str, list[str]] = {}
    kind = ""
    section = EVENTS.section("The fields")
    for first, names in re.findall(r"^\| ([^|]*) ?\| (`[^|]+`) \|", section, re.MULTILINE):
        kind = first.strip(" `") or kind
        found.setdefault(kind, []).extend(re.findall(r"`(\w+)`", names))
    common = found.pop("all events")
    for name, fields in found.items():
        assert {*common, *fields} == set(schema()["$defs"][name]["properties"]), name
    assert found.keys() == schema()["$defs"].keys() & {
        *("session_start", "collected", "test_start", "session_finish")
    }


@pytest.mark.in_process
def test_watch_shows_progress_and_what_runs(
    pytester: pytest.Pytester, run_pytest: RunPytest
) -> None:
    port = str(free_port())
    source = (ROOT / "examples/watch.py").read_text("utf-8").replace("8080", port)
    watch = pytester.makepyfile(watch=source)
    command = next(line for line in lines(EVENTS["watch"]) if line.startswith("pytest "))
    switches = command.replace("8080", port).split()[2:]
    # Each test waits until it can be seen, so that both are seen running.
    pytester.makepyfile(
        """
        import pathlib, time
        import pytest

        def seen(text):
            deadline = time.monotonic() + 30
            while text not in pathlib.Path("shown").read_text():
                assert time.monotonic() < deadline
                time.sleep(0.01)

        def test_passes(): seen("test_passes")

        @pytest.mark.parametrize("fruit", ["pears"])
        def test_fails(fruit):
            seen("test_fails[pears]")
            assert 0
        """,
        test_broken="import nothing_of_that_name",
    )
    with (pytester.path / "shown").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(watch)],
            stdout=output,
            env=os.environ | {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "120"},
        )
    try:
        eventually((pytester.path / "shown").read_bytes, "it to be there")
        run_pytest(*switches, "--continue-on-collection-errors")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", (pytester.path / "shown").read_text("utf-8"))
    for pattern in (
        r"gw\d: test_watch\w+.py::test_passes +━",
        r"gw\d: test_watch\w+.py::test_fails\[pears\] +━",
        r"^error: test_broken.py$",
        r"^failed: test_watch\w+.py::test_fails\[pears\]$",
        r"^finished, exit status 1$",
    ):
        assert re.search(pattern, shown.replace("\r", "\n"), re.MULTILINE), (pattern, shown)
    assert re.search(r"tests ━+ 100%", shown.rstrip().splitlines()[-1])


@pytest.mark.in_process
@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq: apt-get install jq")
def test_a_log_is_followed_while_tests_run(
    pytester: pytest.Pytester, run_pytest: RunPytest
) -> None:
    pytester.makepyfile("def test_it(): assert 0")
    (pytester.path / "run.jsonl").write_text('{"type": "result", "result": "fail", "outc\n')
    shown = pytester.path / "shown"
    with shown.open("wb") as output:
        followers = [
            subprocess.Popen(["bash", "-c", command], stdout=output, start_new_session=True)
            for command in (RECIPES["tail"], RECIPES["tail what runs"])
        ]
    try:
        for mode in (["-n1"], []):
            run_pytest(*mode, "--publish-log=run.jsonl", "--publish-events")
        nodeid = "test_a_log_is_followed_while_tests_run.py::test_it"
        expected = [f"{what} {nodeid}" for what in ("failed", "failed", "gw0", "null")]
        eventually(lambda: sorted(shown.read_text().splitlines()) == expected, str(expected))
    finally:
        for follower in followers:
            os.killpg(follower.pid, signal.SIGTERM)
            follower.wait()


def test_filebeat_and_vector_read_a_line_as_an_object() -> None:
    # They themselves are not run.
    (filebeat,) = yaml.safe_load(RECIPES["filebeat.yml"])["filebeat.inputs"]
    vector = yaml.safe_load(RECIPES["vector.yaml"])
    assert filebeat["type"] == "filestream"
    assert filebeat["parsers"] == [{"ndjson": {"target": "test", "add_error_key": True}}]
    assert vector["sources"]["log"]["include"] == filebeat["paths"]
    assert vector["transforms"]["results"]["inputs"] == list(vector["sources"])
    assert vector["transforms"]["results"]["source"] == ". = parse_json!(.message)"
