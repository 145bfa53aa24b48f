"""Real endpoints for all tests, and real pytest sessions."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import ssl
import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import trustme

from documents import Shell
from faulty_server import FaultyServer
from support import Endpoint
from support import EndpointServer
from support import OF_THIS_SESSION
from support import OWN_PLUGINS
from support import RunPytest


pytest_plugins = ["pytester"]

# Hundreds of sessions load the same modules, which pytest rewrites: once is enough.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# A shell that starts the suite in the background has it, and so its sessions, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# pytester drops what a session in this process was the first to load.
for module in ("controller", "events"):
    importlib.import_module(f"pytest_publish.plugin.{module}")
for module in ("xdist.dsession", "xdist.remote"):
    with contextlib.suppress(ImportError):  # xdist may be missing
        importlib.import_module(module)

# How long an example takes is the machine's business. Fifty are enough for each run; after a
# change to what a property is about, the other profile tries more.
for profile, examples in (("unhurried", 50), ("thorough", 1_000)):
    hypothesis.settings.register_profile(
        profile,
        deadline=None,
        max_examples=examples,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("unhurried")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Have more workers than cores: many of these tests wait for other processes."""
    return max(2, (os.cpu_count() or 1) * 2)


@pytest.fixture
def make_endpoint() -> Iterator[Callable[[], Endpoint]]:
    """Start endpoints, each a server of its own."""
    servers: list[EndpointServer] = []

    def make() -> Endpoint:
        server = EndpointServer(port=0, threaded=True)
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


@pytest.fixture(params=["serial", "xdist"])
def mode(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Have the test run twice: with a serial session, and with workers."""
    if request.param == "serial":
        return ()
    node: pytest.Item = request.node
    return ("-n", "1" if node.get_closest_marker("one_worker") else "2")


@pytest.fixture
def own_plugins(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Have a session load no plugin that is not named, and return ours and xdist."""
    # What is installed for this suite is not what is tested.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for variable in OF_THIS_SESSION:
        monkeypatch.delenv(variable, raising=False)
    return OWN_PLUGINS


@pytest.fixture
def run_pytest(
    pytester: pytest.Pytester, own_plugins: tuple[str, ...], request: pytest.FixtureRequest
) -> RunPytest:
    """Run pytest in the pytester's folder: in a process of its own, or where a mark says so."""
    node: pytest.Item = request.node
    mark = node.get_closest_marker("in_process")

    def run(*args: str | Path) -> pytest.RunResult:
        if mark and mark.args != (False,):
            return pytester.runpytest_inprocess(*own_plugins, *args, no_reraise_ctrlc=True)
        return pytester.runpytest_subprocess(*own_plugins, *args, timeout=120)

    return run


@pytest.fixture
def pubdir(pytester: pytest.Pytester) -> Path:
    """Return the path of a tree that does not exist yet."""
    return pytester.path / "tree"


@pytest.fixture
def log(pytester: pytest.Pytester) -> Path:
    """Return the path of a log that does not exist yet."""
    return pytester.path / "published.jsonl"


@pytest.fixture
def faulty_server() -> Iterator[FaultyServer]:
    """Start an endpoint that can misbehave."""
    server = FaultyServer()
    yield server
    server.stop()


@pytest.fixture
def authority() -> trustme.CA:
    """Make an authority of certificates."""
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[FaultyServer]:
    """Start an endpoint with TLS whose authority nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = FaultyServer(tls=context)
    yield server
    server.stop()


@pytest.fixture
def shell(pytester: pytest.Pytester) -> Shell:
    """Return a shell in the pytester's folder."""
    return Shell(pytester)


@pytest.fixture
def suite(pytester: pytest.Pytester, shell: Shell) -> Shell:
    """Return a shell where a small suite is, all of whose tests pass."""
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.xdist_group("database")
        def test_a():
            print("the token is s3cr3t")

        def test_b(): pass

        def test_private(): pass
        """
    )
    return shell
