"""Runs into figures: ratios against plain pytest in the same round, as Markdown."""

from __future__ import annotations

import dataclasses
import os
import platform
import statistics
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Final

from measure import Run
from peers import PEERS


@dataclasses.dataclass(frozen=True)
class Figure:
    """The median of a figure over the rounds, and how far the rounds are apart."""

    median: float
    low: float
    high: float

    def shown(self, digits: int = 2) -> str:
        """Return it for a table; the spread only if there is one."""
        text = f"{self.median:.{digits}f}"
        if self.low == self.high:
            return text
        return f"{text} ({self.low:.{digits}f} to {self.high:.{digits}f})"


@dataclasses.dataclass(frozen=True)
class Row:
    """What the rounds of one workload say about one peer, against plain pytest.

    Ratios of wall and CPU time; µs a test more, as time and as CPU time of the
    process that counts the tests, None for a run that broke off; seconds more at the
    end; CPU seconds of other processes, such as the relay; MB.
    """

    workload: str
    peer: str
    wall: Figure
    cpu: Figure
    cpu_total: Figure
    added: Figure | None
    added_cpu: Figure | None
    end: Figure
    cpu_others: Figure
    memory: Figure
    memory_added: Figure
    memory_relay: Figure | None
    tests: int
    delivered: int | None
    kept: int
    expected: int
    exit_codes: list[int]


def rows(runs: list[Run]) -> Iterator[Row]:
    """Yield a row for each workload and peer."""
    for workload in dict.fromkeys(run.workload for run in runs):
        of = {(run.peer, run.round): run for run in runs if run.workload == workload}
        for peer in dict.fromkeys(name for name, _round in of):
            own = [run for (name, _round), run in of.items() if name == peer]
            baseline = PEERS[peer].baseline
            yield _row(own, [of[baseline, run.round] for run in own])


def _row(own: list[Run], plain: list[Run]) -> Row:
    pairs = list(zip(own, plain, strict=True))

    def figure(of: Callable[[Run, Run], float]) -> Figure:
        return _figure(of(run, base) for run, base in pairs)

    relay = [run.memory_relay / 1e6 for run in own if run.memory_relay is not None]
    counted = [run.delivered for run in own if run.delivered is not None]
    is_whole = all(run.tests == run.expected for run in own)
    return Row(
        workload=own[0].workload,
        peer=own[0].peer,
        wall=figure(lambda run, base: run.wall / base.wall),
        cpu=figure(lambda run, base: run.cpu / base.cpu),
        cpu_total=figure(lambda run, base: run.cpu_total / base.cpu_total),
        added=figure(_added) if is_whole else None,
        added_cpu=figure(_added_cpu) if is_whole else None,
        end=figure(lambda run, base: run.end - base.end),
        cpu_others=figure(
            lambda run, base: (run.cpu_total - run.cpu) - (base.cpu_total - base.cpu)
        ),
        memory=figure(lambda run, _base: run.memory / 1e6),
        memory_added=figure(lambda run, base: (run.memory - base.memory) / 1e6),
        memory_relay=_figure(relay) if relay else None,
        tests=min(run.tests for run in own),
        delivered=min(counted, default=None),
        kept=max(run.kept for run in own),
        expected=own[0].expected,
        exit_codes=sorted({run.exit_code for run in own}),
    )


def _added(run: Run, base: Run) -> float:
    return (run.loop / run.tests - base.loop / base.tests) * 1e6


def _added_cpu(run: Run, base: Run) -> float:
    return (run.loop_cpu / run.tests - base.loop_cpu / base.tests) * 1e6


def _figure(values: Iterable[float]) -> Figure:
    known = list(values)
    return Figure(statistics.median(known), min(known), max(known))


def machine() -> dict[str, str]:
    """Return what is known of the machine, and by what it was measured."""
    text = _text(Path("/proc/cpuinfo"))
    models = [line.partition(":")[2].strip() for line in text if line.startswith("model name")]
    memory = [line.split()[1] for line in _text(Path("/proc/meminfo")) if "MemTotal" in line]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{int(memory[0]) / 2**20:.0f} GiB" if memory else "unknown",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _text(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


_HEAD: Final = (
    "reporter",
    "time, ratio",
    "CPU time, ratio",
    "CPU time with relay, ratio",
    "extra µs per test",
    "extra CPU µs per test",
    "extra s at the end",
    "MB",
    "extra MB",
    "MB of the relay",
    "delivered",
)


