"""Every command and snippet of the README is run, and the documents say what is so."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import yaml

from pytest_publish.result import schema
from support import by_name
from support import Endpoint
from support import OF_THIS_SESSION
from support import OWN_PLUGINS
from support import Result
from support import RunPytest
from support import tree_results


pytestmark = pytest.mark.skipif(os.name != "posix", reason="they are commands for a POSIX shell")

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text("utf-8")

_BLOCK: Final = re.compile(
    r"(?:<!-- (?P<label>[^\n]+) -->\n)?^```\w*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
BLOCKS: Final = {found["label"]: found["text"] for found in _BLOCK.finditer(README)}
#: Where the README has an endpoint.
URL: Final = "http://localhost:8080/results"
#: Of a result, what is another one in each run.
_CHANGING: Final = ("start_time", "stop_time", "duration", "run_id", "session_id", "seq")
_SUITE: Final = """
    import pytest

    @pytest.mark.xdist_group("database")
    def test_a():
        print("the token is s3cr3t")

    def test_b(): pass

    def test_private(): pass
    """


class Shell:
    """A shell in a folder, in which ``pytest`` is this environment's."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.folder = pytester.path
        self.environment = {
            name: value for name, value in os.environ.items() if name not in OF_THIS_SESSION
        }
        self.environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        self.environment["PYTEST_ADDOPTS"] = " ".join(OWN_PLUGINS)
        self.environment["PYTEST_XDIST_AUTO_NUM_WORKERS"] = "2"

    def run(self, command: str, code: int = 0, **variables: str) -> str:
        """Run a command line; return its output. It has to exit with ``code``."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment | variables,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def shell(pytester: pytest.Pytester) -> Shell:
    return Shell(pytester)


@pytest.fixture
def example(shell: Shell) -> Shell:
    """A shell where the README's examples are."""
    shutil.copytree(ROOT / "examples", shell.folder / "examples")
    return shell


@pytest.fixture
def suite(pytester: pytest.Pytester, shell: Shell) -> Shell:
    """A shell where a small suite is."""
    pytester.makepyfile(test_it=_SUITE)
    return shell


def lines(text: str) -> list[str]:
    """Return the commands of a block, each a line or several that go on."""
    return [line for line in text.replace("\\\n", "").splitlines() if line.strip()]


def test_each_block_has_a_name_but_for_the_picture() -> None:
    unnamed = [found["text"] for found in _BLOCK.finditer(README) if found["label"] is None]
    assert [text.split()[0] for text in unnamed] == ["flowchart"]


def test_each_block_is_in_a_test() -> None:
    source = Path(__file__).read_text("utf-8")
    assert [label for label in BLOCKS if label and f'BLOCKS["{label}"]' not in source] == []


def test_the_example_shows_its_tree_its_text_and_its_json(example: Shell) -> None:
    # What comes before makes the environment, which .ci/run does as it is written.
    command = BLOCKS["the command for the example"].rpartition(".venv/bin/")[2]
    shown = example.run(command)
    assert BLOCKS["its tree"] in shown
    assert "FAILED  test_shop.py::test_sell[pears]" in shown
    written = Path(example.folder, "results/database/test_sell[pears]/0.fail/result.json")
    result = json.loads(written.read_bytes())
    documented = json.loads(BLOCKS["its JSON"])
    assert list(documented) == [name for name in result if name != "phases"]
    assert anywhere(result) == anywhere(documented)


def anywhere(result: Result) -> Result:
    """Return what is the same of a result in each run, wherever the example is."""
    kept = {name: value for name, value in result.items() if name not in (*_CHANGING, "phases")}
    kept["xdist_worker"] = kept["xdist_worker"][:2]
    kept["pubdir_path"] = kept["pubdir_path"].partition("results")[2]
    traceback = [
        re.sub(r'".*/examples', '"examples', frame) for frame in result["excinfo"]["traceback"]
    ]
    return kept | {"excinfo": result["excinfo"] | {"traceback": traceback}}


def test_the_receiver_shows_each_result(example: Shell) -> None:
    receiver = example.folder / "examples/receiver.py"
    assert receiver.read_text("utf-8") == BLOCKS["examples/receiver.py"]
    with socket.create_server(("localhost", 0)) as found:
        port = str(found.getsockname()[1])
    receiver.write_text(receiver.read_text("utf-8").replace("8080", port), "utf-8")
    command = BLOCKS["a POST for each result"].replace("8080", port)
    # Without pytest's own letters between the receiver's.
    silent = f"{example.environment['PYTEST_ADDOPTS']} -p no:terminal"
    commands = f"set -m\n{command.replace('.venv/bin/', '')}"
    shown = example.run(commands, PYTEST_ADDOPTS=silent)
    # Sorted, because until the receiver has started several connections wait for it.
    received = re.findall(r"^(\w+) +[0-9.]+ s  test_shop.py::(.+)$", shown, re.MULTILINE)
    assert sorted(received) == [
        ("failed", "test_sell[pears]"),
        ("passed", "test_price"),
        ("passed", "test_sell[apples]"),
        ("passed", "test_stock"),
        ("skipped", "test_payment"),
        ("xfailed", "test_exact_price"),
    ]


