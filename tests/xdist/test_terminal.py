"""What the user reads on the terminal when not all goes well, and when."""

from __future__ import annotations

import fcntl
import os
import pty
import shlex
import struct
import subprocess
import sys
import termios

import pytest

from faulty_server import FaultyServer
from faulty_server import OK
from faulty_server import status
from pytest_publish.cli import main
from support import OWN_PLUGINS
from support import RunPytest
from support import tree_results


pytestmark = pytest.mark.one_worker


# The second test ends when the relays know, so that what they know can be said after it.
SUITE = """
    import pathlib, time

    def wait_for(words):
        deadline = time.monotonic() + 60
        while not any(words in cursor.read_bytes() for cursor in pathlib.Path().rglob("*.cursor")):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def test_first(): pass
    def test_second():
        wait_for(b"401 Unauthorized")
        wait_for(b"Connection refused")
    def test_third(): pass
    def test_fourth(): pass
"""
# The bounds of time are tried without a session.
AT_ONCE = """
    from pytest_publish.plugin import terminal
    terminal.LOOK = terminal.UNREACHED = terminal.PATIENCE = 0.0
    terminal.REPEAT = 0.1
"""


@pytest.fixture
def refusing(faulty_server: FaultyServer) -> FaultyServer:
    """Start an endpoint that refuses everything."""
    faulty_server.answer = lambda _post: status(401, reason="Unauthorized")
    return faulty_server


@pytest.fixture
def dead() -> FaultyServer:
    """Return an endpoint that is no longer there."""
    endpoint = FaultyServer()
    endpoint.stop()
    return endpoint


def commands_in(run: pytest.RunResult) -> list[list[str]]:
    """Return the arguments of the commands that a run shows."""
    lines = [shlex.split(line) for line in run.stdout.lines if line.startswith("  pytest-publish ")]
    return [words[1:] for words in lines]


def own_lines(run: pytest.RunResult) -> list[str]:
    return [line for line in run.stdout.lines if "publish" in line]


def test_what_goes_wrong_is_told_at_once_and_later(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    refusing: FaultyServer,
    dead: FaultyServer,
    mode: tuple[str, ...],
) -> None:
    pytester.makeconftest(AT_ONCE)
    pytester.makepyfile(SUITE)
    urls = ("--publish", refusing.url, "--publish", dead.url, "--publish-grace", "0.5")
    run = run_pytest(*urls, "-v", "--publish-strict", "--pubdir", "tree", *mode)
    run.assert_outcomes(passed=4)
    run_ids = {result["run_id"] for result in tree_results(pytester.path / "tree")}
    assert [f"publish: run_id {run_id}" for run_id in run_ids] == [
        line for line in run.stdout.lines if "run_id" in line
    ]
    run.stdout.fnmatch_lines_random(
        [
            f"publish: * refused by {refusing.url} (401 Unauthorized)",
            f"publish: nothing gets through to {dead.url} (Connection refused); it keeps trying",
        ]
    )
    run.stdout.fnmatch_lines(
        [
            "*test_fourth*",
            f"publish: *results to be sent to {dead.url}; gives up in * s if none arrives",
            f"publish: 4 results were refused by {refusing.url} (401 Unauthorized) and set aside;*",
            f"  pytest-publish send .pytest_cache/*.refused.jsonl --to {refusing.url}",
            f"publish: 4 results wait to be sent to {dead.url} (Connection refused); send with:",
            f"  pytest-publish send .pytest_cache/*.jsonl --to {dead.url}",
            "!* publish: 8 results not delivered (--publish-strict) !*",
            "=* 4 passed *",
        ]
    )
    said = run.stdout.str()
    assert said.count("(401 Unauthorized)\n") == 1
    assert said.count("it keeps trying") == 1
    assert said.index("it keeps trying") < said.index("[100%]")
    assert run.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.in_process
