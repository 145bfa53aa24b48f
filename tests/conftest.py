"""Real endpoints for all tests, and real pytest sessions."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from support import Endpoint
from support import RunPytest


pytest_plugins = ["pytester"]


#: How a session is run: the arguments that make it serial or distributed.
MODES = {"serial": (), "xdist": ("-n", "2")}


@pytest.fixture
def make_endpoint() -> Iterator[Callable[[], Endpoint]]:
    """Start endpoints, each a server of its own."""
    servers: list[HTTPServer] = []

    def make() -> Endpoint:
        server = HTTPServer(port=0, threaded=True)
        server.start()
        servers.append(server)
        return Endpoint(server)

    yield make
    for server in servers:
        server.clear()
        server.stop()


@pytest.fixture
def endpoint(make_endpoint: Callable[[], Endpoint]) -> Endpoint:
    """Start an endpoint that answers 200."""
    return make_endpoint()


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Have the test run twice: with a serial session, and with two workers."""
    return MODES[request.param]


@pytest.fixture
def run_pytest(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> RunPytest:
    """Run pytest in a process of its own, in the pytester's folder."""
    # Ours are the only plugins, unless a test names another: what is installed for
    # this suite is not what is tested.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    for variable in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(variable, raising=False)

    def run(*args: str | Path) -> pytest.RunResult:
        # By the names of their entry points, by which other plugins look for them.
        plugins = ("-p", "xdist", "-p", "publish")
        return pytester.runpytest_subprocess(*plugins, *args, timeout=120)

    return run


@pytest.fixture
def pubdir(pytester: pytest.Pytester) -> Path:
    """Return the path of a tree that does not exist yet."""
    return pytester.path / "tree"