def in_full(results: dict[str, Any]) -> str:
    """Return all tables, out of ``results.json``: medians, lowest and highest in brackets."""
    table = [_as_row(row) for row in results["rows"]]
    where = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    load = f"The load average before was {results['load_before']:.1f}."
    parts = [f"Measured on {results['date']}: {where}. {load}"]
    for workload in dict.fromkeys(row.workload for row in table):
        rounds = results["rounds"][workload]
        lines = [_cells(row) for row in table if row.workload == workload]
        parts += [
            f"### {results['titles'][workload]}",
            f"{rounds} round{'s' * (rounds > 1)}.",
            _table([_HEAD, *lines]),
        ]
    parts += ["### Versions", *_versions(results["versions"])]
    return "\n\n".join(parts)


def _cells(row: Row) -> tuple[str, ...]:
    delivered = "" if row.delivered is None else f"{row.delivered:,} of {row.expected:,}"
    if row.kept:
        delivered += f", {row.kept:,} kept"
    if row.tests < row.expected:
        delivered += f", the run broke off after {row.tests:,} tests"
    return (
        row.peer,
        row.wall.shown(),
        row.cpu.shown(),
        row.cpu_total.shown(),
        row.added.shown(0) if row.added else "",
        row.added_cpu.shown(0) if row.added_cpu else "",
        row.end.shown(),
        f"{row.memory.median:.0f}",
        f"{row.memory_added.median:.1f}",
        "" if row.memory_relay is None else f"{row.memory_relay.median:.0f}",
        delivered,
    )


def _lines_of(results: dict[str, Any]) -> Iterator[str]:
    for name, latency in results.get("latency", {}).items():
        yield (
            f"From the end of a test to the arrival of its POST, {name}: median "
            f"{latency['median'] * 1e3:.0f} ms, 95th percentile {latency['p95'] * 1e3:.0f} ms "
            f"({latency['results']} results of {latency['expected']})."
        )
    if "relay" in results:
        relay = results["relay"]
        rate = Figure(**relay["posts_a_second"])
        yield (
            f"The relay, on one core: {rate.shown(0)} POSTs a second; "
            f"{relay['cpu_micro']:.0f} µs of CPU per POST, including the relay's start."
        )


_SHORT: Final = ("trivial", "trivial-n2", "failing")


def in_short(results: dict[str, Any]) -> str:
    """Return one table and a few sentences, out of ``results.json``."""
    table = [_as_row(row) for row in results["rows"]]
    of = {(row.workload, row.peer): row for row in table}
    shown = [name for name in _SHORT if (name, "plain") in of]
    first = [row for row in table if row.workload == shown[0] and row.peer != "plain, pytest 8"]
    head = ("", *(results["titles"][name] for name in shown), "results", "extra MB")
    lines = [
        (
            f"**{row.peer}**" if row.peer.startswith("ours") else row.peer,
            *(_cell(of.get((name, row.peer))) for name in shown),
            "" if row.delivered is None else f"{row.delivered:,}",
            f"{row.memory_added.median:.1f}",
        )
        for row in first
    ]
    sent = [row for row in table if row.workload in _FAR and row.peer.endswith("--publish")]
    sentences = [*_lines_of(results), *map(_sentence, sent)]
    return "\n".join([_table([head, *lines]), "", *(f"- {line}" for line in sentences)])


def _as_row(row: dict[str, Any]) -> Row:
    figures: dict[str, Any] = {
        name: Figure(**value) if isinstance(value, dict) else value for name, value in row.items()
    }
    return Row(**figures)


def _cell(row: Row | None) -> str:
    if row is None:  # the workload leaves it out
        return ""
    ratio = f"{row.wall.median:.2f}"
    # Where a test takes 20 ms, the noise is larger than what anybody adds.
    if row.added is None or row.workload == "failing":
        return ratio
    return f"{ratio} ({row.added.median:+,.0f} µs)"


_FAR: Final = {"far": "an endpoint 50 ms away", "dead": "a dead endpoint"}


def _sentence(row: Row) -> str:
    where = f"{row.peer}, {row.expected:,} trivial tests and {_FAR[row.workload]}: "
    if row.added is None:
        return f"{where}the run broke off after {row.tests:,} tests."
    return (
        f"{where}{row.wall.median:.1f} times plain pytest, {row.added.median:+,.0f} µs per test "
        f"and {row.end.median:+.1f} s at the end; {row.delivered:,} arrived, {row.kept:,} kept."
    )


def _table(lines: list[tuple[str, ...]]) -> str:
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|---" * len(lines[0]) + "|", *body])


def _versions(versions: dict[str, dict[str, str]]) -> Iterator[str]:
    for environment, packages in versions.items():
        yield f"{environment}: " + ", ".join(f"{name} {of}" for name, of in packages.items())