def test_the_main_uses_publish_each_test(suite: Shell, endpoint: Endpoint) -> None:
    for command in lines(BLOCKS["the main uses"]):
        before = len(endpoint.posts), len(tree_results(suite.folder / "results"))
        suite.run(command.replace(URL, endpoint.url))
        assert len(endpoint.posts) - before[0] == (3 if "--publish" in command else 0)
        written = len(tree_results(suite.folder / "results")) - before[1]
        assert written == (3 if "--pubdir" in command else 0)


def test_settings_in_an_ini_file_are_enough(suite: Shell, endpoint: Endpoint) -> None:
    ini = BLOCKS["pytest.ini"].replace(URL, endpoint.url)
    (suite.folder / "pytest.ini").write_text(ini, "utf-8")
    suite.run("pytest")
    assert len(endpoint.results) == 3
    assert sorted(path.name for path in (suite.folder / "results").glob("test_*")) == [
        "test_a",
        "test_b",
        "test_private",
    ]
    assert tree_results(suite.folder / "results") == []  # all have passed


def test_the_files_of_a_result_are_those_that_are_listed(suite: Shell) -> None:
    listed = [line.split()[0] for line in BLOCKS["what is in it"].splitlines()]
    suite.run("pytest --pubdir=results test_it.py::test_a")
    found = {
        str(path.relative_to(suite.folder)) + ("/" if path.is_dir() else "")
        for path in (suite.folder / "results/test_a").rglob("*")
    }
    assert set(listed) - found == {"results/test_a/0.pass/exception.txt"}
    assert found <= set(listed)


def test_what_was_left_behind_is_sent(suite: Shell, endpoint: Endpoint) -> None:
    one, all_of_them, tree = lines(BLOCKS["pytest-publish send"])
    for _run in range(2):
        leave_an_outbox(suite)
    (suite.folder / one.split()[2]).parent.mkdir(exist_ok=True)
    first = min((suite.folder / "outbox").glob("*.jsonl"))
    first.rename(suite.folder / one.split()[2])
    first.with_suffix(".mark").unlink(missing_ok=True)
    for command, count in ((one, 3), (all_of_them, 3), (tree, 6)):
        before = len(endpoint.posts)
        shown = suite.run(command.replace(URL, endpoint.url))
        assert f"{count} sent to" in shown
        assert len(endpoint.posts) - before == count


def leave_an_outbox(shell: Shell, folder: str = ".") -> None:
    """Have a run whose endpoint is down, with the outbox and the tree in a folder."""
    with socket.create_server(("localhost", 0)) as found:
        dead = f"http://localhost:{found.getsockname()[1]}"
    shell.run(
        f"pytest --publish={dead} --publish-grace=0"
        f" --publish-outbox={folder}/outbox --pubdir={folder}/results"
    )


def test_an_outbox_out_of_an_artifact_is_sent(suite: Shell, endpoint: Endpoint) -> None:
    leave_an_outbox(suite, "results-unit")
    suite.run(BLOCKS["an artifact's outbox"].replace(URL, endpoint.url))
    assert len(endpoint.results) == 3


def test_the_hooks_mask_add_and_withhold(suite: Shell, endpoint: Endpoint) -> None:
    (suite.folder / "conftest.py").write_text(BLOCKS["conftest.py"], "utf-8")
    suite.run(f"pytest --publish {endpoint.url}")
    results = by_name(endpoint.results)
    assert sorted(results) == ["test_a", "test_b"]
    assert results["test_a"]["stdout"] == "the token is ***\n"
    assert results["test_a"]["properties"] == {"build": "1234", "owner": "blue team"}


def test_logstash_is_told_of_fields_that_there_are() -> None:
    # Logstash itself is not run: what can be checked is its syntax's balance, and us.
    text = BLOCKS["logstash.conf"]
    fields = set(re.findall(r"\[test\]\[(\w+)\]", text))
    assert fields == {"start_time", "session_id", "seq"}
    assert fields <= set(schema()["required"])
    for opening, closing in ("{}", "[]"):
        assert text.count(opening) == text.count(closing)


def test_shards_of_github_actions_join_one_run(shell: Shell, endpoint: Endpoint) -> None:
    job = yaml.safe_load(BLOCKS[".github/workflows/tests.yml"])["jobs"]["tests"]
    (command,) = (step["run"] for step in job["steps"] if "pytest" in step.get("run", ""))
    headers = job["env"]["PYTEST_PUBLISH_HEADERS"]
    make_shards(shell.folder, job["strategy"]["matrix"]["shard"])
    for shard in job["strategy"]["matrix"]["shard"]:
        values = {
            "matrix.shard": shard,
            "vars.RESULTS_URL": endpoint.url,
            "github.run_id": "1234",
            "secrets.RESULTS_TOKEN": "t0k3n",
        }
        shell.run(evaluated(command, values), PYTEST_PUBLISH_HEADERS=evaluated(headers, values))
    assert_joined(shell, endpoint, "1234")
    assert {post.headers["Authorization"] for post in endpoint.posts} == {"Bearer t0k3n"}
    kept = next(step for step in job["steps"] if "artifact" in step.get("uses", ""))
    assert kept["with"]["path"].split() == ["results", "outbox"]