def test_the_commands_that_are_shown_send_all(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    monkeypatch: pytest.MonkeyPatch,
    refusing: FaultyServer,
) -> None:
    monkeypatch.chdir(pytester.path)
    pytester.makepyfile("def test_it(): pass")
    runs = [run_pytest("--publish", refusing.url, "-q", *more) for more in (("-n", "1"), (), ())]
    first = runs[0]
    assert own_lines(first)[0].endswith("set aside; send with:")
    assert len(own_lines(first)) == 2, "the problems and nothing else"
    refusing.answer = lambda _post: OK
    (command,) = commands_in(first)
    assert main(command) == 0
    run = run_pytest("--publish", refusing.url)
    assert "publish: 2 files of refused results wait to be sent or deleted; send with:" in (
        run.stdout.lines
    )
    (line,) = [line for line in run.stdout.lines if line.startswith("  pytest-publish")]
    script = f'pytest-publish() {{ {shlex.quote(sys.executable)} -m pytest_publish "$@"; }}\n'
    bash = [*("bash", "-c"), script + line.replace("URL", refusing.url)]
    assert subprocess.run(bash, check=False, capture_output=True, timeout=60).returncode == 0
    assert len(refusing.results) == 4


NO_TERMINAL: dict[str, str] = {
    "another reporter": """
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_configure(config):
            config.pluginmanager.unregister(name="terminalreporter")
    """,
    "an internal error": """
        import pytest

        def pytest_runtest_logfinish(nodeid):
            if "second" in nodeid:
                raise RuntimeError
    """,
    "-p no:terminal": "",
}


@pytest.mark.parametrize("case", NO_TERMINAL)
def test_without_a_summary_losses_are_still_told(
    pytester: pytest.Pytester, run_pytest: RunPytest, refusing: FaultyServer, case: str
) -> None:
    pytester.makeconftest(NO_TERMINAL[case])
    pytester.makepyfile("def test_first(): pass\ndef test_second(): pass")
    switches = ["-p", "no:terminal"] if case.startswith("-p") else []
    run = run_pytest("--publish", refusing.url, "--publish-strict", *switches)
    assert run.ret != pytest.ExitCode.OK
    run.stderr.fnmatch_lines(
        [
            f"publish: 2 results were refused by {refusing.url} (401 Unauthorized) *send with:",
            f"  pytest-publish send .pytest_cache/*.refused.jsonl --to {refusing.url}",
        ]
    )
    assert ("--publish-strict" in run.stderr.str()) == (case != "an internal error")


@pytest.mark.in_process
def test_without_a_terminal_success_is_silent(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer
) -> None:
    pytester.makepyfile("def test_first(): pass")
    run = run_pytest("--publish", faulty_server.url, "-p", "no:terminal")
    assert (run.ret, run.stderr.lines) == (0, [])


def run_on_terminal(arguments: list[str], columns: int) -> str:
    """Run pytest on a terminal of so many columns; return what it has shown."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-m", "pytest", *OWN_PLUGINS, *arguments]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment | {"TERM": "dumb"}
    ):
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 4096):
                text += part
        except OSError:  # as Linux tells that the other end is closed
            pass
        finally:
            os.close(ours)
    return text.decode()


@pytest.mark.usefixtures("own_plugins")
def test_it_fits_a_terminal_of_60_columns(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    refusing: FaultyServer,
    dead: FaultyServer,
    mode: tuple[str, ...],
) -> None:
    monkeypatch.chdir(pytester.path)
    pytester.makeconftest(AT_ONCE)
    pytester.makepyfile(SUITE)
    urls = ["--publish", refusing.url, "--publish", dead.url, "--publish-grace", "0.5"]
    text = run_on_terminal([*urls, "--publish-strict", "--pubdir=tree", *mode], 60)
    _header, publish, said = text.partition("nothing gets through")
    assert publish
    lines = said.replace("\r\n", "\n").split("\n")
    wide = [line for line in lines if max(map(len, line.split("\r"))) > 60]
    assert len(wide) == 2
    assert all(line.startswith("  pytest-publish send .pytest_cache/") for line in wide)
    assert "publish: 4 results written to tree" in lines
    assert "\rpublish: 4 to send, gives up in" in said
