from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_publish.board.recent import Entry
from pytest_publish.board.recent import flips_in
from pytest_publish.board.recent import letter_of
from pytest_publish.board.recent import median
from pytest_publish.board.recent import newest
from pytest_publish.board.recent import pack
from pytest_publish.board.recent import RUNS
from pytest_publish.board.recent import summary
from pytest_publish.board.recent import unpack


def entry(run: int = 1, letter: str = "p", *, attempt: int = 1, took: float = 1.0) -> Entry:
    return Entry(run * 10 + attempt, run, run, attempt, letter, run + attempt / 10, took, took)


def letters(entries: list[Entry]) -> str:
    return "".join(one.letter for one in newest(entries, float))


ENTRIES = st.lists(
    st.builds(
        entry,
        st.integers(1, RUNS + 20),
        st.sampled_from("pfs"),
        attempt=st.integers(1, 3),
        took=st.floats(0, 100),
    ),
    max_size=120,
    unique_by=lambda one: one.result,
)


@given(ENTRIES)
def test_what_is_packed_comes_back(entries: list[Entry]) -> None:
    assert unpack(pack(entries)) == entries
    assert unpack(None) == []


@given(ENTRIES, st.integers(0, 2**32))
def test_order_changes_nothing(entries: list[Entry], seed: int) -> None:
    expected = newest(entries, float)
    kept: list[Entry] = []
    for one in random.Random(seed).sample(entries, len(entries)):
        kept = newest([*kept, one], float)
    # Of runs that are no longer among the newest, a part may be missing.
    complete = [one for one in kept if one in expected]
    assert [one.run for one in kept] == [one.run for one in expected]
    assert len(complete) >= len(kept) - 1


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ("p", "p"),
        ("fp", "r"),
        ("ffp", "r"),
        ("fff", "f"),
        ("pf", "f"),
        ("sp", "p"),
        ("fs", "x"),
        ("fsp", "r"),
    ],
)
def test_the_last_attempt_is_the_verdict(attempts: str, expected: str) -> None:
    tries = [entry(letter=letter, attempt=number) for number, letter in enumerate(attempts, 1)]
    assert letters(tries) == expected
    assert letters(tries[::-1]) == expected


def test_of_several_workers_the_worst_counts() -> None:
    assert letters([entry(letter="f"), entry(letter="p")._replace(time=9.0)]) == "f"
    assert letters([entry(letter="p"), entry(letter="f")._replace(time=0.0)]) == "f"


def test_only_the_newest_runs_are_remembered() -> None:
    kept = newest([entry(run) for run in range(1, 50)], float)
    assert [one.run for one in kept] == list(range(50 - RUNS, 50))
    # One whose run was removed comes first.
    assert newest([entry(1), entry(2)], {1: 5.0, 2: float("-inf")}.__getitem__)[0].run == 2


@pytest.mark.parametrize(
    ("told", "expected"), [("", 0), ("pppp", 0), ("pfp", 2), ("psf", 1), ("prpr", 0), ("rfsp", 2)]
)
def test_skips_and_reruns_are_no_flips(told: str, expected: int) -> None:
    assert flips_in(told) == expected


def test_unknown_outcomes_tell_nothing() -> None:
    assert [letter_of(one) for one in ("xpassed", "xfailed", "crashed", "odd")] == list("psfs")


def test_medians_are_of_passes() -> None:
    assert (median([]), median([3]), median([4, 1, 2]), median([1, 2])) == (None, 3, 2, 1.5)
    told = summary([entry(1, took=1.0), entry(2, "f", took=9.0), entry(3, "r", took=3.0)])
    assert (told.usual, told.median, told.spread) == (2.0, 2.0, None)
    never = summary([entry(1, "f", took=9.0), entry(2, "s", took=0.0)])
    assert (never.usual, never.median) == (4.5, None)
    assert summary([entry(run, took=run) for run in range(1, 21)]).median == 15.5


def test_one_slow_run_is_not_slower() -> None:
    usual = [entry(run, took=1.0 + run % 3 / 100) for run in range(1, 20)]
    slow = [entry(run, took=2.0) for run in range(20, 24)]
    assert summary([*usual, slow[0]]).before is None
    assert summary([*usual, *slow]).lately == 2.0
    assert summary([*usual, *slow]).before == pytest.approx(1.01)
    # By no more than it differs anyway.
    noisy = [entry(run, took=1.0 + run % 3) for run in range(1, 20)]
    assert summary([*noisy, *[entry(run, took=3.0) for run in range(20, 25)]]).before is None
