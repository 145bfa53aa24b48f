"""Every block of the pages in docs/ is run, and the pages say what is so."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest
import requests
import yaml

from daemons import free_port
from daemons import nginx
from daemons import sshd
from documents import Document
from documents import lines
from documents import not_run
from documents import ROOT
from documents import Shell
from documents import URL
from pytest_publish.plugin.options import OPTIONS
from pytest_publish.results.result import schema
from streams import checked
from streams import logged
from streams import of_type
from support import by_name
from support import Endpoint
from support import Post
from support import RunPytest
from support import tree_results


PAGES: Final = {path.stem: Document(str(path)) for path in (ROOT / "docs").glob("*.md")}
DELIVERY: Final = PAGES["delivery"]
HOOKS: Final = PAGES["hooks"]
JSON: Final = PAGES["json"]
RECIPES: Final = PAGES["recipes"]
SWITCHES: Final = PAGES["switches"]
TREE: Final = PAGES["tree"]


@pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))
def test_blocks_are_run_and_links_lead_somewhere(page: Document) -> None:
    assert set(page.unnamed) <= {"mermaid"}
    assert not_run(page) == []
    assert page.broken_links() == []


def test_pages_for_helpers_have_no_broken_links() -> None:
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        assert Document(name).broken_links() == [], name


# docs/json.md


def test_the_tables_have_all_fields_in_order() -> None:
    fixed = words_of_rows(JSON.section("The fields that never change"))
    more = words_of_rows(JSON.section("The other fields"))
    assert [*fixed, *more] == list(schema()["$defs"]["result"]["properties"])


def words_of_rows(section: str) -> list[str]:
    """Return what stands in backquotes in the first cells of a table."""
    cells = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    return list(itertools.chain(*(re.findall(r"`(\w+)`", cell) for cell in cells)))


def test_the_table_has_each_outcome_of_the_schema() -> None:
    section = JSON.section("What counts as pass, skip and fail").partition("|---")[2]
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", section, re.MULTILINE)
    allowed = {
        (each["if"]["properties"]["result"]["const"], outcome)
        for each in schema()["$defs"]["result"]["allOf"]
        for outcome in each["then"]["properties"]["outcome"]["enum"]
    }
    assert set(rows) == allowed


def test_the_schema_can_be_had_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    exec(JSON["the schema"], {})
    assert capsys.readouterr().out == f"{schema()['title']}\n"


# docs/tree.md


def test_a_tree_is_as_it_is_shown(suite: Shell) -> None:
    suite.run("pytest --pubdir=results test_it.py::test_a")
    listed = [line.split()[0] for line in TREE["what is in it"].splitlines()]
    found = {
        str(path.relative_to(suite.folder)) + ("/" if path.is_dir() else "")
        for path in (suite.folder / "results").rglob("*")
    }
    assert set(listed) - found == {"results/test_a/0.pass/exception.txt"}
    assert found - set(listed) == {"results/test_a/"}
    shutil.rmtree(suite.folder / "results")
    suite.run("pytest --pubdir=results -n 1 --dist loadgroup -k 'test_a or test_b'")
    assert below(suite.folder) == TREE["below the group"].split()
    shutil.rmtree(suite.folder / "results")
    suite.run("pytest --pubdir=results --pubdir-layout=nodeid test_it.py::test_a")
    assert below(suite.folder) == TREE["by node id"].split()


def below(folder: Path) -> list[str]:
    """Return where the results of a tree in a folder are."""
    paths = [path.parent for path in (folder / "results").rglob("result.json")]
    return sorted(str(path.relative_to(folder)) for path in paths)


# docs/switches.md


@pytest.mark.in_process
def test_the_table_has_each_switch_and_its_default(run_pytest: RunPytest) -> None:
    row = re.compile(r"^\| `(--[\w-]+)[^`]*` \| `(\w+)`[^|]* \| ([^|]*?) ?\|", re.MULTILINE)
    rows = {flag: (name, default.strip("`")) for flag, name, default in row.findall(SWITCHES.text)}
    assert rows.keys() == {option.flag for option in OPTIONS}
    for option in OPTIONS:
        name, default = rows[option.flag]
        assert name == option.name
        # Other defaults are no values but words.
        assert option.default is None or default == option.default
    help_text = run_pytest("--help").stdout.str()
    assert set(re.findall(r"^  (--pub[\w-]+)", help_text, re.MULTILINE)) == rows.keys()
    settings = set(re.findall(r"^  (pub\w+) \(", help_text, re.MULTILINE))
    assert settings == {name for name, _default in rows.values()}


def test_an_ini_file_can_name_several_endpoints(suite: Shell, endpoint: Endpoint) -> None:
    first, second = re.findall(r"http\S+", SWITCHES["several endpoints"])
    ini = SWITCHES["several endpoints"].replace(first, endpoint.url)
    (suite.folder / "pytest.ini").write_text(ini.replace(second, f"{endpoint.url}?2"), "utf-8")
    suite.run("pytest")
    assert len(endpoint.posts) == 6
    assert {post.headers["Content-Encoding"] for post in endpoint.posts} == {"gzip"}


# docs/hooks.md


def test_the_hooks_mask_add_and_withhold(suite: Shell, endpoint: Endpoint) -> None:
    (suite.folder / "conftest.py").write_text(HOOKS["conftest.py"], "utf-8")
    suite.run(f"pytest --publish {endpoint.url}")
    results = by_name(endpoint.results)
    assert sorted(results) == ["test_a", "test_b"]
    assert results["test_a"]["stdout"] == "the token is ***\n"
    assert results["test_a"]["properties"] == {"build": "1234", "owner": "blue team"}


# docs/delivery.md


def test_what_was_left_behind_is_sent(suite: Shell, endpoint: Endpoint) -> None:
    one, all_of_them, tree = lines(DELIVERY["pytest-publish send"])
    named = suite.folder / one.split()[2]
    endpoint.answer = lambda _post: 503
    for _run in range(2):
        suite.run(
            f"pytest --publish={endpoint.url} --publish-grace=0"
            f" --publish-outbox={named.parent} --pubdir=results"
        )
    endpoint.answer = lambda _post: 200
    first = min(named.parent.glob("*.jsonl"))
    first.rename(named)
    first.with_suffix(".cursor").unlink(missing_ok=True)
    shutil.copytree(named.parent, suite.folder / "results-unit/outbox")
    assert "3 sent to" in suite.run(RECIPES["an artifact's outbox"].replace(URL, endpoint.url))
    for command, count in ((one, 3), (all_of_them, 3), (tree, 6)):
        before = len(endpoint.posts)
        output = suite.run(command.replace(URL, endpoint.url))
        assert f"{count} sent to" in output
        assert len(endpoint.posts) - before == count
    assert list(named.parent.glob("*.jsonl")) == []
    assert len(tree_results(suite.folder / "results")) == 6


def test_the_summary_and_its_command_are_as_shown(suite: Shell, endpoint: Endpoint) -> None:
    endpoint.answer = lambda _post: 503
    command = f"pytest --publish {endpoint.url} --publish-grace=0 -k 'test_a or test_b'"
    output = suite.run(command)
    text = SWITCHES["a summary"].replace(URL, endpoint.url)
    pattern = re.escape(text).replace(re.escape("20261123T010203Z-0a1b2c3d"), r"\w+-\w+")
    shown = re.search(re.sub(r"\\\(.*?\\\)", r"\\(.+\\)", pattern), output)
    assert shown is not None, output
    endpoint.answer = lambda _post: 200
    assert "2 sent to" in suite.run(shown[0].splitlines()[1])


def test_one_connection_keeps_the_order(suite: Shell, endpoint: Endpoint) -> None:
    def answer_late(_post: Post) -> int:
        time.sleep(0.03)
        return 200

    endpoint.answer = answer_late
    (suite.folder / "conftest.py").write_text(
        "def pytest_generate_tests(metafunc):\n"
        "    metafunc.fixturenames.append('number')\n"
        "    metafunc.parametrize('number', range(5))\n",
        "utf-8",
    )
    suite.run(f"pytest --publish {endpoint.url} --publish-connections 1")
    assert [result["seq"] for result in endpoint.results] == list(range(15))


def test_each_promise_names_a_test_that_there_is() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)(…?)`", DELIVERY.text)
    assert len(named) >= 14
    for name, cut in named:
        assert re.search(rf"def {name}{'' if cut else '[(]'}", sources), name
    for path in re.findall(r"`(tests/[\w/]+\.py)`", DELIVERY.text):
        assert (ROOT / path).is_file(), path


# docs/cost.md


def test_the_readme_tells_the_cost_that_was_counted() -> None:
    section = Document("README.md").section("What it costs")
    told = re.findall(r"`(--[^`]+)` (\d\.\d\d)", section)
    assert told
    counted = re.findall(r"^\| \*\*(--[^*]+)\*\* \| (\d\.\d\d) ", PAGES["cost"].text, re.MULTILINE)
    assert set(told) <= set(counted)


# docs/recipes.md


def test_the_receiver_shows_each_result(shell: Shell) -> None:
    shutil.copytree(ROOT / "examples", shell.folder / "examples")
    receiver = shell.folder / "examples/receiver.py"
    port = str(free_port())
    receiver.write_text(receiver.read_text("utf-8").replace("8080", port), "utf-8")
    command = RECIPES["a POST for each result"].replace("8080", port)
    # Without pytest's own letters between the receiver's.
    silent = f"{shell.environment['PYTEST_ADDOPTS']} -p no:terminal"
    commands = f"set -m\n{command.replace('.venv/bin/', '')}"
    shown = shell.run(commands, PYTEST_ADDOPTS=silent)
    # Sorted, because until the receiver has started several connections wait for it.
    assert received(shown) == received(RECIPES["what the receiver prints"])
    assert len(received(shown)) == 6


def received(shown: str) -> list[tuple[str, str]]:
    """Return the outcomes and node ids that a receiver printed."""
    return sorted(re.findall(r"^(\w+) +[0-9.]+ s  test_shop.py::(.+)$", shown, re.MULTILINE))


def test_logstash_gets_fields_that_there_are() -> None:
    # Logstash itself is not run: what can be checked is its syntax's balance, and us.
    text = RECIPES["logstash.conf"]
    fields = set(re.findall(r"\[test\]\[(\w+)\]", text))
    assert fields == {"start_time", "session_id", "seq"}
    assert fields <= set(schema()["$defs"]["result"]["required"])
    for opening, closing in ("{}", "[]"):
        assert text.count(opening) == text.count(closing)


def test_the_flow_of_node_red_answers_each_post() -> None:
    # Node-RED itself is not run.
    flow = {node["id"]: node for node in json.loads(RECIPES["flow.json"])}
    tab, *nodes = flow.values()
    assert tab["type"] == "tab"
    assert {node["z"] for node in nodes} == {tab["id"]}
    (entry,) = (node for node in nodes if node["type"] == "http in")
    assert (entry["method"], entry["url"]) == ("post", "/results")
    assert "http://HOST:1880/results" in RECIPES.section("Node-RED")
    wired = [flow[name]["type"] for name in itertools.chain(*entry["wires"])]
    assert sorted(wired) == ["debug", "http response"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl to listen with")
def test_nginx_passes_each_result_on_as_it_comes(suite: Shell, tmp_path: Path) -> None:
    with nginx(tmp_path, RECIPES["results.conf"]) as url:
        suite.run(f"pytest --publish {url}/results -k 'test_a or test_b'")
        listener = RECIPES["listen"].replace("http://localhost:8080", url)
        heard = []
        with subprocess.Popen(
            ["bash", "-c", f"exec timeout 60 {listener}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("data: "):
                    heard.append(json.loads(line.removeprefix("data: "))["name"])
                if len(heard) == 2:  # and now one that comes while it listens
                    requests.post(f"{url}/results", json={"name": "live"}, timeout=10)
                if len(heard) == 3:
                    break
            process.terminate()
    assert [*sorted(heard[:2]), *heard[2:]] == ["test_a", "test_b", "live"]


def test_shards_of_github_actions_join_one_run(shell: Shell, endpoint: Endpoint) -> None:
    job = yaml.safe_load(RECIPES[".github/workflows/tests.yml"])["jobs"]["tests"]
    command, report = (step["run"] for step in job["steps"] if "pytest" in step.get("run", ""))
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
    for results in (endpoint.results, tree_results(shell.folder / "results")):
        assert sorted(by_name(results)) == ["test_integration", "test_unit"]
        assert {result["run_id"] for result in results} == {"1234"}
        assert len({result["session_id"] for result in results}) == 2
    assert {post.headers["Authorization"] for post in endpoint.posts} == {"Bearer t0k3n"}
    kept = next(step for step in job["steps"] if "artifact" in step.get("uses", ""))
    assert kept["with"]["path"].split() == ["report.html", "results", "outbox"]
    shell.run(report)
    assert (shell.folder / "report.html").exists()


def evaluated(text: str, values: dict[str, str]) -> str:
    """Return a text with the values of GitHub's expressions."""
    return re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: values[found[1]], text)


