from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from typing import Final

import pytest

from pytest_publish.board.estimate import Ending
from pytest_publish.board.estimate import Habit
from pytest_publish.board.estimate import habit_of
from pytest_publish.board.estimate import left_of
from pytest_publish.board.estimate import progress_of


STEADY: Final = Habit()


def session(**changed: Any) -> dict[str, Any]:
    """Ten tests of two seconds each, of which four are done."""
    known = {"total": 10, "planned": 10, "planned_new": 0, "planned_seconds": 20.0}
    done = {"done": 4, "done_new": 0, "done_seconds": 8.0, "done_took": 8.0, "running": 0}
    return {**known, **done, **changed}


def left(
    running: Sequence[tuple[float, float]] = (),
    idle: Sequence[float] = (),
    *,
    workers: int = 1,
    habit: Habit = STEADY,
    **changed: Any,
) -> float | None:
    told = {"running": len(running), **changed}
    return left_of(session(**told), running, idle, workers=workers, habit=habit)


@pytest.mark.parametrize(
    ("running", "workers", "expected"),
    [
        ([], 1, 12.0),
        ([(0.5, 2.0)], 1, 11.5),
        ([(0.5, 2.0), (1.0, 2.0)], 2, 5.25),
        # Nobody can help the last test, and more workers than tests are of no use.
        ([(1.0, 60.0)], 4, 59.0),
        ([], 100, 2.0),
        # One that takes longer than ever is over at any moment.
        ([(99.0, 2.0)], 1, 10.0),
    ],
)
def test_what_is_left_is_shared_by_the_workers(
    running: list[tuple[float, float]], workers: int, expected: float
) -> None:
    assert left(running, workers=workers) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("running", "idle", "workers", "expected"),
    [
        # The other worker has had all it gets.
        ([(0.0, 2.0)], [5.0], 2, 12.0),
        ([(0.0, 2.0)] * 3, [5.0], 4, 4.0),
        # It is between two tests.
        ([(0.0, 2.0)], [0.5], 2, 6.0),
        # It died, and another one took its place.
        ([(0.0, 2.0)] * 2, [99.0], 2, 6.0),
        # Both wait for something.
        ([], [5.0, 5.0], 2, 6.0),
    ],
)
def test_an_idle_worker_takes_nothing_more(
    running: list[tuple[float, float]], idle: list[float], workers: int, expected: float
) -> None:
    assert left(running, idle, workers=workers) == pytest.approx(expected)


def test_that_workers_end_apart_is_known_from_before() -> None:
    # Of two workers one is idle for four of its ten seconds.
    uneven = Habit(uneven=0.25)
    assert left(workers=2, habit=uneven) == pytest.approx((12.0 + 5.0) / 2)
    assert left(idle=[0.8], workers=2, habit=uneven) == pytest.approx((12.0 + 4.2) / 2)
    assert left(workers=2, habit=uneven, done_took=20.0) == pytest.approx(17.0)
    # It was more uneven in the past: at most, one worker does all the rest.
    assert left([(0.0, 2.0)], [2.0], workers=2, habit=Habit(uneven=9.0)) == pytest.approx(12.0)
    assert left(habit=Habit(after=3.0)) == pytest.approx(15.0)


def test_how_sessions_end_is_the_median_of_the_last_ones() -> None:
    endings = [
        Ending(begin=100.0, mean=108.0, last=110.0, stopped=111.0),
        Ending(begin=200.0, mean=210.0, last=210.0, stopped=212.0),
        Ending(begin=300.0, mean=310.0, last=390.0, stopped=399.0),
    ]
    assert habit_of(endings) == Habit(uneven=0.25, after=2.0)
    assert habit_of([]) == Habit(uneven=0.0, after=0.0)


def test_of_new_tests_the_others_tell() -> None:
    done: dict[str, Any] = {"done_new": 2, "done_seconds": 4.0, "done_took": 4.0}
    assert left(planned_new=5, planned_seconds=10.0, **done) == pytest.approx(12.0)
    # Node ids that are still to come.
    assert left(total=20) == pytest.approx(32.0)


def test_a_slow_machine_is_taken_into_account() -> None:
    assert left(done_took=20.0) == pytest.approx(24.0)
    assert left(done=0, done_seconds=0.0, done_took=0.0) == 20.0


def test_where_nothing_is_known_nothing_is_told() -> None:
    assert left(total=None) is None
    assert left(planned_new=10, planned_seconds=0.0) is None
    assert progress_of([session(planned=0, planned_seconds=0.0, done_seconds=0.0)]) is None


def test_progress_goes_by_time() -> None:
    assert progress_of([session()]) == pytest.approx(0.4)
    assert progress_of([session(), session(done_seconds=20.0)]) == pytest.approx(0.7)
    assert progress_of([session(done_seconds=50.0)]) == 1.0
