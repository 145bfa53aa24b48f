"""Fail endpoints and kill processes at random, and count what is lost or doubled.

    python fuzz/losses.py                     # seeds from the clock, until Ctrl-C
    python fuzz/losses.py --seconds 3600
    python fuzz/losses.py --seed 7 --count 1  # that plan again, though not its timing

Each seed is one plan: how the run is distributed and sends, how the endpoint fails, and
which of its processes is killed when. Whatever the plan, what is left is sent afterwards
by ``pytest-publish send`` to the endpoint, which is well again. Then each test that had
finished (its ``pytest_runtest_logfinish`` was called in the controller) has exactly one
result at the endpoint, after doubles were removed by their key, and one in the tree.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from typing import Final
from typing import TypeAlias

import seeds  # first: it makes the others importable
from faulty_server import CutError
from faulty_server import FaultyServer
from faulty_server import OK
from faulty_server import ResetError
from faulty_server import status
from support import Post


Result: TypeAlias = dict[str, Any]

TESTS: Final = 60
SUITE: Final = f"""
import random, time, pytest

@pytest.mark.parametrize("number", range({TESTS}))
def test_it(number):
    print("x" * random.choice([0, 100, 100_000]))
    time.sleep(random.random() / 50)
    assert number % 7
"""
#: A write is in the file even if the process is killed right after it.
CONFTEST: Final = """
import os, pathlib

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Finished())

class Finished:
    def pytest_runtest_logfinish(self, nodeid):
        os.write(FD, nodeid.encode() + b"\\n")

