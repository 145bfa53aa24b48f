"""One report of pytest, read: its outcome, exception, text, output and properties.

Plugins change reports. So any attribute may be of any type, and reading it may raise.
"""

from __future__ import annotations

import re
from json import loads
from math import isfinite
from typing import Any
from typing import Final
from typing import get_args
from typing import Protocol
from typing import TypeAlias

from .annotations import WorkerAnnotations
from .colours import plain_text_of
from .guard import guarded
from .result import ExcInfo
from .result import PhaseOutcome
from .values import describe
from .values import escape
from .values import jsonable


#: What pytest calls a location: file, line counted from 0, name in the file.
Location: TypeAlias = tuple[str, "int | None", str]

#: Captured output, and what plugins attach besides: heading and text.
Sections: TypeAlias = list[tuple[str, str]]


#: ``when`` in the report that xdist (3.6 to 3.8) makes for a worker that died.
CRASH: Final = "???"


class CollectReport(Protocol):
    """What is read of a pytest.CollectReport."""

    nodeid: str
    outcome: Any
    longrepr: Any
    sections: Any


class Report(CollectReport, Protocol):
    """What is read of a pytest.TestReport."""

    location: Any
    when: Any
    duration: Any
    start: Any
    stop: Any
    user_properties: Any


# No set, because a plugin's word may be of any type.
_OUTCOMES: Final = get_args(PhaseOutcome)

#: Stands for a failure of which neither an exception nor a text is known.
UNTOLD: Final = ExcInfo("Failed", "")

#: The property under which an entry of ``user_properties`` that is no pair is published.
UNNAMED: Final = "user_properties"


def outcome_of(report: Report) -> PhaseOutcome:
    """Return a report's outcome in pytest's words, as its status hook does."""
    outcome: PhaseOutcome = report.outcome
    if outcome == "passed":
        return "xpassed" if report.when == "call" and hasattr(report, "wasxfail") else "passed"
    if outcome == "skipped" and hasattr(report, "wasxfail"):
        return "xfailed"
    if outcome in _OUTCOMES:
        return outcome
    # pytest-retry (1.7) has a word of its own for an attempt that does not count.
    return "rerun" if isinstance(report.outcome, str) else "failed"


def times_of(report: Report) -> tuple[float, float, float]:
    """Return a report's start, stop and duration."""
    start, stop, duration = report.start, report.stop, report.duration
    if (
        type(start) is type(stop) is type(duration) is float
        # A test that moves the clock (time-machine) moves pytest's too.
        and duration >= 0.0
        and isfinite(start + stop + duration)
    ):
        return start, stop, duration
    return _seconds(start), _seconds(stop), max(0.0, _seconds(duration))


def _seconds(value: Any) -> float:
    number = guarded(float, lambda _error: 0.0, value)
    return number if isfinite(number) else 0.0


def location_of(location: Any) -> Location:
    """Return where a test is defined: file and name are empty, the line None, if not known."""
    if type(location) is not tuple or len(location) != 3:
        return "", None, ""
    file, line, domain = location
    if type(file) is not str or not file.isascii():
        file = as_text(file)
    return file, line if type(line) is int and line >= 0 else None, domain


def excinfo_of(report: CollectReport, annotations: WorkerAnnotations) -> ExcInfo:
    """Return the exception that the worker added; without one, what the text says of it."""
    return guarded(
        _excinfo_of,
        lambda error: ExcInfo("Failed", _unreadable(report.longrepr, error)),
        report,
        annotations,
    )


def _excinfo_of(report: CollectReport, annotations: WorkerAnnotations) -> ExcInfo:
    data = annotations.get("excinfo")
    if data is not None:
        return ExcInfo(**data)
    text = text_of(report.longrepr)
    if text.startswith("[XPASS(strict)]"):
        return ExcInfo("StrictXPass", text)
    # A worker without this plugin, or a plugin that judged the report by itself.
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return ExcInfo("Skipped", text) if report.outcome == "skipped" else ExcInfo("Failed", text)
    message = escape(crash.message)
    kind, _colon, value = message.partition(": ")
    if kind.replace(".", "_").isidentifier():
        return ExcInfo(kind.rpartition(".")[2], value)
    # pytest leaves out the name of this class where its own text begins.
    return ExcInfo("AssertionError" if message.startswith("assert ") else "Failed", message)


