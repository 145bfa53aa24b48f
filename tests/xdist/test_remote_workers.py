from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams import checked
from streams import of_type
from support import by_name
from support import Endpoint
from support import eventually
from support import RunPytest
from support import tree_results


SUITE = """
import os
import platform

def test_where(): print(os.getcwd(), platform.python_version(), sep="|")
def test_fails(record_property):
    record_property("big", 2**60)
    assert 0
"""


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with tests, of which the controller knows only the path."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "test_far.py").write_text(SUITE)
    return folder


@pytest.fixture
def socket_server(elsewhere: Path) -> Iterator[str]:
    """Start execnet's socket server elsewhere, and return its address."""
    log = elsewhere / "server.log"
    command = [sys.executable, "-u", "-m", "execnet.script.socketserver", "127.0.0.1:0"]
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=elsewhere, stdout=output, stderr=output)
    try:
        found = eventually(
            lambda: re.search(r"Accept loop \('127.0.0.1', (\d+)\)", log.read_text())
        )
        yield f"127.0.0.1:{found[1]}"
    finally:
        server.kill()
        server.wait()


def other_python() -> str:
    """Return an interpreter of another version that has this plugin; skip without one."""
    for minor in range(10, 15):
        path = shutil.which(f"python3.{minor}")
        if minor == sys.version_info.minor or path is None:
            continue
        probe = [path, "-c", "import pytest_publish.plugin, xdist, orjson"]
        if not subprocess.run(probe, capture_output=True, check=False).returncode:
            return path
    pytest.skip("no Python of another version has pytest-publish installed")


def check(elsewhere: Path, pubdir: Path, endpoint: Endpoint) -> str:
    """Check that both results are here, and nothing is there; return what is printed."""
    results = by_name(tree_results(pubdir))
    stream = checked(endpoint.results)  # with a start before each result
    assert results == by_name(of_type("result", stream))
    assert stream[1]["total"] == 2
    assert {name: result["result"] for name, result in results.items()} == {
        "test_where": "pass",
        "test_fails": "fail",
    }
    assert results["test_fails"]["properties"] == {"big": 2**60}
    assert results["test_fails"]["excinfo"]["type"] == "AssertionError"
    assert {result["xdist_worker"] for result in results.values()} == {"gw0"}
    left = {path.name for path in elsewhere.rglob("*") if "__pycache__" not in path.parts}
    assert not left & {"tree", "publish", "result.json", "count", ".lock"}
    stdout: str = results["test_where"]["stdout"]
    return stdout


# The tree is there already, as it is in every run but the first. In a process of its own,
# because execnet (2.1) leaves the socket open.
def test_workers_behind_a_socket_write_nothing(
    run_pytest: RunPytest,
    endpoint: Endpoint,
    pubdir: Path,
    elsewhere: Path,
    socket_server: str,
) -> None:
    pubdir.mkdir()
    run = run_pytest(
        *("--dist", "load", "--tx", f"socket={socket_server}//chdir={elsewhere}"),
        *("--pubdir", pubdir.name),  # a worker would make it where it is
        *("--publish", endpoint.url, "--publish-events"),
        "test_far.py",
    )
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert check(elsewhere, pubdir, endpoint).startswith(f"{elsewhere}|")


@pytest.mark.in_process
@pytest.mark.parametrize("which", ["same", "other"])
def test_workers_of_another_python_write_nothing(
    run_pytest: RunPytest, endpoint: Endpoint, pubdir: Path, elsewhere: Path, which: str
) -> None:
    python = sys.executable if which == "same" else other_python()
    version = subprocess.run(
        [python, "-c", "import platform; print(platform.python_version())"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    run = run_pytest(
        *("--dist", "load", "--tx", f"popen//chdir={elsewhere}//python={python}"),
        *("--pubdir", pubdir, "--publish", endpoint.url, "--publish-events"),
        "test_far.py",
    )
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert check(elsewhere, pubdir, endpoint) == f"{elsewhere}|{version}"


def test_a_worker_loads_no_compiled_module() -> None:
    # xdist (3.6 to 3.8) hands its own import path to a popen worker, of whatever
    # Python version; ours is then found there too, compiled for the controller.
    code = (
        "import sys, json, pytest, _pytest.config, _pytest.junitxml; before = set(sys.modules);"
        "import pytest_publish.plugin.worker;"
        "new = set(sys.modules) - before;"
        "print([name for name in new if name.split('.')[0] not in sys.stdlib_module_names"
        " and not (getattr(sys.modules[name], '__file__', None) or '.py').endswith('.py')])"
    )
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert output.strip() == "[]"
