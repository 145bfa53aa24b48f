"""Counts the processor instructions that publishing takes; writes docs/cost.md.

Needs Linux and valgrind; other work on the machine does not change the counts. Instructions
of the kernel are not counted, but timed.py measures their time. The garbage collector is off,
see without_gc/sitecustomize.py.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final
from typing import TypeAlias

import page
import picture
from floor import FLOORS
from peers import AGAIN
from peers import ENVIRONMENT
from peers import INSTALLED
from peers import OTHERS
from peers import OURS
from peers import Peer
from peers import PLAIN
from peers import PUBLISH
from sink import running_sink
from sink import Sink
from suite import write_suite


#: The numbers of tests in two suites: in their difference, work done once per session cancels.
FEW, MANY = 200, 700
#: Likewise the numbers of results that the relay sends, and of the operations to compare with.
FEW_SENT, MANY_SENT = 1_000, 3_000
SENDS: Final = {"one result per POST": 1, "--publish-batch=100": 100}

PEERS: Final = (PLAIN, AGAIN, INSTALLED, *OURS, *OTHERS)

_WITHOUT_GC: Final = {"PYTHONPATH": str(Path(__file__).with_name("without_gc"))}

#: Makes one count, in a new folder.
Count: TypeAlias = Callable[[Path], int]


class Counter:
    """Counts the instructions of a program, without its child processes."""

    def __init__(self, folder: Path, sink: Sink) -> None:
        self._folder = folder
        self._sink = sink
        self._suites = {
            tests: write_suite(folder / f"suite-{tests}", tests)
            for tests in (1, FEW_SENT, FEW, MANY_SENT, MANY)
        }
        # Bytecode is written once: of the tests, and of what each peer imports.
        for suite in self._suites.values():
            _run(PLAIN.command(suite, folder, sink.url()))
        for peer in PEERS:
            _run(peer.command(self._suites[1], folder, sink.url()))

    def session(self, peer: Peer, tests: int) -> Count:
        """Return a function that counts a session."""

        def count(folder: Path) -> int:
            url = self._sink.url()
            instructions = _counted(peer.command(self._suites[tests], folder, url), folder)
            peer.check(tests, folder, self._sink, url)
            return instructions

        return count

    def sending(self, results: int, batch: int) -> Count:
        """Return a function that counts ``pytest-publish send`` for the results of a run."""

        def count(folder: Path) -> int:
            nobody = "http://127.0.0.1:9/"
            _run([*PUBLISH.command(self._suites[results], folder, nobody), "--publish-grace=0"])
            (outbox,) = (folder / "outbox").glob("*.jsonl")
            url = self._sink.url()
            # Such a fast endpoint normally needs one connection; under valgrind everything is so
            # slow that the sender would open more.
            how = ["--connections=1", f"--batch={batch}"]
            send = ["send", str(outbox), "--to", url, *how]
            instructions = _counted([sys.executable, "-m", "pytest_publish", *send], folder)
            assert len(self._sink.received(url)) == results
            return instructions

        return count

    def floor(self, name: str, times: int) -> Count:
        """Return a function that counts an operation, done that many times."""
        program = str(Path(__file__).with_name("floor.py"))

        def count(folder: Path) -> int:
            command = [sys.executable, program, name, str(times), str(folder), self._sink.url()]
            return _counted(command, folder)

        return count


def _counted(command: list[str], folder: Path) -> int:
    """Return the number of instructions of a process."""
    valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--child-silent-after-fork=yes"]
    log = folder / "valgrind"
    _run([*valgrind, "--cachegrind-out-file=/dev/null", f"--log-file={log}", *command])
    found = re.search(r"I +refs: +([\d,]+)", log.read_text("utf-8"))
    assert found, log.read_text("utf-8")
    return int(found[1].replace(",", ""))


def _run(command: list[str]) -> None:
    variables = ENVIRONMENT | _WITHOUT_GC
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )


#: The name of a count, and its number of tests, results or operations.
Key: TypeAlias = tuple[str, int]
Counts: TypeAlias = dict[Key, int]


def counts_of_all(counter: Counter, folder: Path) -> Counts:
    """Count everything, one thing after the other."""
    tasks: dict[Key, Count] = {}
    for peer in PEERS:
        tasks |= {(peer.name, tests): counter.session(peer, tests) for tests in (1, FEW, MANY)}
    for name, batch in SENDS.items():
        tasks |= {(name, sent): counter.sending(sent, batch) for sent in (FEW_SENT, MANY_SENT)}
    for name in FLOORS:
        tasks |= {(name, times): counter.floor(name, times) for times in (FEW, MANY)}

    def run(key: Key) -> int:
        place = Path(tempfile.mkdtemp(dir=folder))
        instructions = tasks[key](place)
        shutil.rmtree(place)
        print(f"{key[0]} {key[1]:,}: {instructions:,}", file=sys.stderr)
        return instructions

    return {key: run(key) for key in tasks}


class Figures:
    """Instructions per test, result or operation, and per start of a session, from the counts."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def of_one(self, name: str, few: int = FEW, many: int = MANY) -> float:
        """Return the instructions of one more test."""
        return (self._counts[name, many] - self._counts[name, few]) / (many - few)

    def start(self, name: str) -> int:
        """Return how many more instructions a session of one test takes than plain pytest's."""
        return self._counts[name, 1] - self._counts[PLAIN.name, 1]

    def ratio(self, name: str) -> float:
        """Return the cost of a test, relative to plain pytest."""
        return self.of_one(name) / self.of_one(PLAIN.name)


def tables(figures: Figures) -> str:
    """Return the text for the page."""
    plain = figures.of_one(PLAIN.name)
    head = ("", "times plain pytest", "added instructions per test", "added at the start, millions")
    rows = (
        (
            f"**{peer.name}**" if peer in OURS else peer.name,
            f"{figures.ratio(peer.name):.2f}",
            f"{round(figures.of_one(peer.name) - plain):,}",
            str(round(figures.start(peer.name) / 1e6)),
        )
        for peer in PEERS
    )
    sent = ((name, f"{figures.of_one(name, FEW_SENT, MANY_SENT):,.0f}") for name in SENDS)
    floors = (
        (what.__doc__.rstrip(".") if what.__doc__ else name, f"{figures.of_one(name):,.0f}")
        for name, what in FLOORS.items()
    )
    parts = (
        f"{page.where()}. Plain pytest takes {plain:,.0f} instructions per test.",
        page.table(head, rows),
        page.table(("the relay", "instructions per result"), sent),
        page.table(("operation", "instructions"), floors),
    )
    return "\n\n".join(parts)


def main() -> None:
    """Count, and write the tables and the picture."""
    with running_sink() as sink, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = Figures(counts_of_all(Counter(folder, sink), folder))
    page.put("counted", tables(figures))
    shown = (PLAIN, *OURS, *OTHERS)
    bars = sorted((figures.ratio(peer.name), peer.name, peer in OURS) for peer in shown)
    picture.draw(bars, page.ROOT / "docs" / "cost.svg")


if __name__ == "__main__":
    main()
