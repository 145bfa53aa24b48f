"""What publishing adds to a test, counted in bytecode: a regression shows without a clock.

An equal test takes equally many instructions of bytecode on each machine, and a loop shows
as well as a call. The processor's own instructions need valgrind and minutes:
benchmarks/counted.py counts them.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from support import Endpoint
from support import RunPytest
from support import tree_results


pytestmark = []

TESTS = 12
#: The first tests import and create what the others find.
FIRST = 4

# The highest that was counted, on Python 3.10 to 3.13 with the newest pytest, and three per
# cent. A change that makes it cheaper lowers them.
MOST_TO_POST = 3900
MOST_TO_POST_EVENTS = 4850
MOST_FOR_A_TREE = 4970
CALLS_TO_POST = {"write": 1}
CALLS_FOR_A_TREE = {"mkdir": 2}

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

    bytecode: float
    system: dict[str, int]


CostOf: TypeAlias = Callable[..., Cost]


@pytest.fixture
def cost_of(pytester: pytest.Pytester, run_pytest: RunPytest) -> CostOf:
    """Return what tells the cost that arguments add to a test."""
    pytester.makeconftest(COUNTING)
    pytester.makepyfile("".join(f"def test_{number:02}(): pass\n" for number in range(TESTS)))

    def counted(*args: str | Path) -> list[Counter[str]]:
        run_pytest(*args).assert_outcomes(passed=TESTS)
        tests = json.loads((pytester.path / "counted.json").read_bytes())
        assert len(tests) == TESTS
        return [Counter(test) for test in tests[FIRST:]]

    without = counted()

    def added(*args: str | Path) -> Cost:
        pairs = list(zip(counted(*args), without, strict=True))
        names = sorted({name for pair in pairs for test in pair for name in test})
        more = {
            name: statistics.median(test[name] - plain[name] for test, plain in pairs)
            for name in names
        }
        bytecode = more.pop("bytecode")
        return Cost(bytecode, {name: int(count) for name, count in more.items() if count})

    return added


def test_to_post_a_result_costs_one_line_of_a_file(cost_of: CostOf, endpoint: Endpoint) -> None:
    to_post = f"--publish={endpoint.url}"
    alone, events = cost_of(to_post), cost_of(to_post, "--publish-events")
    print(alone, events)
    assert alone.bytecode <= MOST_TO_POST
    assert events.bytecode <= MOST_TO_POST_EVENTS
    assert alone.system == CALLS_TO_POST
    assert events.system == {name: 2 * count for name, count in CALLS_TO_POST.items()}


def test_a_tree_costs_no_more_with_each_run(cost_of: CostOf, pubdir: Path) -> None:
    first, second, third = (cost_of(f"--pubdir={pubdir}") for _run in range(3))
    print(first, second, third)
    assert len(tree_results(pubdir)) == 3 * TESTS
    assert first.bytecode <= MOST_FOR_A_TREE
    assert first.system == CALLS_FOR_A_TREE
    assert third == second


def test_without_a_switch_a_test_costs_nothing(cost_of: CostOf) -> None:
    # Against a run with the plugin, which is what cost_of() compares with.
    assert cost_of("-p", "no:publish") == Cost(bytecode=0, system={})
