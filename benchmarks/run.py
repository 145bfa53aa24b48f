"""Measure what publishing costs, beside plain pytest and what else people use.

Makes its own environments in a cache folder, runs every peer once a round in turn,
and writes ``results.json`` and ``benchmark.svg``; ``cost_page.py`` makes text of the
figures. Needs Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import json
import os
import statistics
import subprocess
from pathlib import Path
from typing import Any
from typing import Final

import report
from environments import Environments
from environments import ROOT
from measure import Bench
from measure import latencies
from measure import percentile
from measure import Run
from peers import PEERS
from sink import running_sink
from sink import Sink
from workloads import Workload
from workloads import WORKLOADS


#: Beside the workloads.
_OTHERS: Final = ("latency", "relay")
_RELAYED: Final = 5_000
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - in a folder of a name that is new
_LATENCY: Final = {
    "serially": Workload("latency", "tests of 5 ms", 400, "sleeping"),
    "-n 2": Workload("latency", "tests of 5 ms", 400, "sleeping", ("-n", "2")),
}


def main() -> None:
    """Measure what the command line asks for."""
    asked = _arguments()
    environments = Environments(asked.cache / "environments")
    names = asked.workload or [*WORKLOADS, *_OTHERS]
    workloads = [WORKLOADS[name] for name in names if name in WORKLOADS]
    if asked.quick:
        workloads = [workload.quick() for workload in workloads]
    if asked.peer:
        workloads = [_only(workload, asked.peer) for workload in workloads]
    rounds = {workload.name: workload.rounds or asked.rounds for workload in workloads}
    results: dict[str, Any] = {
        "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),
        "machine": report.machine() | {"trees": _file_system(asked.disk or _MEMORY)},
        # What others did meanwhile: the figures are those of a quiet machine below 1.
        "load_before": os.getloadavg()[0],
        "rounds": rounds,
        "titles": {workload.name: workload.title for workload in workloads},
    }
    runs: list[Run] = []
    with running_sink() as sink, _bench(environments, sink, asked) as bench:
        # What is short comes first, and what is measured is written down at once.
        if "latency" in names:
            results["latency"] = _latency(bench, quick=asked.quick)
        if "relay" in names:
            results["relay"] = _relay(bench, asked.rounds)
        _write(asked.output, results, runs, environments)
        for each in workloads:
            runs += _rounds(bench, each, rounds[each.name])
            _write(asked.output, results, runs, environments)
    if runs:
        _plot(asked.output, environments)
    print(f"written to {asked.output}")


def _bench(
    environments: Environments, sink: Sink, asked: argparse.Namespace
) -> contextlib.closing[Bench]:
    """Make a bench that writes into memory, or where the command line says.

    On a disk nothing is removed before the end: ext4 looks for five minutes past each
    inode that was freed, and then creates files at a tenth of its usual pace.
    """
    runs = asked.disk or _MEMORY
    bench = Bench(environments, sink, asked.cache / "suites", runs, keep=runs != _MEMORY)
    return contextlib.closing(bench)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often all run (default 5)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the tests")
    parser.add_argument(
        "--workload",
        action="append",
        choices=[*WORKLOADS, *_OTHERS],
        help="measure this only (repeatable)",
    )
    parser.add_argument(
        "--peer", action="append", choices=list(PEERS), help="and its baseline only (repeatable)"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "benchmark")
    parser.add_argument(
        "--disk", type=Path, metavar="FOLDER", help=f"let runs write here and not in {_MEMORY}"
    )
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "benchmarks")
    asked = parser.parse_args()
    asked.output = asked.output.resolve()
    asked.cache = asked.cache.resolve()
    return asked


def _file_system(folder: Path) -> str:
    """Return the kind of file system that a folder is on."""
    command = ["df", "--output=fstype", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]


def _only(workload: Workload, names: list[str]) -> Workload:
    wanted = {*names, *(PEERS[name].baseline for name in names)}
    chosen = tuple(name for name in workload.peers if name in wanted)
    return dataclasses.replace(workload, peers=chosen)


def _rounds(bench: Bench, workload: Workload, rounds: int) -> list[Run]:
    """Run all peers in turn, each round beginning with another one."""
    print(workload.title, flush=True)
    bench.warm_up(workload)
    runs = []
    for number in range(rounds):
        first = number % len(workload.peers)
        for name in workload.peers[first:] + workload.peers[:first]:
            run = bench.run(workload, PEERS[name], number)
            print(
                f"  {number + 1}/{rounds} {name:16} {run.wall:7.2f} s, CPU {run.cpu:6.2f} s, "
                f"{run.loop / max(run.tests, 1) * 1e6:6.0f} µs a test, end {run.end:6.2f} s, "
                f"delivered {run.delivered}, exit code {run.exit_code}",
                flush=True,
            )
            runs.append(run)
    # As the table has them, whoever was first.
    return sorted(runs, key=lambda run: (run.round, workload.peers.index(run.peer)))


def _latency(bench: Bench, *, quick: bool) -> dict[str, dict[str, float]]:
    found = {}
    for name, whole in _LATENCY.items():
        workload = whole.quick() if quick else whole
        received = bench.received_by(workload, PEERS["ours --publish"])
        seconds = latencies(received)
        found[name] = {
            "median": statistics.median(seconds),
            "p95": percentile(seconds, 95),
            "results": len(seconds),
            "expected": workload.tests,
        }
        print(f"latency {name}: {found[name]}", flush=True)
    return found


def _relay(bench: Bench, rounds: int) -> dict[str, Any]:
    rates, cpus = [], []
    for _round in range(rounds):
        received, cpu = bench.relay(_RELAYED)
        assert received.keys == _RELAYED, received.keys
        rates.append((received.posts - 1) / received.seconds)
        cpus.append(cpu / received.posts * 1e6)
        print(f"relay: {rates[-1]:.0f} POSTs a second", flush=True)
    rate = {"median": statistics.median(rates), "low": min(rates), "high": max(rates)}
    return {"posts_a_second": rate, "cpu_micro": statistics.median(cpus)}


def _write(
    folder: Path, results: dict[str, Any], runs: list[Run], environments: Environments
) -> None:
    used = dict.fromkeys(["ours", *(PEERS[run.peer].environment for run in runs)])
    results["versions"] = {name: environments.versions(name) for name in used}
    results["rows"] = [dataclasses.asdict(row) for row in report.rows(runs)]
    results["runs"] = [dataclasses.asdict(run) for run in runs]
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    (folder / "results.json").write_text(text, "utf-8")


def _plot(folder: Path, environments: Environments) -> None:
    program = Path(__file__).with_name("plot.py")
    arguments = [program, folder / "results.json", folder / "benchmark.svg"]
    subprocess.run([environments.python("plot"), *arguments], check=True)


if __name__ == "__main__":
    main()