def detail_of(report: Report) -> str:
    """Return pytest's own text of a phase that did not pass, for people."""
    text = text_of(report.longrepr)
    reason = getattr(report, "wasxfail", None)
    if reason is None:
        return text
    expected = "expected to fail"
    # An xfail mark takes a reason of any type.
    if reason != "":
        expected += f": {as_text(reason)}"
    return f"{expected}\n{text}".rstrip()


def text_of(longrepr: Any) -> str:
    """Return pytest's text of a failure; ``file:line: reason`` of a skip."""
    if longrepr is None:
        return ""
    return guarded(_text_of, lambda error: _unreadable(longrepr, error), longrepr)


def _text_of(longrepr: Any) -> str:
    if isinstance(longrepr, tuple) and len(longrepr) == 3:
        file, line, reason = longrepr
        return escape(f"{file}:{line}: {reason}")
    return escape(plain_text_of(longrepr))


def _unreadable(value: object, error: BaseException) -> str:
    return f"<no text: {type(error).__name__} in {type(value).__name__}>"


def as_text(value: object) -> str:
    """Return any value as an exact ``str`` that UTF-8 can hold."""
    if type(value) is str:
        return value if value.isascii() else escape(value)
    if isinstance(value, str):  # or a mock that passes for one
        return guarded(escape, lambda _error: describe(value), value)
    return describe(value)


def sections_of(report: CollectReport) -> Sections:
    """Return a report's sections, each a heading and a text."""
    return guarded(lambda: [_section(part) for part in report.sections], lambda _error: [])


def _section(part: Any) -> tuple[str, str]:
    if isinstance(part, (tuple, list)) and len(part) == 2:
        return as_text(part[0]), as_text(part[1])
    return "", as_text(part)  # a plugin's own


def captured_in(sections: Sections) -> tuple[str, str, str]:
    """Return what was captured of stdout, stderr and log, in all phases."""
    stdout, stderr, log = (
        [text for title, text in sections if f"{title} ".startswith(f"Captured {stream} ")]
        for stream in ("stdout", "stderr", "log")
    )
    return "".join(stdout), "".join(stderr), "\n".join(log)


def pairs_of(recorded: Any) -> list[Any]:
    """Return what ``record_property`` and plugins recorded: pairs of JSON's own values."""
    return guarded(
        lambda: [_pair(entry) for entry in recorded],
        lambda error: [[UNNAMED, _unreadable(recorded, error)]],
    )


def _pair(entry: object) -> Any:
    is_pair = isinstance(entry, (tuple, list)) and len(entry) == 2
    return jsonable(entry) if is_pair else [UNNAMED, jsonable(entry)]


def properties_of(report: Report, annotations: WorkerAnnotations) -> dict[str, Any]:
    """Return what ``record_property`` recorded; a name that came again has a list."""
    if "properties" in annotations:
        pairs = loads(annotations["properties"])
    else:
        pairs = pairs_of(report.user_properties or ())
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(str(name), []).append(value)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def subtest_description(report: object) -> str | None:
    """Return how pytest names a subtest; None for the report of a whole test.

    Both pytest 9's SubtestReport and pytest-subtests' SubTestReport have a
    ``context`` with the message and the keyword arguments, and a method that
    describes it.
    """
    context = getattr(report, "context", None)
    if context is None or not hasattr(context, "msg") or not hasattr(context, "kwargs"):
        return None
    private = hasattr(report, "_sub_test_description")
    method = getattr(report, "_sub_test_description" if private else "sub_test_description", None)
    return guarded(
        lambda: escape(method()),  # type: ignore[misc]
        # There is none any more, or an argument's __repr__ raised.
        lambda _error: "(<subtest>)" if context.msg is None else f"[{as_text(context.msg)}]",
    )


def without_group(nodeid: str, domain: str) -> tuple[str, str | None]:
    """Split the group off the node id of a report without annotations.

    The location has the test's name without the group, so the group is what follows it.
    If the names differ, xdist's own rule decides.
    """
    path, _colons, names = nodeid.partition("::")
    domain = domain.replace("::", ".")
    if names.replace("::", ".") == domain:
        return nodeid, None
    for at in re.finditer("@", names):
        if names[: at.start()].replace("::", ".") == domain:
            return f"{path}::{names[: at.start()]}", names[at.end() :]
    if names.rfind("@") > names.rfind("]"):
        name, _at, group = names.rpartition("@")
        return f"{path}::{name}", group
    return nodeid, None
