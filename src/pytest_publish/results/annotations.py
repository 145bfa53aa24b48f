"""What the process that runs a test adds to each of its reports.

Where a report is made, this is set as its attribute :data:`ATTRIBUTE`. xdist carries a report's
attributes to the controller, if they were set while the report was made and hold exact
builtins only. In a serial run the same report is simply there. The controller takes it off
again, because pytest's terminal reporter keeps all reports to the end.
"""

# Without "from __future__ import annotations", whose texts TypedDict would compile one by one.
from typing import Final
from typing import TypedDict

from .result import PhaseOutcome
from .result import When


ATTRIBUTE: Final = "pytest_publish"


class _Exception(TypedDict):
    type: str
    value: str
    traceback: list[str]


class ExceptionData(_Exception, total=False):
    """The arguments of an :class:`~pytest_publish.results.result.ExcInfo`."""

    # The exception as Python prints it, if that tells more: causes, notes, a group.
    _text: str


class SwallowedPhase(TypedDict):
    """A phase whose report a plugin has swallowed."""

    when: When
    outcome: PhaseOutcome
    start_time: float
    stop_time: float
    duration: float
    excinfo: ExceptionData | None


class WorkerAnnotations(TypedDict, total=False):
    """All that may be added. A report of a process without the plugin has none of it."""

    # The test's own name with its parameters, its node id, and its xdist group if it has one.
    name: str
    nodeid: str
    group: str
    # The node id by which xdist schedules the test, where that is another one.
    scheduled: str
    # The machine on which the test runs, if it is not the controller's.
    host: str
    # Which attempt of the test this is, counted from 1.
    attempt: int
    # The exception of this phase, unless the phase passed.
    excinfo: ExceptionData
    # How pytest names the subtest that the report is of.
    subtest: str
    # Of the report of a file: when its collection began and ended.
    start: float
    stop: float
    duration: float
    # JSON text, because execnet's numbers are narrower than JSON's: the pairs that
    # record_property recorded, and an object of what the user's hooks added.
    properties: str
    added: str
    # How many of the report's sections are an earlier attempt's.
    earlier_sections: int
    # What pytest has coloured, mapped to what it was without: lines of comparisons,
    # and the names of log levels.
    coloured: dict[str, str]
    log_levels: dict[str, str]
    # On a teardown: the earlier phases of its attempt, if their reports were swallowed.
    swallowed: list[SwallowedPhase]
    # What went wrong in publishing this report: which kind of problem, and the error.
    problem: tuple[str, str]
    # Never sent: tells the process that made the report that it has been logged.
    logged: bool


def packed(annotations: WorkerAnnotations, nodeid: str) -> WorkerAnnotations:
    """Return a copy without what the report's node id tells: three are sent for each test."""
    carried = annotations.copy()
    if "attempt" in carried and carried["nodeid"] == nodeid:
        del carried["nodeid"]
        if carried["name"] == name_in(nodeid):
            del carried["name"]
    return carried


def unpack(annotations: WorkerAnnotations, nodeid: str) -> None:
    """Restore what :func:`packed` left out."""
    if "attempt" in annotations and "nodeid" not in annotations:
        annotations["nodeid"] = nodeid
        annotations.setdefault("name", name_in(nodeid))


def annotations_of(report: object) -> WorkerAnnotations:
    """Return a report's annotations; an empty dict if it has none."""
    found: WorkerAnnotations | None = getattr(report, ATTRIBUTE, None)
    return {} if found is None else found


def name_in(nodeid: str) -> str:
    """Return the last name of a node id with its parameters, which may hold ``::``."""
    _path, _colons, names = nodeid.partition("::")
    names, bracket, parameters = (names or nodeid).partition("[")
    return names.rpartition("::")[2] + bracket + parameters
