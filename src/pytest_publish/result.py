"""What is published of a test: :class:`TestResult` and its JSON.

The JSON is described for consumers by ``result.schema.json`` beside this file.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import Final
from typing import Literal
from typing import TypeAlias

from .guard import guarded


#: The three verdicts of the fixed contract.
Verdict: TypeAlias = Literal["pass", "skip", "fail"]
#: pytest's finer words, and those for what pytest has no single word for.
Outcome: TypeAlias = Literal[
    "passed", "xpassed", "skipped", "xfailed", "failed", "error", "crashed", "rerun"
]

# Deeper than anybody nests a property, shallow enough for the interpreter's stack.
MAX_DEPTH: Final = 50
# What orjson represents, and a consumer with signed 64-bit numbers can read.
MIN_INT: Final = -(2**63)
MAX_INT: Final = 2**63 - 1


@dataclasses.dataclass(slots=True)
class ExcInfo:
    """An exception: its class's name, ``str()`` of it, and its frames.

    ``traceback`` holds one string a frame, formatted as Python formats it, the
    failing line last; it is empty where no exception was raised or where no
    frame is the user's.
    """

    type: str
    value: str
    traceback: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Phase:
    """One phase of a test as pytest judged it; times in epoch seconds."""

    when: str
    outcome: str
    start_time: float
    stop_time: float
    duration: float
    excinfo: ExcInfo | None = None


@dataclasses.dataclass(slots=True)
class Subtest:
    """A child of a test: of pytest's ``subtests`` or unittest's ``subTest``."""

    description: str
    outcome: str
    duration: float
    excinfo: ExcInfo | None = None


@dataclasses.dataclass(slots=True, kw_only=True)
class TestResult:
    """One finished attempt of a test, its fields in the order of its JSON.

    Times are epoch seconds, ``duration`` is seconds. A ``pytest_publish_result``
    hook may change any of it.
    """

    __test__ = False  # for pytest: this is not a test class

    type: Literal["result"] = "result"
    result: Verdict
    nodeid: str
    start_time: float
    stop_time: float
    duration: float
    stdout: str = ""
    stderr: str = ""
    log: str = ""
    xdist_dist: str | None = None
    xdist_worker: str | None = None
    xdist_scope: str | None = None
    excinfo: ExcInfo | None = None
    name: str
    pubdir_path: str | None = None
    outcome: Outcome
    attempt: int = 1
    run_id: str = ""
    session_id: str = ""
    seq: int = 0
    file: str | None = None
    line: int | None = None
    phases: list[Phase] = dataclasses.field(default_factory=list)
    subtests: list[Subtest] = dataclasses.field(default_factory=list)
    properties: dict[str, Any] = dataclasses.field(default_factory=dict)
    # Named so that it stays out of the JSON: orjson leaves out the fields of a
    # dataclass that begin with an underscore.
    _details: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    @property
    def details(self) -> list[tuple[str, str]]:
        """Pytest's own text of whatever did not pass, as (heading, text).

        People read it in ``brief.txt``; it is not part of the JSON.
        """
        return self._details

    def to_json(self) -> bytes:
        """Return the JSON object as one line of UTF-8, without a newline.

        What JSON can't represent is escaped, so no text and no value makes this raise.
        """
        # What a user's hook added is not left to orjson: some values that hold
        # themselves have it (3.13) overflow the stack, which ends the process.
        if self.properties:
            self.properties = jsonable(self.properties)
        # Not where tests run: a worker may be of another Python version and yet have
        # the controller's import path (--tx popen//python=…, xdist 3.6 to 3.8), on
        # which no compiled module fits it.
        import orjson

        try:
            return orjson.dumps(self)
        except TypeError:  # a lone surrogate
            return orjson.dumps(jsonable(self))

    def mask(self, secret: str, replacement: str = "***") -> None:
        """Replace ``secret`` in every text that is going to be published.

        The names by which a result is found again (node id, name, file, run) stay.
        An empty ``secret``, one that is not set, is in no text.
        """
        if not secret:
            return

        def masked(text: str) -> str:
            return text.replace(secret, replacement)

        self.stdout, self.stderr, self.log = map(masked, (self.stdout, self.stderr, self.log))
        parts: list[TestResult | Phase | Subtest] = [self, *self.phases, *self.subtests]
        for part in parts:
            # A phase's excinfo is often the result's own, which then comes twice.
            if part.excinfo is not None:
                part.excinfo.value = masked(part.excinfo.value)
                part.excinfo.traceback = [masked(frame) for frame in part.excinfo.traceback]
        for subtest in self.subtests:
            subtest.description = masked(subtest.description)
        self.properties = _map_text(jsonable(self.properties), masked)
        # A subtest's description is in its heading.
        self._details = [(masked(heading), masked(text)) for heading, text in self._details]


def _map_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_text(element, change) for element in value]
    if isinstance(value, dict):
        return {change(key): _map_text(element, change) for key, element in value.items()}
    return value


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a published result."""
    path = Path(__file__).with_name("result.schema.json")
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def escaped(text: str) -> str:
    r"""Return ``text`` as an exact ``str`` that UTF-8 can hold.

    A lone surrogate becomes its backslash escape (``\udc80``).
    """
    text = str.__str__(text)  # of a subclass: its text, whatever its own __str__ says
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def described(value: object) -> str:
    """Return the text that stands for a value which is no plain data."""
    return guarded(
        lambda: escaped(os.fspath(value) if isinstance(value, Path) else repr(value)),
        lambda error: f"<{type(value).__name__} object: its repr raised {type(error).__name__}>",
    )


def jsonable(value: object, parents: tuple[int, ...] = ()) -> Any:
    """Return ``value`` as what JSON can represent and every consumer can read.

    Integers beyond 64 bits, NaN and the infinities become strings, and so does
    whatever else JSON has no form for. ``parents`` are the ids of the containers
    around it; one that holds itself is described.
    """
    # A mock passes for what it is not, and a user's own __int__ may raise.
    return guarded(_jsonable, lambda _error: described(value), value, parents)


def _jsonable(value: object, parents: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, int):
        return int(value) if MIN_INT <= value <= MAX_INT else digits(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, bytes):
        return bytes.decode(value, "utf-8", "backslashreplace")
    if id(value) in parents or len(parents) > MAX_DEPTH:
        return described(value)
    inside = (*parents, id(value))
    if isinstance(value, dict):
        return {_key(key): jsonable(element, inside) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(element, inside) for element in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):  # as orjson does
        names = [
            field.name for field in dataclasses.fields(value) if not field.name.startswith("_")
        ]
        return {name: jsonable(getattr(value, name), inside) for name in names}
    return described(value)


def digits(value: int) -> str:
    """Return the text that stands for an integer of any size."""
    try:
        return str(int(value))
    except ValueError:  # more digits than sys.get_int_max_str_digits() allows
        return hex(value)


def _key(key: object) -> str:
    plain = jsonable(key)
    return plain if isinstance(plain, str) else described(plain)