def evaluated(text: str, values: dict[str, str]) -> str:
    """Return a text with the values of GitHub's expressions."""
    return re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: values[found[1]], text)


def test_shards_of_gitlab_join_one_run(shell: Shell, endpoint: Endpoint) -> None:
    job = yaml.safe_load(BLOCKS[".gitlab-ci.yml"])["tests"]
    shards = job["parallel"]["matrix"][0]["SHARD"]
    headers = job["variables"]["PYTEST_PUBLISH_HEADERS"].replace("$RESULTS_TOKEN", "t0k3n")
    make_shards(shell.folder, shards)
    for shard in shards:
        shell.run(
            f"export PYTEST_PUBLISH_HEADERS='{headers}'\n{job['script'][-1]}",
            SHARD=shard,
            RESULTS_URL=endpoint.url,
            CI_PIPELINE_ID="5678",
        )
    assert_joined(shell, endpoint, "5678")
    assert {post.headers["Authorization"] for post in endpoint.posts} == {"Bearer t0k3n"}
    assert job["artifacts"]["paths"] == ["results", "outbox"]


def make_shards(folder: Path, names: list[str]) -> None:
    """Write a test into each of the shards' folders."""
    for name in names:
        path = folder / "tests" / name / f"test_{name}.py"
        path.parent.mkdir(parents=True)
        path.write_text(f"def test_{name}(): pass\n", "utf-8")


def assert_joined(shell: Shell, endpoint: Endpoint, run_id: str) -> None:
    """Assert that two shards have published one test each, as one run."""
    for results in (endpoint.results, tree_results(shell.folder / "results")):
        assert sorted(by_name(results)) == ["test_integration", "test_unit"]
        assert {result["run_id"] for result in results} == {run_id}
        assert len({result["session_id"] for result in results}) == 2


def test_workers_on_several_machines_publish_by_the_controller(
    pytester: pytest.Pytester, suite: Shell
) -> None:
    command = BLOCKS["several machines"]
    assert command.count("ssh=ci@host") == 2
    # No other machine is here: their workers are processes that are started alike.
    for there, here in (
        ("ssh=ci@host1//", "popen//"),
        ("ssh=ci@host2//", "popen//"),
        ("/srv/project/.venv/bin/python", sys.executable),
        ("/srv/project", str(suite.folder)),
    ):
        command = command.replace(there, here)
    pytester.makeini("[pytest]\ntestpaths = test_it.py\n")
    suite.run(command)
    results = tree_results(suite.folder / "results")
    assert sorted(by_name(results)) == ["test_a", "test_b", "test_private"]
    assert {result["xdist_dist"] for result in results} == {"load"}


def test_the_command_for_the_tests_is_what_ci_runs() -> None:
    ci = (ROOT / ".ci/run").read_text("utf-8")
    assert BLOCKS["the command for the tests"].startswith("python3 -m venv .venv && ")
    assert "the command for the tests" in ci
    assert "the command for the example" in ci


def test_the_table_has_each_switch_and_its_ini_name(run_pytest: RunPytest) -> None:
    shown = run_pytest("--help").stdout.str()
    options = set(re.findall(r"^  (--pub[\w-]+)", shown, re.MULTILINE))
    settings = set(re.findall(r"^  (pub\w+) \(", shown, re.MULTILINE))
    rows = dict(re.findall(r"^\| `(--[\w-]+)[^`]*` \| `(\w+)`", README, re.MULTILINE))
    assert rows.keys() == options
    assert set(rows.values()) == settings
    assert all(ini == option[2:].replace("-", "_") for option, ini in rows.items())


def test_the_tables_have_each_field_of_the_json_in_its_order() -> None:
    section = README.partition("## The JSON")[2].partition("\n## ")[0]
    table, _after, additions = section.partition("After them come ")
    fixed = [words(row) for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)]
    more = words(additions.partition("More may come later")[0])
    more.remove("record_property")
    assert [*itertools.chain(*fixed), *more] == list(schema()["properties"])


def test_each_promise_of_delivery_is_shown_by_a_test_that_there_is() -> None:
    document = (ROOT / "docs/delivery.md").read_text("utf-8")
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("*/test_*.py"))
    named = re.findall(r"`(test_\w+)(…?)`", document)
    assert len(named) >= 14
    for name, cut in named:
        assert re.search(rf"def {name}{'' if cut else '[(]'}", sources), name
    for path in re.findall(r"`(tests/[\w/]+\.py)`", document):
        assert (ROOT / path).is_file(), path


def words(text: str) -> list[str]:
    """Return what stands in backquotes."""
    return re.findall(r"`(\w+)`", text)
