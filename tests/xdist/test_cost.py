"""What one published test costs, counted: a regression shows without a clock."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support import Endpoint
from support import RunPytest
from support import tree_results


TESTS = 20

# What it is now, and a fifth: room for another Python or pytest, not for another file.
MOST_CALLS_TO_POST = 255  # 213 to 222
MOST_SYSTEM_CALLS_TO_POST = 4  # 3
MOST_CALLS_FOR_A_TREE = 345  # 287 to 296
MOST_SYSTEM_CALLS_FOR_A_TREE = 22  # 17; in a tree that was there, 20

# Counts all calls, and those of the system, from the second test's start to the last
# one's end; the first imports and creates what the others find.
COUNTING = """
import collections
import json
import pathlib
import sys

import pytest

calls = 0
system_calls = collections.Counter()
is_counting = False


def profile(_frame, event, function):
    global calls
    if event in ("call", "c_call"):
        calls += 1
    # Opening a file is an audit event: io.FileIO is a type, which has no call event.
    if event == "c_call" and function.__module__ in ("posix", "fcntl"):
        if function.__name__ not in ("open", "fspath", "getpid"):
            system_calls[function.__name__] += 1


def audit(event, _arguments):
    if is_counting and event == "open":
        system_calls["open"] += 1


sys.addaudithook(audit)


class Counting:
    tests = 0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self):
        global is_counting
        if self.tests:
            is_counting = True
            sys.setprofile(profile)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            is_counting = False
            self.tests += 1

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self):
        figures = {"calls": calls, "system": system_calls, "tests": self.tests - 1}
        pathlib.Path("counted.json").write_text(json.dumps(figures))


def pytest_configure(config):
    config.pluginmanager.register(Counting())
"""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Calls a test, and how often which calls of the system."""

    calls: float
    system: dict[str, float]


@pytest.fixture
def cost_of(pytester: pytest.Pytester, run_pytest: RunPytest) -> Callable[..., Cost]:
    """Return what tells the cost that arguments add to each test."""
    pytester.makeconftest(COUNTING)
    pytester.makepyfile("".join(f"def test_{number:02}(): pass\n" for number in range(TESTS)))

    def counted(*args: str | Path) -> Cost:
        run_pytest(*args).assert_outcomes(passed=TESTS)
        figures = json.loads((pytester.path / "counted.json").read_bytes())
        assert figures["tests"] == TESTS - 1
        system = {name: count / figures["tests"] for name, count in figures["system"].items()}
        return Cost(figures["calls"] / figures["tests"], system)

    def added(*args: str | Path) -> Cost:
        without, cost = counted(), counted(*args)
        names = sorted(cost.system.keys() | without.system.keys())
        more = {name: cost.system.get(name, 0) - without.system.get(name, 0) for name in names}
        return Cost(
            cost.calls - without.calls, {name: count for name, count in more.items() if count}
        )

    return added


def test_to_post_a_result_costs_one_line_of_a_file(
    cost_of: Callable[..., Cost], endpoint: Endpoint
) -> None:
    cost = cost_of(f"--publish={endpoint.url}")
    assert cost.calls <= MOST_CALLS_TO_POST
    assert sum(cost.system.values()) <= MOST_SYSTEM_CALLS_TO_POST, cost.system


def test_a_tree_costs_few_calls(cost_of: Callable[..., Cost], pubdir: Path) -> None:
    cost = cost_of(f"--pubdir={pubdir}")
    assert len(tree_results(pubdir)) == TESTS
    assert cost.calls <= MOST_CALLS_FOR_A_TREE
    assert sum(cost.system.values()) <= MOST_SYSTEM_CALLS_FOR_A_TREE, cost.system


def test_a_tree_with_a_history_costs_no_more_with_each_run(
    cost_of: Callable[..., Cost], pubdir: Path
) -> None:
    cost_of(f"--pubdir={pubdir}")
    second, third = cost_of(f"--pubdir={pubdir}"), cost_of(f"--pubdir={pubdir}")
    assert second.system == third.system
    assert third.calls == pytest.approx(second.calls, rel=0.05)
    assert second.calls <= MOST_CALLS_FOR_A_TREE
    assert sum(second.system.values()) <= MOST_SYSTEM_CALLS_FOR_A_TREE, second.system


def test_without_a_switch_a_test_costs_nothing(cost_of: Callable[..., Cost]) -> None:
    # Against a run with the plugin, which is what cost_of() compares with.
    assert cost_of("-p", "no:publish") == Cost(calls=0, system={})
