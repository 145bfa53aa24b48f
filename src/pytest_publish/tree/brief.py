"""``brief.txt``: a result as text for people."""

from __future__ import annotations

import functools
from typing import Final

from pytest_publish._os import realos
from pytest_publish.results.result import TestResult
from pytest_publish.results.values import jsonable


_WIDTH: Final = 80


def render(result: TestResult) -> str:
    """Return the whole text: what, where, how long, then failure, output and log."""
    lines = [f"{result.outcome.upper()}  {result.nodeid}", ""]
    _add_facts(lines, result)
    for heading, text in result.details:
        _add_text(lines, heading, text)
    if result.stdout:
        _add_text(lines, "captured stdout", result.stdout)
    if result.stderr:
        _add_text(lines, "captured stderr", result.stderr)
    if result.log:
        _add_text(lines, "captured log", result.log)
    lines.append("")
    return "\n".join(lines)


def _add_facts(lines: list[str], result: TestResult) -> None:
    lines.append(f"result    {result.result}")
    if result.file is not None:
        line = "" if result.line is None else f":{result.line}"
        lines.append(f"file      {result.file}{line}")
    lines.append(f"started   {_stamp(int(result.start_time))}")
    lines.append(f"took      {_durations(result)}")
    if result.attempt > 1:
        lines.append(f"attempt   {result.attempt}")
    if result.xdist_dist is not None:
        lines.append(f"worker    {result.xdist_worker or 'none'} (--dist {result.xdist_dist})")
    if result.xdist_scope is not None:
        lines.append(f"scope     {result.xdist_scope}")
    if result.properties:
        properties = result.properties.items()
        lines += [f"property  {name} = {jsonable(value)}" for name, value in properties]
    if result.subtests:
        lines += [f"subtest   {part.outcome}  {part.description}" for part in result.subtests]


def _add_text(lines: list[str], heading: str, text: str) -> None:
    lines += ["", f" {heading} ".center(_WIDTH, "="), text.rstrip("\n")]


@functools.lru_cache(maxsize=1)  # most tests start in the same second as the one before
def _stamp(seconds: int) -> str:
    try:
        return realos.strftime("%Y-%m-%d %H:%M:%S UTC", realos.gmtime(seconds))
    except (OSError, OverflowError, ValueError):  # a hook may set any time
        return f"{seconds} s after 1970-01-01 UTC"


def _durations(result: TestResult) -> str:
    whole = f"{result.duration:.3f} s"
    if len(result.phases) < 2:
        return whole
    return f"{whole} ({', '.join([f'{p.when} {p.duration:.3f} s' for p in result.phases])})"
