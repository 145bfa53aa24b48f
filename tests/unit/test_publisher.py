from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_publish.delivery import Delivery
from pytest_publish.orders import Endpoint
from pytest_publish.orders import Orders
from pytest_publish.publisher import Publisher
from pytest_publish.realos import realos
from pytest_publish.result import TestResult
from pytest_publish.settings import Settings
from pytest_publish.summary import Troubles
from support import tree_results


def make_result(name: str) -> TestResult:
    return TestResult(
        result="pass",
        outcome="passed",
        nodeid=f"test_it.py::{name}",
        name=name,
        start_time=1.0,
        stop_time=2.0,
        duration=1.0,
    )


def queue_of(names: list[str]) -> collections.deque[TestResult]:
    return collections.deque(map(make_result, names))


def settings_for(folder: Path, *urls: str) -> Settings:
    return Settings(
        pubdir=folder / "tree",
        scheme="name",
        which="all",
        orders=tuple(Orders(Endpoint(url)) for url in urls),
        outbox_folder=folder,
        run_id="nightly",
        strict=False,
        warning=None,
    )


@pytest.fixture
def no_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have outboxes without the processes that send them."""
    monkeypatch.setattr(Delivery, "start", lambda _self: None)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    (outbox,) = folder.glob("*.jsonl")
    return [json.loads(line) for line in outbox.read_bytes().splitlines()]


def test_results_are_numbered_without_a_gap_and_withheld_ones_have_no_number(
    tmp_path: Path, no_relay: None
) -> None:
    publisher = Publisher(
        settings_for(tmp_path, "http://localhost/"),
        lambda result: result.name != "test_private",
        Troubles(),
    )
    publisher.start()
    publisher.publish(queue_of, ["test_a", "test_private", "test_b"])
    results = tree_results(tmp_path / "tree")
    assert [(result["name"], result["seq"]) for result in results] == [("test_a", 0), ("test_b", 1)]
    assert {result["run_id"] for result in results} == {"nightly"}
    assert lines_of(tmp_path) == results
    assert not (tmp_path / "tree/test_private").exists()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("interrupted", ["hook", "mkdir", "rename", "write", "close"])
def test_an_interrupt_in_the_middle_loses_nothing_and_publishes_nothing_twice(
    tmp_path: Path, no_relay: None, monkeypatch: pytest.MonkeyPatch, interrupted: str, when: str
) -> None:
    calls = 0

    def interrupt(*_arguments: object) -> bool:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return True

    troubles = Troubles()
    in_hook = interrupted == "hook"
    publisher = Publisher(
        settings_for(tmp_path, "http://localhost/"),
        interrupt if in_hook else lambda _result: True,
        troubles,
    )
    publisher.start()
    if not in_hook:
        real = getattr(realos, interrupted)

        def call(*arguments: object) -> object:
            if when == "before":
                interrupt()
                return real(*arguments)
            result = real(*arguments)
            interrupt()
            return result

        monkeypatch.setattr(type(realos), interrupted, staticmethod(call))
    with pytest.raises(KeyboardInterrupt):
        publisher.publish(queue_of, ["test_a", "test_b", "test_c"])
    publisher.publish(queue_of, [])
    assert not troubles
    assert len(list((tmp_path / "tree").rglob("[0-9]*.*"))) == 3
    for results in (lines_of(tmp_path), tree_results(tmp_path / "tree")):
        assert [(result["name"], result["seq"]) for result in results] == [
            ("test_a", 0),
            ("test_b", 1),
            ("test_c", 2),
        ]


def test_a_result_that_the_tree_can_not_show_still_goes_out(tmp_path: Path, no_relay: None) -> None:
    def spoil(result: TestResult) -> bool:
        result.start_time = float("nan")
        return True

    troubles = Troubles()
    publisher = Publisher(settings_for(tmp_path, "http://localhost/"), spoil, troubles)
    publisher.start()
    publisher.publish(queue_of, ["test_a"])
    assert [line["pubdir_path"] for line in lines_of(tmp_path)] == [None]
    assert len(list(troubles.lines())) == 1


def test_a_sink_that_fails_is_counted_and_the_other_gets_everything(
    tmp_path: Path, no_relay: None
) -> None:
    troubles = Troubles()
    publisher = Publisher(
        settings_for(tmp_path, "http://localhost/"), lambda _result: True, troubles
    )
    publisher.start()
    (tmp_path / "tree").touch()
    publisher.publish(queue_of, ["test_a", "test_b"])
    assert [result["pubdir_path"] for result in lines_of(tmp_path)] == [None, None]
    assert list(troubles.lines()) == [
        f"publish: can't write below {tmp_path / 'tree'} (2 times): Not a directory"
    ]