def test_a_shard_of_gitlab_is_in_its_pipelines_run(shell: Shell, endpoint: Endpoint) -> None:
    job = yaml.safe_load(RECIPES[".gitlab-ci.yml"])["tests"]
    shard = job["parallel"]["matrix"][0]["SHARD"][0]
    headers = job["variables"]["PYTEST_PUBLISH_HEADERS"].replace("$RESULTS_TOKEN", "t0k3n")
    make_shards(shell.folder, [shard])
    shell.run(
        f"export PYTEST_PUBLISH_HEADERS='{headers}'\n{job['script'][-1]}",
        SHARD=shard,
        RESULTS_URL=endpoint.url,
        CI_PIPELINE_ID="5678",
    )
    for results in (endpoint.results, tree_results(shell.folder / "results")):
        assert [result["run_id"] for result in results] == ["5678"]
    assert endpoint.posts[0].headers["Authorization"] == "Bearer t0k3n"
    assert job["artifacts"]["paths"] == ["results", "outbox"]


def make_shards(folder: Path, names: list[str]) -> None:
    """Write a test into each of the shards' folders."""
    for name in names:
        path = folder / "tests" / name / f"test_{name}.py"
        path.parent.mkdir(parents=True)
        path.write_text(f"def test_{name}(): pass\n", "utf-8")


