"""Measures the time that publishing takes; writes docs/cost.md.

Needs Linux, and an otherwise idle machine: the difference between two runs of plain pytest
is the noise floor. All files of the runs are in memory (/dev/shm).
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from typing import TypeAlias

import page
from floor import FLOORS
from peers import AGAIN
from peers import BOTH
from peers import ENVIRONMENT
from peers import EVENTS
from peers import INSTALLED
from peers import JUNITXML
from peers import Peer
from peers import PLAIN
from peers import PUBDIR
from peers import PUBLISH
from sink import running_sink
from sink import Sink
from suite import write_suite


ROUNDS: Final = 3
STARTS: Final = 9
TESTS: Final = 5_000
MANY: Final = 100_000
FLOOR_TIMES: Final = 5_000
_MEANING: Final = "Medians, with the lowest and the highest of the rounds in brackets."
BATCHES: Final = (1, 100)
DISTRIBUTED: Final = ("-n", "2")
#: Seconds before a distant endpoint answers.
FAR: Final = 0.05
#: A URL where no server listens.
DEAD: Final = "http://127.0.0.1:9/"

_IMPATIENT: Final = dataclasses.replace(
    PUBLISH, arguments=(*PUBLISH.arguments, "--publish-grace=1")
)
_ALL: Final = (PLAIN, AGAIN, JUNITXML, PUBLISH, EVENTS, PUBDIR, BOTH)


@dataclasses.dataclass(frozen=True)
class Run:
    """Total seconds, CPU seconds of all processes, seconds of the tests alone; peak memory."""

    wall: float
    cpu: float
    tests: float
    megabytes: float


#: The runs of each peer by its name, one per round.
Runs: TypeAlias = dict[str, list[Run]]


class Clock:
    """Runs pytest with a sink as endpoint, in temporary folders."""

    def __init__(self, folder: Path, sink: Sink) -> None:
        self._folder = folder
        self.sink = sink

    @contextmanager
    def place(self) -> Iterator[Path]:
        """Make a folder for one run."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        yield folder
        shutil.rmtree(folder)

    def suite(self, tests: int, head: str = "", body: str = "pass") -> Path:
        """Return a new suite with compiled bytecode."""
        suite = write_suite(self._folder / f"suite-{tests}", tests, head, body)
        collect = [*PLAIN.command(suite, suite, ""), "--collect-only", "-qq"]
        subprocess.run(collect, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
        return suite

    def run(self, peer: Peer, suite: Path, folder: Path, url: str, *arguments: str) -> Run:
        """Run a suite once."""
        probe = folder / "probe"
        variables = {"PYTHONPATH": str(Path(__file__).parent), "BENCHMARK_PROBE": str(probe)}
        command = [*peer.command(suite, folder, url), "-p", "probe", *arguments]
        begun, before = time.perf_counter(), _cpu_of_children()
        subprocess.run(command, env=ENVIRONMENT | variables, stdout=subprocess.DEVNULL, check=True)
        wall, cpu = time.perf_counter() - begun, _cpu_of_children() - before
        return Run(wall, cpu, *json.loads(probe.read_bytes()))

    def rounds(
        self,
        peers: Iterable[Peer],
        suite: Path,
        rounds: int,
        *arguments: str,
        url: str | None = None,
    ) -> Runs:
        """Run each peer once per round; each round begins with a different peer.

        If a URL is given, nothing is expected to arrive there.
        """
        order = list(peers)
        runs: Runs = {peer.name: [] for peer in order}
        for _round in range(rounds):
            for peer in order:
                with self.place() as folder:
                    to = url or self.sink.url()
                    runs[peer.name].append(self.run(peer, suite, folder, to, *arguments))
                    if url is None:
                        peer.check(_tests(suite), folder, self.sink, to)
                _tell(f"{peer.name} {suite.name} {' '.join(arguments)}: {runs[peer.name][-1]}")
            order.append(order.pop(0))
        return runs

    def latencies(self, suite: Path, *arguments: str) -> dict[str, list[float]]:
        """Return, for each test, the milliseconds until its ``test_start`` or result arrives."""
        url = self.sink.url()
        with self.place() as folder:
            self.run(EVENTS, suite, folder, url, *arguments)
        received = self.sink.received(url)
        began = {told["nodeid"]: at for at, told in received if told["type"] == "test_start"}
        ended = [(at, told) for at, told in received if told["type"] == "result"]
        assert len(ended) == len(began) == _tests(suite)
        return {
            "a test's setup begins": [
                (began[told["nodeid"]] - told["phases"][0]["start_time"]) * 1000
                for _at, told in ended
            ],
            "a test's teardown ends": [
                (at - told["phases"][-1]["stop_time"]) * 1000 for at, told in ended
            ],
        }

    def sending(self, suite: Path, batch: int) -> tuple[float, float]:
        """Send the outbox of a run with events.

        Return how many objects arrived per second, and the CPU microseconds of the sender
        for each object.
        """
        url = self.sink.url()
        with self.place() as folder:
            self.run(EVENTS, suite, folder, DEAD, "--publish-grace=0")
            (outbox,) = (folder / "outbox").glob("*.jsonl")
            send = ("send", str(outbox), "--to", url, f"--batch={batch}")
            before = _cpu_of_children()
            command = [sys.executable, "-m", "pytest_publish", *send]
            subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
            cpu = _cpu_of_children() - before
        times = [at for at, _told in self.sink.received(url)]
        return (len(times) - 1) / (times[-1] - times[0]), cpu / len(times) * 1e6

    def floor(self, name: str) -> float:
        """Return the microseconds of an operation in floor.py."""
        program = str(Path(__file__).with_name("floor.py"))
        with self.place() as folder:
            command = (name, str(FLOOR_TIMES), str(folder), self.sink.url())
            return float(
                subprocess.check_output([sys.executable, program, *command], env=ENVIRONMENT)
            )


def _tests(suite: Path) -> int:
    return int(suite.name.partition("-")[2])


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def _spread(values: Iterable[float], digits: int = 0) -> str:
    each = list(values)
    text = f"{statistics.median(each):.{digits}f}"
    if len(each) == 1:
        return text
    return f"{text} ({min(each):.{digits}f} to {max(each):.{digits}f})"


def _row(runs: Runs, name: str, tests: int) -> tuple[str, ...]:
    """Compare a peer's runs with the plain runs of the same rounds."""
    pairs = list(zip(runs[name], runs[PLAIN.name], strict=True))
    return (
        name,
        _spread((run.wall / plain.wall for run, plain in pairs), 2),
        _spread((run.tests - plain.tests) / tests * 1e6 for run, plain in pairs),
        _spread((run.cpu - plain.cpu) / tests * 1e6 for run, plain in pairs),
        f"{statistics.median(run.megabytes - plain.megabytes for run, plain in pairs):.1f}",
    )


def _trivial(clock: Clock, peers: tuple[Peer, ...], suite: Path, *arguments: str) -> str:
    tests = _tests(suite)
    runs = clock.rounds(peers, suite, ROUNDS if tests == TESTS else 1, *arguments)
    what = " ".join((f"{tests:,} trivial tests", *arguments))
    head = (what, "times plain pytest", "added µs per test", "added CPU µs per test", "added MB")
    return page.table(head, (_row(runs, name, tests) for name in runs))


def _starts(clock: Clock) -> str:
    runs = clock.rounds((PLAIN, INSTALLED, PUBDIR, PUBLISH, EVENTS), clock.suite(1), STARTS)
    rows = []
    for name, of in runs.items():
        pairs = list(zip(of, runs[PLAIN.name], strict=True))
        wall = _spread((run.wall - plain.wall) * 1000 for run, plain in pairs)
        cpu = _spread((run.cpu - plain.cpu) * 1000 for run, plain in pairs)
        rows.append((name, _spread(run.wall * 1000 for run in of), wall, cpu))
    return page.table(("a session of one test", "ms", "added ms", "added CPU ms"), rows)


def _arrival(clock: Clock) -> str:
    suite = clock.suite(400, "import time\n", "time.sleep(0.005)")
    rows = []
    for arguments in ((), DISTRIBUTED):
        for since, ms in clock.latencies(suite, *arguments).items():
            percentile = statistics.quantiles(ms, n=20)[-1]
            how = " ".join(arguments) or "without -n"
            rows.append((f"{since}, {how}", f"{statistics.median(ms):.0f}", f"{percentile:.0f}"))
    return page.table(
        ("time until a result or event arrives, since", "median ms", "95th percentile ms"), rows
    )


def _relay(clock: Clock, suite: Path) -> str:
    rows = []
    for batch in BATCHES:
        rates, cpus = zip(*(clock.sending(suite, batch) for _round in range(ROUNDS)), strict=True)
        rows.append((f"--publish-batch={batch}", _spread(rates), _spread(cpus)))
        _tell(str(rows[-1]))
    return page.table(("the relay, results and events", "per second", "CPU µs each"), rows)


def _trouble(clock: Clock) -> str:
    suite = clock.suite(500)
    rows = []
    for what, delay, url in (("50 ms away", FAR, None), ("dead, --publish-grace=1", 0.0, DEAD)):
        clock.sink.delay = delay
        runs = clock.rounds((PLAIN, _IMPATIENT), suite, ROUNDS, url=url)
        pairs = list(zip(runs[_IMPATIENT.name], runs[PLAIN.name], strict=True))
        added = _spread((run.tests - plain.tests) / 500 * 1e6 for run, plain in pairs)
        rows.append((what, added, _spread((run.wall - plain.wall for run, plain in pairs), 1)))
    clock.sink.delay = 0.0
    return page.table(
        ("500 trivial tests, an endpoint", "added µs per test", "added s in total"), rows
    )


def _floors(clock: Clock) -> str:
    rows = (
        (str(what.__doc__).rstrip("."), _spread(clock.floor(name) for _round in range(ROUNDS)))
        for name, what in FLOORS.items()
    )
    return page.table(("operation", "µs"), rows)


def _parts(clock: Clock) -> Iterator[str]:
    """Yield the tables one by one, the quick ones first."""
    yield _arrival(clock)
    yield _starts(clock)
    trivial = clock.suite(TESTS)
    yield _relay(clock, trivial)
    yield _trivial(clock, _ALL, trivial, *DISTRIBUTED)
    yield _trivial(clock, _ALL, trivial)
    yield _trivial(clock, (PLAIN, EVENTS), clock.suite(MANY))
    yield _floors(clock)
    yield _trouble(clock)


def main() -> None:
    """Measure, and write each table into the page as soon as it is complete."""
    where, before = page.where(), os.getloadavg()[0]
    shared_memory = Path("/dev/shm")  # noqa: S108 - in a new folder
    parts = []
    with running_sink() as sink, tempfile.TemporaryDirectory(dir=shared_memory) as name:
        for part in _parts(Clock(Path(name), sink)):
            parts.append(part)
            load = f"load average {before:.1f} before and {os.getloadavg()[0]:.1f} after"
            page.put("timed", "\n\n".join((f"{where}; {load}. {_MEANING}", *parts)))


if __name__ == "__main__":
    main()
