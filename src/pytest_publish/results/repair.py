"""A result as a user's hook left it, made fit to be published.

A hook is handed the result itself, so that it can mask and add; whatever it put in that
does not belong there must cost neither the result nor blame anybody else.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any
from typing import Final
from typing import get_args
from typing import TypeVar

from .guard import guarded
from .report import as_text
from .report import OUTCOMES
from .report import UNTOLD
from .result import ExcInfo
from .result import Outcome
from .result import Phase
from .result import Subtest
from .result import TestResult
from .result import Verdict


_Part = TypeVar("_Part", Phase, Subtest)

_TEXTS: Final = ("stdout", "stderr", "log")
_VERDICTS: Final[dict[str, tuple[Outcome, ...]]] = {
    "pass": ("passed", "xpassed"),
    "skip": ("skipped", "xfailed"),
    "fail": ("failed", "error", "crashed", "rerun"),
}
assert set(_VERDICTS) == set(get_args(Verdict))


def copied(result: TestResult) -> TestResult:
    """Return a copy whose parts no hook can reach."""
    return dataclasses.replace(
        result,
        excinfo=_copy_of_exception(result.excinfo),
        phases=[_copy_of(phase) for phase in result.phases],
        subtests=[_copy_of(subtest) for subtest in result.subtests],
        _details=[*result.details],
    )


def _copy_of(part: _Part) -> _Part:
    return dataclasses.replace(part, excinfo=_copy_of_exception(part.excinfo))


def _copy_of_exception(excinfo: ExcInfo | None) -> ExcInfo | None:
    return excinfo and dataclasses.replace(excinfo, traceback=[*excinfo.traceback])


def repaired(result: TestResult, before: TestResult) -> list[str]:
    """Make a result fit for JSON and tree; return the names of the fields that were not.

    A text is made of what was put in for one; any other field is as it was ``before``,
    a copy from before the hook was asked.
    """
    unfit = []
    for name in _TEXTS:
        value = getattr(result, name, None)  # it may have been deleted
        if type(value) is not str:
            setattr(result, name, as_text(value))
            unfit.append(name)
    for name, fits in _FITTING.items():
        if not guarded(fits, _unfit, getattr(result, name, ...)):
            setattr(result, name, getattr(before, name))
            unfit.append(name)
    if not _is_verdict(result.result, result.outcome):
        result.result, result.outcome = before.result, before.outcome
        unfit.append("result")
    # A hook that changes the verdict need not know that a pass has no exception.
    if result.result == "pass":
        result.excinfo = None
    elif result.excinfo is None:
        result.excinfo = before.excinfo or dataclasses.replace(UNTOLD)
    return unfit


def _unfit(_error: BaseException) -> bool:
    return False


def _is_verdict(result: object, outcome: object) -> bool:
    return isinstance(result, str) and outcome in _VERDICTS.get(result, ())


def _is_text(value: object) -> bool:
    return type(value) is str


def _is_name(value: object) -> bool:
    return type(value) is str and value != ""


def _is_time(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _is_duration(value: object) -> bool:
    return _is_time(value) and value >= 0  # type: ignore[operator]


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 1


def _is_excinfo(value: object) -> bool:
    return type(value) is ExcInfo and (
        _is_text(value.type)
        and _is_text(value.value)
        and type(value.traceback) is list
        and all(map(_is_text, value.traceback))
    )


def _is_part(part: Any, kind: type[Phase | Subtest]) -> bool:
    """Tell whether a phase or a subtest has what its fields are for."""
    return type(part) is kind and all(
        fits(getattr(part, name)) for name, fits in _FITTING_PART.items() if hasattr(part, name)
    )


def _or_none(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or fits(value)


def _list_of(fits: Callable[[Any], bool]) -> Callable[[object], bool]:
    return lambda value: type(value) is list and all(map(fits, value))


def _is_detail(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_text, value))


_FITTING_PART: Final[dict[str, Callable[[object], bool]]] = {
    "when": lambda value: value in ("setup", "call", "teardown", "collect"),
    "description": _is_text,
    "outcome": lambda value: value in OUTCOMES,
    "start_time": _is_time,
    "stop_time": _is_time,
    "duration": _is_duration,
    "excinfo": _or_none(_is_excinfo),
}
_FITTING: Final[dict[str, Callable[[object], bool]]] = {
    "type": lambda value: value == "result",
    "nodeid": _is_name,
    "name": _is_name,
    "start_time": _is_time,
    "stop_time": _is_time,
    "duration": _is_duration,
    "xdist_dist": _or_none(_is_text),
    "xdist_worker": _or_none(_is_text),
    "xdist_scope": _or_none(_is_text),
    "excinfo": _or_none(_is_excinfo),
    "attempt": _is_count,
    "file": _or_none(_is_text),
    "line": _or_none(_is_count),
    "phases": _list_of(lambda part: _is_part(part, Phase)),
    "subtests": _list_of(lambda part: _is_part(part, Subtest)),
    "properties": lambda value: isinstance(value, dict),
    "_details": _list_of(_is_detail),
}
