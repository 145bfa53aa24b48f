"""What publishing adds to a test, counted in bytecode: a regression shows without a clock.

An equal test takes equally many instructions of bytecode on each machine, and a loop shows
as well as a call. The processor's own instructions need valgrind and minutes:
benchmarks/counted.py counts them.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from support import Endpoint
from support import RunPytest
from support import tree_results


TESTS = 12
#: The first tests import and create what the others find.
FIRST = 4

# What was counted on Python 3.11 with the newest pytest, and three per cent; other Pythons
# and older pytests take less. Whoever makes it cheaper lowers them.
MOST_TO_POST = 2710  # 2631
MOST_TO_POST_WITH_EVENTS = 3388  # 3289
MOST_FOR_A_TREE = 3411  # 3312
MOST_FOR_A_TREE_WITH_A_HISTORY = 3562  # 3458

CALLS_TO_POST = Counter(("open", "write", "close"))
CALLS_FOR_A_TREE = Counter(
    (
        *("mkdir", "open", "lockf", "open", "pread", "pwrite", "close", "close"),
        *("mkdir", "open", "write", "close", "open", "write", "close", "rename"),
    )
)

# Counts bytecode and calls of the system in each test with all that listens to it.
COUNTING = """
import json
import pathlib
import sys

import pytest

tests = []
is_counting = False


def count(name):
    tests[-1][name] = tests[-1].get(name, 0) + 1


def trace(frame, event, _argument):
    if event == "call":
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
    elif event == "opcode":
        tests[-1]["bytecode"] += 1
    return trace


def profile(_frame, event, function):
    # Opening a file is an audit event: io.FileIO is a type, which has no call event.
    if event == "c_call" and function.__module__ in ("posix", "fcntl"):
        if function.__name__ not in ("open", "fspath", "getpid"):
            count(function.__name__)


def audit(event, _arguments):
    if is_counting and event == "open":
        count("open")


sys.addaudithook(audit)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol():
    global is_counting
    before = sys.gettrace(), sys.getprofile()
    tests.append({"bytecode": 0})
    is_counting = True
    sys.setprofile(profile)
    sys.settrace(trace)
    try:
        return (yield)
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
        is_counting = False


def pytest_unconfigure():
    pathlib.Path("counted.json").write_text(json.dumps(tests))
"""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Instructions of bytecode, and how often which calls of the system."""

    bytecode: int
    system: Counter[str]


CostOf: TypeAlias = Callable[..., Cost]


@pytest.fixture
def cost_of(pytester: pytest.Pytester, run_pytest: RunPytest) -> CostOf:
    """Return what tells the cost that arguments add to a test."""
    pytester.makeconftest(COUNTING)
    pytester.makepyfile("".join(f"def test_{number:02}(): pass\n" for number in range(TESTS)))

    def counted(*args: str | Path) -> Counter[str]:
        run_pytest(*args).assert_outcomes(passed=TESTS)
        tests = json.loads((pytester.path / "counted.json").read_bytes())[FIRST:]
        # The least of all, because some work is done when it is time, not for each test.
        return Counter({name: min(test.get(name, 0) for test in tests) for name in tests[0]})

    without = counted()

    def added(*args: str | Path) -> Cost:
        system = counted(*args)
        system.subtract(without)
        bytecode = system.pop("bytecode")
        return Cost(bytecode, Counter({name: count for name, count in system.items() if count}))

    return added


def test_to_post_a_result_costs_one_line_of_a_file(cost_of: CostOf, endpoint: Endpoint) -> None:
    to_post = f"--publish={endpoint.url}"
    alone, events = cost_of(to_post), cost_of(to_post, "--publish-events")
    assert alone.bytecode <= MOST_TO_POST
    assert events.bytecode <= MOST_TO_POST_WITH_EVENTS
    assert alone.system == CALLS_TO_POST
    assert events.system == CALLS_TO_POST + CALLS_TO_POST


def test_a_tree_costs_no_more_with_each_run(cost_of: CostOf, pubdir: Path) -> None:
    first, second, third = (cost_of(f"--pubdir={pubdir}") for _run in range(3))
    assert len(tree_results(pubdir)) == 3 * TESTS
    assert first.bytecode <= MOST_FOR_A_TREE
    assert first.system == CALLS_FOR_A_TREE
    assert second.system == third.system
    assert third.bytecode == pytest.approx(second.bytecode, rel=0.02)
    assert second.bytecode <= MOST_FOR_A_TREE_WITH_A_HISTORY
    assert second.system == CALLS_FOR_A_TREE | Counter(lstat=4)


def test_without_a_switch_a_test_costs_nothing(cost_of: CostOf) -> None:
    # Against a run with the plugin, which is what cost_of() compares with.
    assert cost_of("-p", "no:publish") == Cost(0, Counter())
