"""One run of pytest, and what it cost; latency; the relay's throughput."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from typing import Final

from environments import Environments
from peers import kept
from peers import Peer
from peers import PEERS
from peers import Place
from sink import dead_url
from sink import Received
from sink import Sink
from workloads import Workload
from workloads import write_suite


#: Seconds that an endpoint far away takes to answer.
FAR: Final = 0.05

_PROBE: Final = Path(__file__).resolve().parent / "probe"
# What would make the measured processes behave otherwise here than elsewhere.
_WITHHELD: Final = ("PYTEST_", "PYTHON", "COV_CORE_", "COVERAGE_")
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
# Of the relay's command line.
_RELAY: Final = b"pytest_publish.delivery.relay"
_SAMPLING: Final = 0.05


@dataclasses.dataclass(frozen=True)
class Run:
    """The cost of one run. Seconds, bytes, counts; None where it can't be told.

    ``cpu`` is of pytest's processes: the one of a serial run, or the controller and
    its workers. ``cpu_total`` has all others that it started as well, such as the relay.
    ``loop`` is from the first test's start to the last one's end, ``end`` from there
    to the end of the process. ``kept`` results wait on disk to be sent later.
    """

    workload: str
    peer: str
    round: int
    exit_code: int
    tests: int
    expected: int
    delivered: int | None
    kept: int
    wall: float
    cpu: float
    cpu_total: float
    loop: float
    loop_cpu: float
    end: float
    memory: int
    memory_relay: int | None


class Bench:
    """Runs pytest in environments, against a sink, in folders that it removes."""

    def __init__(
        self, environments: Environments, sink: Sink, suites: Path, runs: Path, *, keep: bool
    ) -> None:
        """Keep suites in one folder, and let runs write into another.

        With ``keep`` what runs wrote is removed by :meth:`close` only.
        """
        self._environments = environments
        self._sink = sink
        self._suites = suites
        self._runs = Path(tempfile.mkdtemp(prefix="publish-benchmark-", dir=runs))
        self._keep = keep

    def close(self) -> None:
        """Remove all that runs wrote."""
        shutil.rmtree(self._runs)

    def warm_up(self, workload: Workload) -> None:
        """Have the tests' bytecode written, for each environment that will run them."""
        suite = write_suite(self._suites, workload.kind, workload.tests)
        for name in dict.fromkeys(PEERS[peer].environment for peer in workload.peers):
            arguments = ["--collect-only", "-qq", "-p", "no:cacheprovider", str(suite)]
            command = [str(self._environments.python(name)), "-m", "pytest", *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_environment())

    def run(self, workload: Workload, peer: Peer, number: int) -> Run:
        """Run a workload once with one peer."""
        self._sink.reset(delay=FAR if workload.endpoint == "far" else 0.0, record=peer.record)
        with self._folder() as folder, self._url(workload) as url:
            place = Place(folder, url, workload.grace)
            return self._measured(workload, peer, number, place)

    def received_by(self, workload: Workload, peer: Peer) -> Received:
        """Run a workload once and return what the sink got, with times and bodies."""
        self._sink.reset(record=True)
        with self._folder() as folder:
            self._measured(workload, peer, 0, Place(folder, self._sink.url, workload.grace))
        return self._sink.received()

    def relay(self, results: int) -> tuple[Received, float]:
        """Have a full outbox sent, by a relay on one core with the sink on another.

        Return what the sink got and the CPU seconds of the relay's process.
        """
        self._sink.reset()
        with self._folder() as folder, _pinned(self._sink.pid) as core:
            outbox = folder / "filled.jsonl"
            outbox.write_bytes(b"".join(map(_line, range(results))) + b"\n")
            arguments = ["send", str(outbox), "--to", f"{self._sink.url}/results"]
            process = subprocess.Popen(
                [self._environments.python("ours"), "-m", "pytest_publish", *arguments],
                env=_environment(),
                cwd=folder,
                stdout=subprocess.DEVNULL,
            )
            os.sched_setaffinity(process.pid, {core})
            _code, usage = _wait(process)
            return self._sink.received(), usage

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self._runs))
        try:
            yield folder
        finally:
            if not self._keep:
                shutil.rmtree(folder)

    @contextmanager
    def _url(self, workload: Workload) -> Iterator[str]:
        if workload.endpoint != "dead":
            yield self._sink.url
            return
        with dead_url() as url:
            yield url

    def _measured(self, workload: Workload, peer: Peer, number: int, place: Place) -> Run:
        suite = write_suite(self._suites, workload.kind, workload.tests)
        probes = place.folder / "probes"
        probes.mkdir()
        command = [
            *(str(self._environments.python(peer.environment)), "-m", "pytest"),
            *("-p", "benchmark_probe", "-o", f"cache_dir={place.folder / 'cache'}"),
            *workload.arguments,
            *peer.arguments(place),
            str(suite),
        ]
        variables = {"PYTHONPATH": str(_PROBE), "BENCHMARK_PROBE": str(probes)}
        environment = _environment() | variables | peer.variables(place)
        begun = time.time()
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=place.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with _watching(process.pid) as relay_memory:
            exit_code, cpu_total = _wait(process)
            ended = time.time()
        told = [json.loads(path.read_bytes()) for path in probes.iterdir()]
        session = next(probe for probe in told if probe["role"] == "session")
        workers = sum(probe["cpu"] for probe in told if probe["role"] == "worker")
        started = session["started"]
        stopped = session["stopped"] or started  # the first test already was its end
        received = self._sink.received()
        return Run(
            workload=workload.name,
            peer=peer.name,
            round=number,
            exit_code=exit_code,
            tests=session["tests"],
            expected=workload.tests,
            delivered=peer.count and peer.count(place, received),
            kept=kept(place),
            wall=ended - begun,
            cpu=cpu_total - session["cpu_children"] + workers,
            cpu_total=cpu_total,
            loop=stopped[0] - started[0],
            loop_cpu=stopped[1] - started[1],
            end=ended - stopped[0],
            memory=max(_peak_memory(probe["status"]) for probe in told),
            memory_relay=max(relay_memory, default=None),
        )