FD = os.open(pathlib.Path(__file__).with_name("finished"), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
"""
#: Seconds until a session, and each waiting after it, has failed.
DEADLINE: Final = 60.0
#: Of the relay, for one POST.
TIMEOUT: Final = 0.5

#: How an endpoint answers a POST. "kept" is cut off after the result was stored.
ANSWERS: Final = (
    *("ok", "ok", "slow", "created", "kept", "cut", "reset", "hang"),
    *("500", "503", "429", "408", "425", "400", "413"),
)
REFUSALS: Final = {"400", "413"}
VICTIMS: Final = ("controller", "worker", "relay")


@dataclasses.dataclass(frozen=True)
class Kill:
    """Which process is sent which signal, how many tests and seconds after the start."""

    tests: int
    seconds: float
    victim: str
    signal: signal.Signals


@dataclasses.dataclass(frozen=True)
class Plan:
    """What one seed does."""

    options: tuple[str, ...]
    connections: int
    #: What the endpoint answers, of which one is drawn for each POST.
    answers: tuple[str, ...]
    #: After how many tests nobody listens any more, and for how many seconds.
    dead: tuple[int, float] | None
    kills: tuple[Kill, ...]


def plan_of(random: Random) -> Plan:
    """Return a random plan."""
    connections = random.choice((1, 4, 16))
    options = [
        *random.choice(((), ("-n", "2"), ("-n", "2", "--max-worker-restart=2"))),
        f"--publish-timeout={TIMEOUT}",
        f"--publish-grace={random.choice((0, 0.3, 2))}",
        f"--publish-connections={connections}",
        f"--publish-batch={random.choice((1, 1, 1, 5))}",
        *random.choice(((), ("--publish-gzip",))),
    ]
    faults = random.sample(ANSWERS, random.randrange(4))
    signals = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
    return Plan(
        tuple(options),
        connections,
        ("ok",) * random.choice((1, 3, 10)) + tuple(faults),
        random.choice((None, None, (random.randrange(TESTS), random.uniform(0.1, 2)))),
        tuple(
            Kill(
                random.randrange(TESTS + 1),
                random.choice((0, random.random() / 20)),
                random.choice(VICTIMS),
                random.choice(signals),
            )
            for _ in range(random.choice((0, 0, 1, 1, 2)))
        ),
    )


# The endpoint.


class Endpoint:
    """A server that fails as a plan says, and keeps results by their key.

    It is well once ``answers`` has nothing but "ok".
    """

    def __init__(self, plan: Plan, random: Random) -> None:
        self.answers = plan.answers
        self.accepted: dict[str, Result] = {}
        self.problems: list[str] = []
        self._texts: dict[str, str] = {}
        self._surely_accepted: set[str] = set()
        self._random = random
        self._lock = threading.RLock()
        self._server = self._started(0)
        self.url = self._server.url

    def stop(self) -> None:
        """Have nobody listen any more."""
        self._server.stop()

    def restart(self) -> None:
        """Listen again, at the same port."""
        self._server = self._started(self._server.port)

    def _started(self, port: int) -> FaultyServer:
        server = FaultyServer(port)
        server.answer = self._answer
        return server

    def _answer(self, post: Post) -> bytes:
        with self._lock:
            answer = self._random.choice(self.answers)
            results = json.loads(post.text)
            results = results if isinstance(results, list) else [results]
            for result in results:
                self._take(result, answer)
        if answer == "hang":
            self._server.wait(2 * TIMEOUT)
        if answer == "slow":
            self._server.wait(0.02)
        if answer in ("kept", "cut"):
            raise CutError
        if answer == "reset":
            raise ResetError
        headers = ("Retry-After: 1",) if answer == "429" and self._random.randrange(2) else ()
        if answer == "created":
            return status(201)
        return status(int(answer), *headers) if answer.isdigit() else OK

    def _take(self, result: Result, answer: str) -> None:
        key, text = f"{result['session_id']}-{result['seq']}", json.dumps(result)
        if self._texts.setdefault(key, text) != text:
            self.problems.append(f"{key} came with another text when it was sent again")
        if key in self._surely_accepted:
            self.problems.append(f"{key} was sent again, though it had been accepted")
        if answer in ("ok", "created", "slow", "kept", "hang"):
            self.accepted.setdefault(key, result)
        if answer in ("ok", "created", "slow"):
            self._surely_accepted.add(key)


# One run.


def carry_out(plan: Plan, endpoint: Endpoint, folder: Path) -> tuple[int, str]:
    """Run a session as planned, kills and all; return its exit code and output."""
    (folder / "test_it.py").write_text(SUITE)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").touch()
    (folder / "finished").touch()
    command = [
        *(sys.executable, "-m", "pytest", "-p", "xdist", "-p", "publish", "-q", "--tb=no"),
        *(f"--publish={endpoint.url}", f"--publish-outbox={folder / 'outbox'}"),
        *(f"--pubdir={folder / 'tree'}", *plan.options),
    ]
    with (folder / "output").open("wb") as output:
        session = subprocess.Popen(
            command, cwd=folder, env=seeds.environ(), stdout=output, stderr=output
        )
    restart: threading.Timer | None = None
    events: list[tuple[int, float, Kill | None]] = [
        (each.tests, each.seconds, each) for each in plan.kills
    ]
    if plan.dead is not None:
        events.append((plan.dead[0], 0.0, None))
        restart = threading.Timer(plan.dead[1], endpoint.restart)
    for tests, seconds, what in sorted(events, key=lambda event: event[:2]):
        wait_for(tests, session, folder)
        time.sleep(seconds)
        if what is not None:
            kill(session, what)
        elif restart is not None:
            endpoint.stop()
            restart.start()
    try:
        session.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        endpoint.problems.append(f"the session did not end within {DEADLINE} s")
        session.kill()
        session.wait()
    if restart is not None:
        restart.join()
    return session.returncode, (folder / "output").read_text("utf-8", "replace")


def wait_for(tests: int, session: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until so many tests have finished, or the session has ended."""
    deadline = time.monotonic() + DEADLINE
    while session.poll() is None and time.monotonic() < deadline:
        if (folder / "finished").read_bytes().count(b"\n") >= tests:
            return
        time.sleep(0.002)


def kill(session: subprocess.Popen[bytes], what: Kill) -> None:
    """Send a signal to one of a session's processes, if it is there."""
    if session.poll() is not None:
        return
    relays, workers = children_of(session.pid)
    pids = {"controller": [session.pid], "worker": workers, "relay": relays}[what.victim]
    if pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pids[0], what.signal)


