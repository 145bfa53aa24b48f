"""What is published of a session besides its results: one class for each type of event."""

from __future__ import annotations

import dataclasses
from typing import Any
from typing import Final
from typing import Literal

from .repair import restore_unfit
from .values import jsonable


#: How many node ids one :class:`Collected` holds at most.
MOST_NODEIDS: Final = 1000


@dataclasses.dataclass(kw_only=True)
class Event:
    """What all events have. The publisher sets the ids and the number.

    A ``pytest_publish_event`` hook may change any other field.
    """

    type: str
    time: float
    run_id: str = ""
    session_id: str = ""
    seq: int = 0

    def withhold(self, reason: str) -> None:
        """Put ``reason`` in place of what may be secret."""


@dataclasses.dataclass(kw_only=True)
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

    def withhold(self, reason: str) -> None:
        """Put ``reason`` in place of what may be secret."""
        self.args, self.metadata = [reason], {"withheld": reason}


@dataclasses.dataclass(kw_only=True)
class Collected(Event):
    """Which tests are going to run; ``nodeids`` go on from number ``first``."""

    type: Literal["collected"] = "collected"
    total: int
    deselected: int
    first: int
    nodeids: list[str]


@dataclasses.dataclass  # its own fields are positional, as those of TestResult
class TestStart(Event):
    """The setup of a test begins."""

    __test__ = False  # for pytest: this is not a test class

    type: Literal["test_start"] = dataclasses.field(default="test_start", kw_only=True)
    nodeid: str
    name: str
    file: str | None
    line: int | None
    attempt: int
    xdist_dist: str | None
    xdist_worker: str | None
    xdist_scope: str | None
    start_time: float


@dataclasses.dataclass(kw_only=True)
class SessionFinish(Event):
    """The session has ended; what is None is not known, because pytest was killed."""

    type: Literal["session_finish"] = "session_finish"
    exitstatus: int | None
    reason: Literal["finished", "interrupted", "killed"]
    duration: float
    results: int | None
    outcomes: dict[str, int] | None


def repaired_event(event: Event, before: Event) -> list[str]:
    """Make an event fit for JSON; return the names of the fields that were not.

    A field that a user's hook set to what it can't hold is as it was ``before``, a copy
    from before the hook was asked.
    """
    unfit = restore_unfit(event, before)
    if isinstance(event, SessionStart):
        event.metadata = jsonable(event.metadata)
    return unfit