def test_tox_lets_headers_and_switches_through(suite: Shell, endpoint: Endpoint) -> None:
    (suite.folder / "tox.ini").write_text(RECIPES["tox.ini"], "utf-8")
    # With what is installed here in place of what tox would install.
    instead = "-x testenv.deps= -x testenv.allowlist_externals=pytest --skip-pkg-install"
    # On a CI machine tox (4) lists what pip has installed, and its environment has no pip here.
    instead += " -x 'testenv.list_dependencies_command=python --version'"
    command = RECIPES["tox"].replace(URL, endpoint.url).replace(" tox", f" tox run {instead}")
    command = command.replace('PYTEST_ADDOPTS="', 'PYTEST_ADDOPTS="$PYTEST_ADDOPTS ')
    headers = "Authorization: Bearer t0k3n"
    suite.run(command, PYTEST_PUBLISH_HEADERS=headers, VIRTUALENV_NO_SEED="1")
    assert len(endpoint.results) == 3
    assert {post.headers["Authorization"] for post in endpoint.posts} == {"Bearer t0k3n"}


def test_workers_on_several_machines(
    pytester: pytest.Pytester, suite: Shell, tmp_path: Path
) -> None:
    pytester.makeini("[pytest]\ntestpaths = test_it.py\n")
    project = pytester.mkdir("project")
    for name in ("test_it.py", "tox.ini"):
        shutil.copy(suite.folder / name, project)
    (project / ".venv").symlink_to(sys.prefix)
    on_hosts = {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": suite.environment["PYTEST_ADDOPTS"],
    }

    def of_this_machine(block: str) -> str:
        return block.replace("/srv/project", str(project)).replace("ci@", "")

    with sshd(tmp_path, **on_hosts) as folder_of_ssh:
        path = f"{folder_of_ssh}:{suite.environment['PATH']}"
        ready = suite.run(of_this_machine(RECIPES["check the hosts"]), PATH=path)
        assert ready.count("3 tests collected") == 2
        command = of_this_machine(RECIPES["several machines"])
        events = f"--publish-events --publish-log={tmp_path}/run.jsonl"
        command = command.replace('PYTEST_ADDOPTS="', f'PYTEST_ADDOPTS="$PYTEST_ADDOPTS {events} ')
        suite.run(command, PATH=path)
        results = tree_results(suite.folder / "results")
        assert of_type("result", checked(logged(tmp_path / "run.jsonl"))) == results
        assert sorted(by_name(results)) == ["test_a", "test_b", "test_private"]
        assert {result["xdist_dist"] for result in results} == {"load"}

        # A host without its requirements, here without any package.
        command = command.replace(".venv/bin/python", "'.venv/bin/python -S'", 1)
        command = command.replace("restart=4", "restart=1").rstrip()
        # On a busy machine the prepared host may be the quicker one, and run the tests.
        shown = ""
        for _ in range(3):
            if "no tests ran" not in shown:
                shown = suite.run(f"{command} || true", PATH=path)
        assert "maximum crashed workers reached: 1" in shown
        assert "no tests ran" in shown
