"""Events come from several threads while results are published: one order, no waiting."""

from __future__ import annotations

import collections
import dis
import json
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pytest_publish.plugin import publisher as publisher_module
from pytest_publish.plugin.problems import Problems
from pytest_publish.plugin.publisher import Publisher
from pytest_publish.plugin.settings import Settings
from pytest_publish.results.events import SessionFinish
from pytest_publish.results.events import TestStart
from pytest_publish.results.result import TestResult


def start(number: int) -> TestStart:
    return TestStart(
        time=1.0,
        nodeid=f"test_it.py::test_{number}",
        name=f"test_{number}",
        file=None,
        line=None,
        attempt=1,
        xdist_dist="load",
        xdist_worker="gw0",
        xdist_scope=None,
        start_time=1.0,
    )


def finish() -> SessionFinish:
    return SessionFinish(
        time=1.0, exitstatus=0, reason="finished", duration=0.0, results=0, outcomes={}
    )


class Publishing:
    """A publisher that appends to a log, with a hook that a test may replace."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems = Problems()
        self.publisher = Publisher(
            Settings(
                path.parent,
                run_id="r",
                events=True,
                project="p",
                log=path,
            ),
            lambda _told: True,
            self.problems,
        )
        self.publisher.start()

    def names(self) -> list[str]:
        """Return what was published, after checking that it is numbered in order."""
        told = [json.loads(line) for line in self.path.read_bytes().splitlines()]
        assert [one["seq"] for one in told] == list(range(len(told)))
        return [one.get("name", one["type"]) for one in told]


@pytest.fixture
def publishing(tmp_path: Path) -> Publishing:
    return Publishing(tmp_path / "log")


def result() -> TestResult:
    return TestResult(
        result="pass",
        outcome="passed",
        nodeid="test_it.py::test_a",
        name="test_a",
        start_time=1.0,
        stop_time=2.0,
        duration=1.0,
    )


def test_threads_get_one_order_without_a_gap(publishing: Publishing) -> None:
    publisher = publishing.publisher

    def tell(first: int) -> None:
        for number in range(first, first + 200):
            publisher.tell_from_thread(start(number))

    threads = [threading.Thread(target=tell, args=(first,)) for first in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        publisher.publish(collections.deque([result()]))
    for thread in threads:
        thread.join()
    publisher.tell(finish())
    names = publishing.names()
    assert len(names) == 801
    assert names[-1] == "session_finish"
    assert publisher.outcomes == {"passed": 200}
    for first in (0, 1000, 2000):  # each thread's own events keep their order
        own = [f"test_{number}" for number in range(first, first + 200)]
        assert [name for name in names if name in set(own)] == own


def test_a_thread_never_waits_and_its_event_comes_next(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = publishing.publisher

    def tell_meanwhile(told: TestResult | TestStart) -> bool:
        if isinstance(told, TestStart):
            return True
        thread = threading.Thread(target=publisher.tell_from_thread, args=(start(1),))
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        return True

    monkeypatch.setattr(publisher, "_is_wanted", tell_meanwhile)
    publisher.publish(collections.deque([result()]))
    assert publishing.names() == [result().name, "test_1"]


def test_after_a_ctrl_c_nothing_is_lost_or_told_twice(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = publishing.publisher

    def interrupt(_event: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publisher, "_is_wanted", interrupt)
        with pytest.raises(KeyboardInterrupt):
            publisher.publish(collections.deque([result()]))
    # The lock is free for others, and the result comes before what came after it.
    thread = threading.Thread(target=publisher.tell_from_thread, args=(start(1),))
    thread.start()
    thread.join(10)
    assert publishing.names() == [result().name, "test_1"]
    last = finish()
    with monkeypatch.context() as patch:
        patch.setattr(publisher, "_is_wanted", interrupt)
        with pytest.raises(KeyboardInterrupt):
            publisher.tell(last)
    publisher.tell(last)
    publisher.tell(last)
    publisher.tell_from_thread(start(2))  # too late
    assert publishing.names() == [result().name, "test_1", "session_finish"]
    assert publisher.outcomes == {"passed": 1}
    assert not publishing.problems


def is_interrupted_at(step: int, publishing: Publishing, results: Any) -> bool:
    """Publish, with a Ctrl-C where Python looks for one that many times; False if it does not."""
    steps = 0
    before: dict[FrameType, str] = {}

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal steps
        if frame.f_code.co_filename != publisher_module.__file__:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            last = before.get(frame, "")
            before[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            # Python (3.10 to 3.14) looks after a call and at the end of a loop's body.
            if last.startswith(("CALL", "JUMP_BACKWARD", "JUMP_ABSOLUTE")):
                steps += 1
                if steps == step:
                    raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        publishing.publisher.publish(results)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


def test_whenever_a_ctrl_c_comes_an_event_meanwhile_has_no_result_published_twice(
    tmp_path: Path,
) -> None:
    step = 1
    while True:
        publishing = Publishing(tmp_path / f"log{step}")
        results = collections.deque([result()])
        if not is_interrupted_at(step, publishing, results):
            break
        publishing.publisher.tell_from_thread(start(1))
        publishing.publisher.publish(results)
        assert sorted(publishing.names()) == ["test_1", result().name], step
        assert publishing.publisher.outcomes == {"passed": 1}, step
        step += 1
    assert step > 5
