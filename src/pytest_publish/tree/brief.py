"""``brief.txt``: a result as text for people."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Final

from pytest_publish._os import realos
from pytest_publish.results.result import TestResult
from pytest_publish.results.values import jsonable


_WIDTH: Final = 80


def render(result: TestResult) -> str:
    """Return the whole text: what, where, how long, then failure, output and log."""
    lines = [f"{result.outcome.upper()}  {result.nodeid}", ""]
    lines += [f"{label:<9} {text}" for label, text in _facts(result)]
    for heading, text in _texts(result):
        lines += ["", f" {heading} ".center(_WIDTH, "="), text.rstrip("\n")]
    return "\n".join(lines) + "\n"


def _facts(result: TestResult) -> Iterator[tuple[str, str]]:
    yield "result", result.result
    if result.file is not None:
        yield "file", result.file if result.line is None else f"{result.file}:{result.line}"
    yield "started", _stamp(int(result.start_time))
    yield "took", _durations(result)
    if result.attempt > 1:
        yield "attempt", str(result.attempt)
    if result.xdist_dist is not None:
        yield "worker", f"{result.xdist_worker or 'none'} (--dist {result.xdist_dist})"
    if result.xdist_scope is not None:
        yield "scope", result.xdist_scope
    for name, value in result.properties.items():
        yield "property", f"{name} = {jsonable(value)}"
    for subtest in result.subtests:
        yield "subtest", f"{subtest.outcome}  {subtest.description}"


@functools.lru_cache(maxsize=1)  # most tests start in the same second as the one before
def _stamp(seconds: int) -> str:
    try:
        return realos.strftime("%Y-%m-%d %H:%M:%S UTC", realos.gmtime(seconds))
    except (OSError, OverflowError, ValueError):  # a hook may set any time
        return f"{seconds} s after 1970-01-01 UTC"


def _durations(result: TestResult) -> str:
    parts = ", ".join(f"{phase.when} {phase.duration:.3f} s" for phase in result.phases)
    return f"{result.duration:.3f} s" + (f" ({parts})" if len(result.phases) > 1 else "")


def _texts(result: TestResult) -> Iterator[tuple[str, str]]:
    yield from result.details
    yield from (
        (heading, text)
        for heading, text in (
            ("captured stdout", result.stdout),
            ("captured stderr", result.stderr),
            ("captured log", result.log),
        )
        if text
    )
