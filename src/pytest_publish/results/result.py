"""What is published of a test: :class:`TestResult` and its JSON.

The JSON is described for consumers by ``schema.json`` beside this file. The classes have no
slots, because orjson takes three times as long for those; what a users' hook sets that is no
field is refused in :mod:`~pytest_publish.results.repair`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from json import loads
from pathlib import Path
from typing import Any
from typing import Final
from typing import Literal
from typing import TypeAlias

from .values import jsonable
from .values import map_text


#: The three verdicts of the fixed contract.
Verdict: TypeAlias = Literal["pass", "skip", "fail"]
#: The finer outcomes: pytest's own words, and crashed and error.
Outcome: TypeAlias = Literal[
    "passed", "xpassed", "skipped", "xfailed", "failed", "error", "crashed", "rerun"
]
#: The verdict that each outcome means.
VERDICTS: Final[dict[Outcome, Verdict]] = {
    **dict.fromkeys(("passed", "xpassed"), "pass"),
    **dict.fromkeys(("skipped", "xfailed"), "skip"),
    **dict.fromkeys(("failed", "error", "crashed", "rerun"), "fail"),
}
#: The phases of a test, and the collection of a file.
When: TypeAlias = Literal["setup", "call", "teardown", "collect"]
#: pytest's words for how a phase ended, as its status hook says them; the most frequent first.
PhaseOutcome: TypeAlias = Literal["passed", "failed", "skipped", "xfailed", "xpassed", "rerun"]


@dataclasses.dataclass
class ExcInfo:
    """An exception: its class's name, ``str()`` of it, and its frames.

    ``traceback`` holds one string a frame, formatted as Python formats it, the
    failing line last; it is empty where no exception was raised or where no
    frame is the user's.
    """

    type: str
    value: str
    traceback: list[str] = dataclasses.field(default_factory=list)
    # The whole exception as Python prints it, if it has causes, notes, or a group's
    # exceptions. Not in the JSON, as the underscore says.
    _text: str = ""

    @property
    def text(self) -> str:
        """The exception as Python prints it."""
        # A hook that changed type or value may have masked a secret that is in _text.
        first_line = self.value.partition("\n")[0]
        if self._text and self.type in self._text and first_line in self._text:
            return self._text
        head = ["Traceback (most recent call last):\n"] if self.traceback else []
        last = f"{self.type}: {self.value}" if self.value else self.type
        return "".join([*head, *self.traceback, last.rstrip("\n"), "\n"])

    def change(self, change: Callable[[str], str]) -> None:
        """Change each of its texts except its type."""
        self.value = change(self.value)
        self.traceback = [change(frame) for frame in self.traceback]
        self._text = change(self._text)

    def withhold(self, reason: str) -> None:
        """Put ``reason`` in place of each of its texts except its type."""
        self.value, self.traceback, self._text = reason, [], ""


@dataclasses.dataclass
class Phase:
    """One phase of a test as pytest judged it; times in epoch seconds."""

    when: When
    outcome: PhaseOutcome
    start_time: float
    stop_time: float
    duration: float
    excinfo: ExcInfo | None = None
    # pytest's own text of what did not pass.
    text: str | None = None


@dataclasses.dataclass
class Subtest:
    """A child of a test: of pytest's ``subtests`` or unittest's ``subTest``."""

    description: str
    outcome: PhaseOutcome
    duration: float
    excinfo: ExcInfo | None = None
    # pytest's own text of what did not pass.
    text: str | None = None


@dataclasses.dataclass
class TestResult:
    """One finished attempt of a test, its fields in the order of its JSON.

    Times are epoch seconds, ``duration`` is seconds. A ``pytest_publish_result``
    hook may change any of it.

    The fields that every result needs are positional, because Python (3.11) takes three times
    as long to make a dataclass by keywords.
    """

    __test__ = False  # for pytest: this is not a test class

    type: Literal["result"] = dataclasses.field(default="result", kw_only=True)
    result: Verdict
    nodeid: str
    start_time: float
    stop_time: float
    duration: float
    stdout: str = dataclasses.field(default="", kw_only=True)
    stderr: str = dataclasses.field(default="", kw_only=True)
    log: str = dataclasses.field(default="", kw_only=True)
    xdist_dist: str | None = dataclasses.field(default=None, kw_only=True)
    xdist_worker: str | None = dataclasses.field(default=None, kw_only=True)
    xdist_scope: str | None = dataclasses.field(default=None, kw_only=True)
    excinfo: ExcInfo | None = dataclasses.field(default=None, kw_only=True)
    name: str
    pubdir_path: str | None = dataclasses.field(default=None, kw_only=True)
    outcome: Outcome
    attempt: int = dataclasses.field(default=1, kw_only=True)
    run_id: str = dataclasses.field(default="", kw_only=True)
    session_id: str = dataclasses.field(default="", kw_only=True)
    seq: int = dataclasses.field(default=0, kw_only=True)
    file: str | None = None
    line: int | None = None
    phases: list[Phase] = dataclasses.field(default_factory=list)
    subtests: list[Subtest] = dataclasses.field(default_factory=list)
    properties: dict[str, Any] = dataclasses.field(default_factory=dict)
    project: str = dataclasses.field(default="", kw_only=True)
    host: str | None = None
    # Not in the JSON: orjson leaves out a dataclass's fields that begin with an underscore.
    _details: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    @property
    def details(self) -> list[tuple[str, str]]:
        """Pytest's own text of each phase that did not pass, as (heading, text).

        It is shown in ``brief.txt``, and not part of the JSON.
        """
        return self._details

    def mask(self, secret: str, replacement: str = "***") -> None:
        """Replace ``secret`` in every text that is going to be published.

        The names by which a result is found again (node id, name, file, run) stay.
        An empty ``secret`` replaces nothing.
        """
        if not secret:
            return

        def masked(text: str) -> str:
            return text.replace(secret, replacement)

        self._change(masked, lambda excinfo: excinfo.change(masked))
        self.properties = map_text(jsonable(self.properties), masked)
        # A subtest's description is in its heading.
        self._details = [(masked(heading), masked(text)) for heading, text in self._details]

    def withhold(self, reason: str) -> None:
        """Put ``reason`` in place of every text that a test may have made.

        Names, verdict and times stay, so that the result can be found and counted.
        """
        self._change(lambda _text: reason, lambda excinfo: excinfo.withhold(reason))
        self.properties = {"withheld": reason} if self.properties else {}
        self._details = [("withheld", reason)] if self._details else []

    def _change(
        self, change: Callable[[str], str], change_excinfo: Callable[[ExcInfo], None]
    ) -> None:
        for name in ("stdout", "stderr", "log"):
            text = getattr(self, name)
            setattr(self, name, change(text) if text else "")
        parts: list[TestResult | Phase | Subtest] = [self, *self.phases, *self.subtests]
        for part in parts:
            # A phase's excinfo is often the result's own, which then comes twice.
            if part.excinfo is not None:
                change_excinfo(part.excinfo)
            if not isinstance(part, TestResult):
                part.text = part.text and change(part.text)
            if isinstance(part, Subtest):
                part.description = change(part.description)


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of all that is published, by its ``type``."""
    path = Path(__file__).with_name("schema.json")
    loaded: dict[str, Any] = loads(path.read_text("utf-8"))
    return loaded
