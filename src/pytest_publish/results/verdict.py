"""The rules by which an attempt is judged: its outcome and its exception."""

from __future__ import annotations

from typing import Final

from .attempt import Attempt
from .result import ExcInfo
from .result import Outcome
from .result import Phase


_NO_CALL: Final = "no report of the test's call came: what became of its body is not known"

_GRAVEST_FIRST: Final = ("rerun", "failed", "xfailed", "skipped", "xpassed", "passed")


def judge(attempt: Attempt) -> tuple[Outcome, ExcInfo | None, Phase]:
    """Return an attempt's outcome and exception, and the phase whose times its result gets.

    At least one report of it must have come.
    """
    call = attempt.call
    if attempt.has_passed and call is not None:
        return "passed", None, call
    crash = attempt.crash
    if crash is not None:
        return "crashed" if crash.outcome == "failed" else crash.outcome, crash.excinfo, crash
    phases = attempt.phases if call is None else [call, *attempt.phases]
    decisive = min(phases, key=_rank)
    if call is None and decisive.outcome == "passed":
        return "skipped", ExcInfo("Skipped", _NO_CALL), decisive
    is_error = decisive.outcome == "failed" and decisive.when != "call"
    return "error" if is_error else decisive.outcome, decisive.excinfo, call or decisive


def _rank(phase: Phase) -> tuple[int, bool]:
    """Order phases: the gravest first; of two alike, the call, because it says more."""
    return _GRAVEST_FIRST.index(phase.outcome), phase.when != "call"