def children_of(pid: int) -> tuple[list[int], list[int]]:
    """Return a session's relays and workers."""
    relays: list[int] = []
    workers: list[int] = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            if int((path / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                is_relay = "pytest_publish" in (path / "cmdline").read_text()
                (relays if is_relay else workers).append(int(path.name))
    return relays, workers


def send_rest(plan: Plan, endpoint: Endpoint, folder: Path) -> str:
    """Send what was left until nobody else sends it any more; return what was said."""
    command = [
        *(sys.executable, "-m", "pytest_publish", "send", f"--to={endpoint.url}"),
        f"--connections={plan.connections}",
    ]
    deadline = time.monotonic() + DEADLINE
    said = ""
    while time.monotonic() < deadline:
        paths = outboxes(folder)
        if not paths:
            return said
        done = subprocess.run(
            [*command, *map(str, paths)],
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )
        said += done.stdout + done.stderr
        if "still sending" not in done.stdout:
            return said
        time.sleep(0.1)
    endpoint.problems.append(f"it can't be sent:\n{said}")
    return said


def outboxes(folder: Path) -> list[Path]:
    return sorted((folder / "outbox").glob("*.jsonl"))


# Counting.


def problems_of(plan: Plan, endpoint: Endpoint, folder: Path, said: str) -> Iterator[str]:
    """Tell what was lost, doubled, or left behind."""
    accepted = list(endpoint.accepted.values())
    tree = [
        json.loads(path.read_bytes())
        for path in (folder / "tree").rglob("result.json")
        if not path.parent.name.startswith(".")
    ]
    yield from of_tests("at the endpoint", accepted, folder)
    yield from of_tests("in the tree", tree, folder)
    keys = {f"{result['session_id']}-{result['seq']}" for result in accepted}
    for result in tree:
        if f"{result['session_id']}-{result['seq']}" not in keys and "cut off" not in said:
            yield f"in the tree, but not at the endpoint: {result['nodeid']}"
    is_cut_off = bool(plan.kills) or "wait to be sent" in (folder / "output").read_text()
    numbers = [int(result["seq"]) for result in accepted]
    if sorted(numbers) != list(range(len(numbers))):
        yield "seq: there are gaps at the endpoint"
    # What was refused is sent last.
    keeps_order = plan.connections == 1 and not REFUSALS & {*plan.answers}
    if keeps_order and numbers != sorted(numbers):
        yield f"they came in another order than that of seq: {numbers}"
    if not processes_end(folder):
        yield f"processes are left running in {folder}"
    # A .gitignore may stay.
    left = [path.name for path in (folder / "outbox").glob("[!.]*")]
    if left and "cut off" not in said:
        yield f"left behind: {left}"
    for problem in endpoint.problems:
        # Whoever was killed, or gave up, may not have read the endpoint's answer.
        if not (is_cut_off and "though it had been accepted" in problem):
            yield problem


def of_tests(where: str, results: list[Result], folder: Path) -> Iterator[str]:
    """Tell which of the tests that finished have no result, or more than one."""
    finished = set((folder / "finished").read_text().split("\n")) - {""}
    # xdist takes a worker that died right after a test for one that died in it.
    counts = Counter(result["nodeid"] for result in results if result["outcome"] != "crashed")
    crashed = {result["nodeid"] for result in results if result["outcome"] == "crashed"}
    if lost := finished - counts.keys() - crashed:
        yield f"{len(lost)} lost {where}: {sorted(lost)}"
    if doubled := [nodeid for nodeid, count in counts.items() if count > 1]:
        yield f"doubled {where}: {doubled}"


def told(plan: Plan, endpoint: Endpoint) -> str:
    """Return in a line what a seed did."""
    parts = [
        " ".join(option for option in plan.options if not option.startswith("--publish")),
        *sorted({*plan.answers} - {"ok"}),
        *(f"{each.signal.name} to {each.victim} after {each.tests}" for each in plan.kills),
    ]
    if plan.dead is not None:
        parts.append(f"dead after {plan.dead[0]} for {plan.dead[1]:.1f} s")
    return f"{', '.join(filter(None, parts)) or 'nothing'}: {len(endpoint.accepted)} results"


def processes_end(folder: Path) -> bool:
    """Wait until no process has its current folder below one."""
    deadline = time.monotonic() + DEADLINE / 4
    while time.monotonic() < deadline:
        if not any(map(is_below(folder), Path("/proc").glob("[0-9]*"))):
            return True
        time.sleep(0.1)
    return False


def is_below(folder: Path) -> Callable[[Path], bool]:
    def check(process: Path) -> bool:
        with contextlib.suppress(OSError):
            return (process / "cwd").readlink().is_relative_to(folder)
        return False

    return check


def check(seed: int, _shrink_seconds: float) -> int:
    """Carry out one seed's plan; tell what was wrong, and return how much."""
    random = Random(seed)  # noqa: S311  # no secret
    plan = plan_of(random)
    endpoint = Endpoint(plan, random)
    folder = Path(tempfile.mkdtemp(prefix="losses-")).resolve()
    exit_code, output = carry_out(plan, endpoint, folder)
    endpoint.answers = ("ok",)
    said = send_rest(plan, endpoint, folder)
    endpoint.stop()
    found = list(problems_of(plan, endpoint, folder, said))
    if not plan.kills and exit_code != 1:
        found.append(f"exit code {exit_code}, though tests failed")
    print(f"seed {seed}: {told(plan, endpoint)}, {len(found)} problems", flush=True)
    if found:
        print(plan, *found, f"in {folder}", output[-2000:], said, sep="\n  ", flush=True)
    else:
        shutil.rmtree(folder)
    return len(found)


if __name__ == "__main__":
    sys.exit(seeds.main(__doc__, check))
