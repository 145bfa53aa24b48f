"""How far a run is, and what it will still take, by what its tests usually take."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Final
from typing import NamedTuple

from .recent import median


#: The part of a run after which its own pace counts as much as that of earlier runs.
_DOUBT: Final = 0.2
#: The most seconds between two tests of a worker that are its own; in more, it waited.
BETWEEN: Final = 1.0


class Ending(NamedTuple):
    """When a session's tests began, and ended on its workers: on average, and on the last one.

    ``stopped`` is when the session itself was over.
    """

    begin: float
    mean: float
    last: float
    stopped: float


class Habit(NamedTuple):
    """How sessions like one usually end."""

    #: The time for which workers are idle while others still test, in parts of the tests' time.
    uneven: float = 0.0
    #: The seconds from the last test to the end of the session.
    after: float = 0.0


def progress_of(sessions: Iterable[Mapping[str, Any]]) -> float | None:
    """Return how far a run is, from 0 to 1; None if no test was planned."""
    planned = done = 0.0
    for session in sessions:
        usual = _usual(session) or 1.0
        planned += session["planned_seconds"] + session["planned_new"] * usual
        done += session["done_seconds"] + session["done_new"] * usual
    return min(1.0, done / planned) if planned else None


def habit_of(endings: Iterable[Ending]) -> Habit:
    """Return how sessions end that ended like these."""
    known = list(endings)
    uneven = median([(last - mean) / (mean - begin) for begin, mean, last, _ in known])
    after = median([stopped - last for _begin, _mean, last, stopped in known])
    return Habit(uneven or 0.0, max(0.0, after or 0.0))


def left_of(
    session: Mapping[str, Any],
    running: Sequence[tuple[float, float]],
    idle: Sequence[float],
    *,
    workers: int,
    habit: Habit,
) -> float | None:
    """Return the seconds that a session still takes; None if nothing is known.

    ``running`` has, for each test that runs and is known, how long it has run, and what it
    usually takes; ``idle``, for each worker that runs no test, since when it runs none.
    """
    usual = _usual(session)
    if usual is None or session["total"] is None:
        return None
    # Not all node ids need have come yet.
    new = session["planned_new"] + max(0, session["total"] - session["planned"])
    pace = _pace(session)
    planned = (session["planned_seconds"] + new * usual) * pace
    done = (session["done_seconds"] + min(new, session["done_new"]) * usual) * pace
    rest = max(0.0, planned - done - sum(min(run, takes * pace) for run, takes in running))
    last = max((takes * pace - run for run, takes in running), default=0.0)
    still_idle = max(0.0, habit.uneven * planned - sum(idle))
    at_least = max(last, rest / _at_once(session, idle, workers))
    # What was given to a worker stays with it: in the worst case, one does all the rest.
    at_most = max(last, rest)
    return float(min(at_most, max(at_least, (rest + still_idle) / workers)) + habit.after)


def _at_once(session: Mapping[str, Any], idle: Sequence[float], workers: int) -> int:
    """Return how many workers can share what is left."""
    # One that died is idle for ever, and another one took its place.
    working = max(session["running"], workers - sum(seconds > BETWEEN for seconds in idle))
    # If none runs a test though some are left, none is done: they wait for something.
    return int(max(1, min(working or workers, session["total"] - session["done"])))


def _pace(session: Mapping[str, Any]) -> float:
    """Return how slow the machine is today: the more is done, the more that counts."""
    doubt: float = _DOUBT * session["planned_seconds"]
    return float((session["done_took"] + doubt) / (session["done_seconds"] + doubt))


def _usual(session: Mapping[str, Any]) -> float | None:
    """Return what a test takes of which nothing is known: as much as the others."""
    known: int = session["planned"] - session["planned_new"]
    seconds: float = session["planned_seconds"]
    return seconds / known if known and seconds else None
