from __future__ import annotations

import pytest

from pytest_publish.plugin import retry
from pytest_publish.plugin.problems import Problems
from pytest_publish.plugin.retry import RetryQueue


FULL = OSError("full")


@pytest.fixture
def problems() -> Problems:
    return Problems()


@pytest.fixture
def queue(problems: Problems) -> RetryQueue[str]:
    return RetryQueue("below tree", problems)


def kept(queue: RetryQueue[str]) -> list[tuple[int, str]]:
    return list(queue.in_order())


def dropped(times: str, error: str) -> str:
    what = "the oldest of too many results that can't be written below tree was dropped"
    return f"publish: {what}{times}: OSError: {error}"


def test_results_are_kept_in_order_until_they_are_removed(queue: RetryQueue[str]) -> None:
    assert not queue.waiting
    for seq in (1, 4, 5):
        queue.keep(seq, f"result {seq}", 10, FULL)
    for seq, _item in queue.in_order():
        if seq != 4:
            queue.remove(seq)
    assert kept(queue) == [(4, "result 4")]


def test_a_result_that_is_kept_again_is_there_and_counts_once(
    queue: RetryQueue[str], problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "MOST_BYTES", 15)
    for _again in range(3):  # as after a Ctrl-C
        queue.keep(0, "result", 10, FULL)
    assert kept(queue) == [(0, "result")]
    assert not problems


@pytest.mark.parametrize(("most", "limit"), [("MOST_RESULTS", 2), ("MOST_BYTES", 25)])
def test_the_oldest_are_dropped_with_their_last_errors(
    queue: RetryQueue[str],
    problems: Problems,
    monkeypatch: pytest.MonkeyPatch,
    most: str,
    limit: int,
) -> None:
    monkeypatch.setattr(retry, most, limit)
    queue.keep(0, "a", 10, FULL)
    queue.keep(1, "b", 10, FULL)
    queue.failed_again(0, OSError("still full"))
    assert not problems
    queue.keep(2, "c", 10, FULL)
    assert list(problems.lines()) == [dropped("", "still full")]
    assert kept(queue) == [(1, "b"), (2, "c")]


def test_what_alone_is_too_large_is_not_kept(
    queue: RetryQueue[str], problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "MOST_BYTES", 25)
    queue.keep(0, "a", 10, FULL)
    queue.keep(1, "b", 26, FULL)
    assert list(problems.lines()) == [dropped(" (2 times)", "full")]
    assert kept(queue) == []
    queue.keep(2, "c", 25, FULL)
    assert kept(queue) == [(2, "c")]


def test_each_has_its_turn_after_the_one_that_failed_last(queue: RetryQueue[str]) -> None:
    for seq in (1, 4, 5):
        queue.keep(seq, "", 1, FULL)
    turns = []
    for _try in range(4):
        seq, _item = next(queue.in_turn())
        queue.failed_again(seq, FULL)
        turns.append(seq)
    assert turns == [1, 4, 5, 1]


def test_at_the_end_each_is_tried_once_more_and_none_holds_up_another(
    queue: RetryQueue[str], problems: Problems
) -> None:
    written = []

    def write(item: str) -> None:
        if item == "large":
            raise OSError("still full")
        written.append(item)

    for seq, item in enumerate(["a", "large", "b"]):
        queue.keep(seq, item, 1, FULL)
    queue.close(write)
    assert written == ["a", "b"]
    assert list(problems.lines()) == ["publish: can't write below tree: OSError: still full"]
    assert not queue.waiting
