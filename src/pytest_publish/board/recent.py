"""A test's last runs, and what they tell: what it usually takes, and how steady it is.

They are kept with each test, changed by each result, so that no page has to read the
results of thousands of tests. In whatever order results come, they end up the same.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Final
from typing import NamedTuple


#: How many runs of a test are remembered.
RUNS: Final = 30
#: A test that changed so often in its last runs is not steady, whatever was changed in it.
FLIPS: Final = 4
#: How many passes tell what a test takes, and what it has taken of late.
PASSES: Final = 10
_LATELY: Final = 5
_BEFORE: Final = 20
#: A test has become slower if it takes this much more, by ratio, by the spread of its
#: earlier passes, and in seconds.
_RATIO: Final = 1.2
_SPREADS: Final = 3.0
_SECONDS: Final = 0.02
#: A median absolute deviation times this is what a standard deviation is for usual noise.
_SCALE: Final = 1.4826

#: One letter for how a test ended in a run: ``r`` is a pass after a failure in that run.
LETTERS: Final = {
    "passed": "p",
    "xpassed": "p",
    "skipped": "s",
    "xfailed": "s",
    "failed": "f",
    "error": "f",
    "crashed": "f",
    "rerun": "f",
}
PASSED: Final = frozenset("pr")
PROBLEM: Final = frozenset("fr")
#: ``x`` is a skip after a failure in that run: told as a skip, kept apart because a pass
#: may still come that is later than both.
SKIPPED: Final = frozenset("sx")
_AFTER_FAILURE: Final = {"p": "r", "s": "x"}
#: Of two results that are one attempt (a test that runs on each worker), the worse counts.
_WORST: Final = "frpxs"

_ENTRY: Final = struct.Struct("<qqqqcddd")


class Entry(NamedTuple):
    """How a test ended in one run.

    ``usual`` is the time that its worker needed for it, ``duration`` that of its body.
    """

    result: int
    run: int
    session: int
    attempt: int
    letter: str
    time: float
    duration: float
    usual: float


class Summary(NamedTuple):
    """What the last runs of a test tell; None where they tell nothing."""

    usual: float | None
    median: float | None
    spread: float | None
    #: Medians of late and before, if the test has become slower.
    lately: float | None
    before: float | None
    #: How often it changed between passing and failing, and passed after a failure in a run.
    flips: int
    reruns: int


def letter_of(outcome: str) -> str:
    """Return the letter of an outcome; one that is not known tells nothing."""
    return LETTERS.get(outcome, "s")


def unpack(packed: bytes | None) -> list[Entry]:
    """Return what ``pack`` packed."""
    return [
        Entry(result, run, session, attempt, letter.decode(), time, duration, usual)
        for result, run, session, attempt, letter, time, duration, usual in _ENTRY.iter_unpack(
            packed or b""
        )
    ]


def pack(entries: Iterable[Entry]) -> bytes:
    """Return entries as they are kept."""
    return b"".join(
        _ENTRY.pack(result, run, session, attempt, letter.encode(), time, duration, usual)
        for result, run, session, attempt, letter, time, duration, usual in entries
    )


def newest(entries: Iterable[Entry], started: Callable[[int], float]) -> list[Entry]:
    """Return one entry a run, in the order of the runs' starts, of the newest runs only."""
    by_run: dict[int, Entry] = {}
    for entry in entries:
        other = by_run.get(entry.run)
        by_run[entry.run] = entry if other is None else joined(other, entry)
    return sorted(by_run.values(), key=lambda entry: (started(entry.run), entry.run))[-RUNS:]


def joined(one: Entry, other: Entry) -> Entry:
    """Return what two results of a test in one run come to: the later one is its verdict."""
    if (one.session, one.attempt) == (other.session, other.attempt):
        return min(one, other, key=lambda entry: (_WORST.index(entry.letter), entry.time))
    first, last = sorted((one, other), key=lambda entry: (entry.time, entry.attempt, entry.session))
    if first.letter in "frx":
        return last._replace(letter=_AFTER_FAILURE.get(last.letter, last.letter))
    return last


def summary(entries: Sequence[Entry]) -> Summary:
    """Return what a test's last runs tell."""
    passes = [entry for entry in entries if entry.letter in PASSED]
    took = [entry.duration for entry in passes]
    usual = median([entry.usual for entry in (passes or entries)[-PASSES:]])
    middle = median(took[-PASSES:])
    letters = "".join(entry.letter for entry in entries)
    return Summary(
        usual,
        middle,
        spread(took[-PASSES:], middle),
        *_slower(took),
        flips_in(letters),
        letters.count("r"),
    )


def flips_in(letters: str) -> int:
    """Return how often a test changed between passing and failing; skips don't count."""
    told = ["p" if letter in PASSED else letter for letter in letters if letter not in SKIPPED]
    return sum(one != other for one, other in itertools.pairwise(told))


def median(numbers: Sequence[float]) -> float | None:
    """Return the number in the middle; None of nothing."""
    if not numbers:
        return None
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def spread(numbers: Sequence[float], middle: float | None) -> float | None:
    """Return how far numbers usually are from their median; of a few, nobody knows."""
    if middle is None or len(numbers) < _LATELY:
        return None
    away = median([abs(number - middle) for number in numbers])
    return None if away is None else away * _SCALE


def _slower(took: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the medians of late and before, if there are enough to tell that it got slower."""
    before = took[:-_LATELY][-_BEFORE:]
    if len(before) < _LATELY:
        return None, None
    now, then = median(took[-_LATELY:]) or 0.0, median(before) or 0.0
    return (now, then) if is_slower(then, now, spread(before, then)) else (None, None)


def is_slower(before: float, now: float, noise: float | None) -> bool:
    """Tell whether a test takes longer than before, and by more than its usual noise."""
    least = max(before * _RATIO, before + _SPREADS * (noise or 0.0), before + _SECONDS)
    return now > least
