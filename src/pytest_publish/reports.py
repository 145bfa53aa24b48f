"""What one report of pytest tells: its outcome, exception, text, output and properties.

A report is anything that has a report's attributes.
"""

from __future__ import annotations

from collections.abc import Iterable
from json import loads
from typing import Any
from typing import Final
from typing import Protocol
from typing import TypeAlias

from . import plain
from .result import escaped
from .result import ExcInfo
from .result import jsonable


#: What pytest calls a location: file, line counted from 0, name in the file.
Location: TypeAlias = tuple[str, "int | None", str]

#: What was captured, and whatever else plugins attach: heading and text.
Sections: TypeAlias = list[tuple[str, str]]

#: What the process that ran the test added to its report.
Forwarded: TypeAlias = dict[str, Any]

#: ``when`` of the report by which xdist (3.6 to 3.8) tells of a dead worker.
CRASH: Final = "???"


class Report(Protocol):
    """What is read of a pytest.TestReport; ``pytest_publish`` may be missing."""

    nodeid: str
    location: Location
    when: Any
    outcome: Any
    longrepr: Any
    duration: float
    start: float
    stop: float
    sections: Sections
    user_properties: list[tuple[str, object]]


class CollectReport(Protocol):
    """What is read of a pytest.CollectReport; ``pytest_publish`` may be missing."""

    nodeid: str
    outcome: Any
    longrepr: Any
    sections: Sections


#: pytest's own words for how a phase ended, as its status hook says them.
OUTCOMES: Final = frozenset({"passed", "xpassed", "skipped", "xfailed", "failed", "rerun"})

#: What is known of a failure that has neither an exception nor a text.
UNTOLD: Final = ExcInfo("Failed", "")


def outcome_of(report: Report) -> str:
    """Return a report's outcome in pytest's words, as its status hook does."""
    outcome: str = report.outcome
    if hasattr(report, "wasxfail"):
        if outcome == "skipped":
            return "xfailed"
        if outcome == "passed" and report.when == "call":
            return "xpassed"
    # pytest-retry (1.7) has a word of its own for an attempt that does not count.
    return outcome if outcome in OUTCOMES else "rerun"


def excinfo_of(report: Report | CollectReport, forwarded: Forwarded) -> ExcInfo:
    """Return what was forwarded of the exception, else what its text tells."""
    data = forwarded.get("excinfo")
    if data is not None:
        return ExcInfo(**data)
    text = text_of(report.longrepr)
    if text.startswith("[XPASS(strict)]"):
        return ExcInfo("StrictXPass", text)
    # A worker without this plugin, or a plugin that judged the report by itself.
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return ExcInfo("Skipped", text) if report.outcome == "skipped" else ExcInfo("Failed", text)
    message = escaped(crash.message)
    kind, _colon, value = message.partition(": ")
    if kind.replace(".", "_").isidentifier():
        return ExcInfo(kind.rpartition(".")[2], value)
    # pytest leaves out the name of this class where its own text begins.
    return ExcInfo("AssertionError" if message.startswith("assert ") else "Failed", message)


def detail_of(report: Report) -> str:
    """Return pytest's own text of what did not pass, for people."""
    text = text_of(report.longrepr)
    reason = getattr(report, "wasxfail", None)
    if reason is None:
        return text
    expected = "expected to fail"
    if reason:
        expected += f": {escaped(reason)}"
    return f"{expected}\n{text}".rstrip()


def text_of(longrepr: Any) -> str:
    """Return pytest's text of a failure; ``file:line: reason`` of a skip."""
    if longrepr is None:
        return ""
    if isinstance(longrepr, tuple) and len(longrepr) == 3:
        file, line, reason = longrepr
        return escaped(f"{file}:{line}: {reason}")
    try:
        return escaped(plain.text_of(longrepr))
    except Exception as error:  # a plugin's own representation
        return f"<no text: {type(error).__name__} in {type(longrepr).__name__}>"


def captured_in(stream: str, sections: Sections) -> list[str]:
    """Return what was captured of stdout, stderr or log, in all phases."""
    heading = f"Captured {stream}"
    return [
        escaped(text)
        for title, text in sections
        if title == heading or title.startswith(f"{heading} ")
    ]


def properties_of(report: Report, forwarded: Forwarded) -> dict[str, Any]:
    """Return what ``record_property`` recorded; a name that came again has a list."""
    pairs: Iterable[Any]
    if "properties" in forwarded:
        pairs = loads(forwarded["properties"])
    elif "name" not in forwarded:
        pairs = jsonable([tuple(pair) for pair in report.user_properties])
    else:
        return {}
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
    describe = getattr(report, "_sub_test_description" if private else "sub_test_description", None)
    try:
        return escaped(describe())  # type: ignore[misc]
    except Exception:  # there is none any more, or an argument's __repr__ raised
        return "(<subtest>)" if context.msg is None else escaped(f"[{context.msg}]")


def without_group(nodeid: str, domain: str) -> tuple[str, str | None]:
    """Split the group off a node id of which nothing was forwarded.

    The location's name in the file, which has no group, tells where it begins;
    where that does not fit, xdist's own rule.
    """
    path, _colons, names = nodeid.partition("::")
    dotted = names.replace("::", ".")
    domain = domain.replace("::", ".")
    if dotted == domain:
        return nodeid, None
    at = names.find("@")
    while at != -1:
        if names[:at].replace("::", ".") == domain:
            return f"{path}::{names[:at]}", names[at + 1 :]
        at = names.find("@", at + 1)
    if names.rfind("@") > names.rfind("]"):
        name, _at, group = names.rpartition("@")
        return f"{path}::{name}", group
    return nodeid, None


def name_in(nodeid: str) -> str:
    """Return the last name of a node id with its parameters, which may hold ``::``."""
    _path, _colons, names = nodeid.partition("::")
    names, bracket, parameters = (names or nodeid).partition("[")
    return names.rpartition("::")[2] + bracket + parameters
