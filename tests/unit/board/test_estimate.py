from __future__ import annotations

from typing import Any

import pytest

from pytest_publish.board.estimate import left_of
from pytest_publish.board.estimate import progress_of


def session(**changed: Any) -> dict[str, Any]:
    """Ten tests of two seconds each, of which four are done."""
    known = {"total": 10, "planned": 10, "planned_new": 0, "planned_seconds": 20.0}
    return {**known, "done": 4, "done_new": 0, "done_seconds": 8.0, "done_took": 8.0, **changed}


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
    assert left_of(session(), running, workers=workers) == pytest.approx(expected)


def test_of_new_tests_the_others_tell() -> None:
    new = session(planned_new=5, planned_seconds=10.0, done_seconds=4.0, done_new=2, done_took=4.0)
    assert left_of(new, [], workers=1) == pytest.approx(12.0)
    # Node ids that are still to come.
    assert left_of(session(total=20), [], workers=1) == pytest.approx(32.0)


def test_a_slow_machine_is_taken_into_account() -> None:
    assert left_of(session(done_took=18.0), [], workers=1) == pytest.approx(24.0)
    assert left_of(session(done=0, done_seconds=0.0, done_took=0.0), [], workers=1) == 20.0


def test_where_nothing_is_known_nothing_is_told() -> None:
    assert left_of(session(total=None), [], workers=1) is None
    assert left_of(session(planned_new=10, planned_seconds=0.0), [], workers=1) is None
    assert progress_of([session(planned=0, planned_seconds=0.0, done_seconds=0.0)]) is None


def test_progress_goes_by_time() -> None:
    assert progress_of([session()]) == pytest.approx(0.4)
    assert progress_of([session(), session(done_seconds=20.0)]) == pytest.approx(0.7)
    assert progress_of([session(done_seconds=50.0)]) == 1.0
