from __future__ import annotations

import pytest

from pytest_publish.plugin import retry as backlog
from pytest_publish.plugin.retry import RetryQueue


FULL = OSError("full")


def kept(waiting: RetryQueue[str]) -> list[tuple[int, str]]:
    return list(waiting.in_order())


def test_results_are_kept_in_order_until_they_are_removed() -> None:
    waiting: RetryQueue[str] = RetryQueue()
    assert not waiting.waiting
    for seq in (1, 4, 5):
        assert waiting.keep(seq, f"result {seq}", 10, FULL) == []
    for seq, _item in waiting.in_order():
        if seq != 4:
            waiting.remove(seq)
    assert kept(waiting) == [(4, "result 4")]


def test_a_result_that_is_kept_again_is_there_and_counts_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backlog, "MOST_BYTES", 15)
    waiting: RetryQueue[str] = RetryQueue()
    for _again in range(3):  # as after a Ctrl-C
        assert waiting.keep(0, "result", 10, FULL) == []
    assert kept(waiting) == [(0, "result")]


@pytest.mark.parametrize(("most", "limit"), [("MOST_RESULTS", 2), ("MOST_BYTES", 25)])
def test_the_oldest_are_dropped_with_their_last_errors(
    monkeypatch: pytest.MonkeyPatch, most: str, limit: int
) -> None:
    monkeypatch.setattr(backlog, most, limit)
    waiting: RetryQueue[str] = RetryQueue()
    waiting.keep(0, "a", 10, FULL)
    waiting.keep(1, "b", 10, FULL)
    again = OSError("still full")
    waiting.failed_again(0, again)
    assert waiting.keep(2, "c", 10, FULL) == [again]
    assert kept(waiting) == [(1, "b"), (2, "c")]


def test_what_alone_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MOST_BYTES", 25)
    waiting: RetryQueue[str] = RetryQueue()
    waiting.keep(0, "a", 10, FULL)
    assert waiting.keep(1, "b", 26, FULL) == [FULL, FULL]
    assert kept(waiting) == []
    assert waiting.keep(2, "c", 25, FULL) == []


def test_each_has_its_turn_after_the_one_that_failed_last() -> None:
    waiting: RetryQueue[str] = RetryQueue()
    for seq in (1, 4, 5):
        waiting.keep(seq, "", 1, FULL)
    turns = []
    for _try in range(4):
        seq, _item = next(waiting.in_turn())
        waiting.failed_again(seq, FULL)
        turns.append(seq)
    assert turns == [1, 4, 5, 1]
