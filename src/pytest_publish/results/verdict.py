"""The rules by which an attempt is judged: its result, its outcome, its exception."""

from __future__ import annotations

from typing import Final
from typing import TypeAlias

from .attempt import Attempt
from .result import ExcInfo
from .result import Outcome
from .result import Phase
from .result import PhaseOutcome
from .result import Verdict


_NO_CALL: Final = "no report of the test's call came: what became of its body is not known"

#: The result and outcome of a test, by the outcome of its gravest phase; gravest first.
_RESULTS: Final[dict[PhaseOutcome, tuple[Verdict, Outcome]]] = {
    "rerun": ("fail", "rerun"),
    "failed": ("fail", "failed"),
    "xfailed": ("skip", "xfailed"),
    "skipped": ("skip", "skipped"),
    "xpassed": ("pass", "xpassed"),
    "passed": ("pass", "passed"),
}
_GRAVITY: Final = list(_RESULTS)


#: Result, outcome and exception of an attempt, and the phase whose times are the result's.
Judgement: TypeAlias = tuple[Verdict, Outcome, "ExcInfo | None", Phase]


def judge(attempt: Attempt) -> Judgement:
    """Judge an attempt of which at least one report came."""
    call = attempt.call
    if attempt.has_passed and call is not None:
        return "pass", "passed", None, call
    if attempt.crash is not None:
        result, outcome = _RESULTS[attempt.crash.outcome]
        outcome = "crashed" if outcome == "failed" else outcome
        return result, outcome, attempt.crash.excinfo, attempt.crash
    unreported = attempt.unreported_call
    if unreported is not None:
        return "fail", "failed", unreported.excinfo, unreported
    decisive = _decisive(attempt.phases)
    if call is None and decisive.outcome == "passed":
        return "skip", "skipped", ExcInfo("Skipped", _NO_CALL), decisive
    result, outcome = _RESULTS[decisive.outcome]
    if outcome == "failed" and decisive.when != "call":
        outcome = "error"
    return result, outcome, decisive.excinfo, call or decisive


def _decisive(phases: list[Phase]) -> Phase:
    """Return the gravest phase; of two alike, the call, because it says more."""
    return min(phases, key=lambda phase: (_GRAVITY.index(phase.outcome), phase.when != "call"))
