"""How far a run is, and what it will still take, by what its tests usually take."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Final


#: The part of a run after which its own pace counts as much as that of earlier runs.
_DOUBT: Final = 0.1


def progress_of(sessions: Iterable[Mapping[str, Any]]) -> float | None:
    """Return how far a run is, from 0 to 1; None if no test was planned."""
    planned = done = 0.0
    for session in sessions:
        usual = _usual(session) or 1.0
        planned += session["planned_seconds"] + session["planned_new"] * usual
        done += session["done_seconds"] + session["done_new"] * usual
    return min(1.0, done / planned) if planned else None


def left_of(
    session: Mapping[str, Any], running: Sequence[tuple[float, float]], *, workers: int
) -> float | None:
    """Return the seconds that a session still takes; None if nothing is known.

    ``running`` has, for each test that runs and is known, how long it has run, and what it
    usually takes.
    """
    usual = _usual(session)
    if usual is None or session["total"] is None:
        return None
    # Not all node ids need have come yet.
    new = session["planned_new"] + max(0, session["total"] - session["planned"])
    rest: float = session["planned_seconds"] - session["done_seconds"]
    rest += max(0, new - session["done_new"]) * usual
    pace = _pace(session)
    rest = rest * pace - sum(min(run, takes * pace) for run, takes in running)
    at_once = max(1, min(workers, session["total"] - session["done"]))
    last = max((takes * pace - run for run, takes in running), default=0.0)
    return float(max(0.0, rest / at_once, last))


def _pace(session: Mapping[str, Any]) -> float:
    """Return how slow the machine is today: the more is done, the more that counts."""
    doubt: float = _DOUBT * session["planned_seconds"]
    return float((session["done_took"] + doubt) / (session["done_seconds"] + doubt))


def _usual(session: Mapping[str, Any]) -> float | None:
    """Return what a test takes of which nothing is known: as much as the others."""
    known: int = session["planned"] - session["planned_new"]
    seconds: float = session["planned_seconds"]
    return seconds / known if known and seconds else None
