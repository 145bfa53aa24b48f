"""What is published of a session besides its results: one class for each type of event."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any
from typing import Final
from typing import Literal
from typing import TypeAlias
from typing import TypeVar

from .guard import guarded
from .values import jsonable


Reason: TypeAlias = Literal["finished", "interrupted", "killed"]
#: How many node ids one :class:`Collected` holds at most.
MOST_NODEIDS: Final = 1000

_Event = TypeVar("_Event", bound="Event")


@dataclasses.dataclass(slots=True, kw_only=True)
class Event:
    """What all events have. The publisher sets the ids and the number.

    A ``pytest_publish_event`` hook may change any other field.
    """

    type: str
    time: float
    run_id: str = ""
    session_id: str = ""
    seq: int = 0


@dataclasses.dataclass(slots=True, kw_only=True)
class SessionStart(Event):
    """The session begins."""

    type: Literal["session_start"] = "session_start"
    project: str
    versions: dict[str, str]
    platform: str
    host: str
    rootdir: str
    args: list[str]
    xdist_dist: str | None
    workers: int | None
    metadata: dict[str, Any]


@dataclasses.dataclass(slots=True, kw_only=True)
class Collected(Event):
    """Which tests are going to run; ``nodeids`` go on from number ``first``."""

    type: Literal["collected"] = "collected"
    total: int
    deselected: int
    first: int
    nodeids: list[str]


@dataclasses.dataclass(slots=True, kw_only=True)
class TestStart(Event):
    """The setup of a test begins."""

    __test__ = False  # for pytest: this is not a test class

    type: Literal["test_start"] = "test_start"
    nodeid: str
    name: str
    file: str | None
    line: int | None
    attempt: int
    xdist_dist: str | None
    xdist_worker: str | None
    xdist_scope: str | None
    start_time: float


@dataclasses.dataclass(slots=True, kw_only=True)
class SessionFinish(Event):
    """The session has ended; what is None is not known, because pytest was killed."""

    type: Literal["session_finish"] = "session_finish"
    exitstatus: int | None
    reason: Reason
    duration: float
    results: int | None
    outcomes: dict[str, int] | None


def repaired_event(event: Event, before: Event) -> list[str]:
    """Make an event fit for JSON; return the names of the fields that were not.

    A field that a user's hook set to what it can't hold is as it was ``before``, a copy
    from before the hook was asked.
    """
    unfit = []
    for name in (field.name for field in dataclasses.fields(before)):
        fits = _FITTING[name]
        if not guarded(fits, lambda _error: False, getattr(event, name, ...)):
            setattr(event, name, getattr(before, name))
            unfit.append(name)
    if event.type != before.type:
        event.type = before.type
        unfit.append("type")
    if isinstance(event, SessionStart):
        event.metadata = jsonable(event.metadata)
    return unfit


def copied_event(event: _Event) -> _Event:
    """Return a copy whose lists and dicts no hook can reach."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if isinstance(value, (list, dict)):
            changes[field.name] = value.copy()
    return dataclasses.replace(event, **changes)


def _is_text(value: object) -> bool:
    return type(value) is str


def _is_name(value: object) -> bool:
    return type(value) is str and value != ""


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_positive(value: object) -> bool:
    return type(value) is int and value >= 1


def _is_texts(value: Any) -> bool:
    return type(value) is list and all(map(_is_text, value))


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _mapping_to(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        type(value) is dict and all(map(_is_text, value)) and all(map(fits, value.values()))
    )


_FITTING: Final[dict[str, Callable[[Any], bool]]] = {
    "type": _is_text,
    "time": _is_number,
    "run_id": _is_text,
    "session_id": _is_text,
    "seq": _is_count,
    "project": _is_text,
    "versions": _mapping_to(_is_text),
    "platform": _is_text,
    "host": _is_text,
    "rootdir": _is_text,
    "args": _is_texts,
    "xdist_dist": _or_none(_is_text),
    "workers": _or_none(_is_count),
    "metadata": lambda value: isinstance(value, dict),
    "total": _is_count,
    "deselected": _is_count,
    "first": _is_count,
    "nodeids": _is_texts,
    "nodeid": _is_name,
    "name": _is_name,
    "file": _or_none(_is_text),
    "line": _or_none(_is_positive),
    "attempt": _is_positive,
    "xdist_worker": _or_none(_is_text),
    "xdist_scope": _or_none(_is_text),
    "start_time": _is_number,
    "exitstatus": _or_none(lambda value: type(value) is int),
    "reason": lambda value: value in ("finished", "interrupted", "killed"),
    "duration": lambda value: _is_number(value) and value >= 0,
    "results": _or_none(_is_count),
    "outcomes": _or_none(_mapping_to(_is_count)),
}