def latencies(received: Received) -> list[float]:
    """Return the seconds from the end of each test's teardown to its POST's arrival."""
    return [at - body["phases"][-1]["stop_time"] for at, body in received.recorded]


def percentile(values: list[float], percent: int) -> float:
    """Return the value below which so many per cent of values are."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_WITHHELD) and name.lower() not in _PROXIES
    }


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Return a process's exit code and the CPU seconds of it and what it waited for."""
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


@contextmanager
def _watching(pid: int) -> Iterator[set[int]]:
    """Sample, while a process runs, the peak memory of relays among its children."""
    peaks: set[int] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_SAMPLING):
            with contextlib.suppress(OSError):  # it has just ended
                peaks.update(_relay_memory(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def _relay_memory(pid: int) -> Iterator[int]:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
        if _RELAY in Path(f"/proc/{child}/cmdline").read_bytes():
            yield _peak_memory(Path(f"/proc/{child}/status").read_text("utf-8"))


def _peak_memory(status: str) -> int:
    """Return the bytes that a process's status in /proc tells.

    Not by rusage, which begins with the memory of the process that forked.
    """
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) << 10 if found else 0  # nothing is left of one that has just ended


@contextmanager
def _pinned(pid: int) -> Iterator[int]:
    """Keep a process on one core, and return another; the same one if there is no other."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(pid, {min(cores)})
    try:
        yield max(cores)
    finally:
        os.sched_setaffinity(pid, cores)


def _line(seq: int) -> bytes:
    """Return a line of an outbox, as a trivial test's result makes one."""
    now = 1.8e9 + seq / 1000
    nodeid = f"tests/test_000.py::test_{seq:06}"
    phases = [
        {
            "when": when,
            "outcome": "passed",
            "start_time": now,
            "stop_time": now + 1e-4,
            "duration": 1e-4,
            "excinfo": None,
        }
        for when in ("setup", "call", "teardown")
    ]
    result: dict[str, Any] = {
        "type": "result",
        "result": "pass",
        "nodeid": nodeid,
        "start_time": now,
        "stop_time": now + 1e-4,
        "duration": 1e-4,
        **dict.fromkeys(("stdout", "stderr", "log"), ""),
        **dict.fromkeys(("xdist_dist", "xdist_worker", "xdist_scope", "excinfo"), None),
        "name": f"test_{seq:06}",
        "pubdir_path": None,
        "outcome": "passed",
        "attempt": 1,
        "run_id": "0" * 32,
        "session_id": "0" * 32,
        "seq": seq,
        "file": "tests/test_000.py",
        "line": seq,
        "phases": phases,
        "subtests": [],
        "properties": {},
    }
    return json.dumps(result, separators=(",", ":")).encode() + b"\n"
