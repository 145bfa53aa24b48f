from __future__ import annotations

from collections.abc import Callable

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
    return [(seq, kept.item) for seq, kept in queue.waiting.items()]


def failing_at(item: str, error: OSError = FULL) -> tuple[list[str], Callable[[str], None]]:
    """Return a list of what is written, and what writes all but one item."""
    written: list[str] = []

    def write(text: str) -> None:
        if text == item:
            raise error
        written.append(text)

    return written, write


def dropped(times: str, error: str) -> str:
    what = "the oldest of too many results that can't be written below tree was dropped"
    return f"publish: {what}{times}: OSError: {error}"


def test_results_are_kept_in_order_until_they_are_written(queue: RetryQueue[str]) -> None:
    for seq in (1, 4, 5):
        queue.keep(seq, f"result {seq}", 10, FULL)
    written, write = failing_at("result 4")
    for _again in range(2):
        with pytest.raises(OSError, match="full"):
            queue.write(write)
    assert written == ["result 1"]
    assert kept(queue) == [(4, "result 4"), (5, "result 5")]


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
    _written, write = failing_at("a", OSError("still full"))
    with pytest.raises(OSError, match="still full"):
        queue.write(write)
    queue.postpone_first()
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
        queue.keep(seq, str(seq), 1, FULL)
    turns = []

    def fail(item: str) -> None:
        turns.append(item)
        raise FULL

    for _try in range(4):
        with pytest.raises(OSError, match="full"):
            queue.write(fail)
        queue.postpone_first()
    assert turns == ["1", "4", "5", "1"]


def test_at_the_end_each_is_tried_once_more_and_none_holds_up_another(
    queue: RetryQueue[str], problems: Problems
) -> None:
    for seq, item in enumerate(["a", "large", "b"]):
        queue.keep(seq, item, 1, FULL)
    queue.postpone_first()
    written, write = failing_at("large", OSError("still full"))
    queue.close(write)
    assert written == ["a", "b"]
    assert list(problems.lines()) == ["publish: can't write below tree: OSError: still full"]
    assert not queue.waiting
