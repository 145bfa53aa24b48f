"""A result as a user's hook left it, made fit to be published.

A hook is handed the result itself, so that it can mask and add. Whatever it puts into a
field that the field can't hold is taken out again, and the result is published.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from types import UnionType
from typing import Any
from typing import Final
from typing import get_args
from typing import get_origin
from typing import get_type_hints
from typing import Literal
from typing import TypeVar
from typing import Union

from .guard import guarded
from .report import as_text
from .report import UNTOLD
from .result import Outcome
from .result import TestResult
from .result import Verdict


_T = TypeVar("_T")

_TEXTS: Final = ("stdout", "stderr", "log")
_VERDICTS: Final[dict[Verdict, tuple[Outcome, ...]]] = {
    "pass": ("passed", "xpassed"),
    "skip": ("skipped", "xfailed"),
    "fail": ("failed", "error", "crashed", "rerun"),
}
#: Fields that are judged together, and those that are set after the hook was asked.
_NOT_JUDGED_ALONE: Final = {
    *_TEXTS,
    *("result", "outcome", "pubdir_path", "run_id", "session_id", "seq"),
}
#: What a field's type does not tell: the least number, and the least length.
_LEAST: Final = {"duration": 0, "attempt": 1, "line": 1, "nodeid": 1, "name": 1}


def copied(value: _T) -> _T:
    """Return a copy of a result whose parts no hook can reach."""
    if isinstance(value, list):
        return [copied(element) for element in value]  # type: ignore[return-value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **{name: copied(getattr(value, name)) for name in fields})
    return value


def repaired(result: TestResult, before: TestResult) -> list[str]:
    """Make a result fit for JSON and tree; return the names of the fields that were not.

    Where a text belongs, any other value becomes the text that describes it. All other
    fields get back what they held ``before``, in a copy from before the hook was asked.
    """
    unfit = []
    for name in _TEXTS:
        value = getattr(result, name, None)  # it may have been deleted
        if type(value) is not str:
            setattr(result, name, as_text(value))
            unfit.append(name)
    for name in _unfit_fields(result):
        if name not in _NOT_JUDGED_ALONE:
            setattr(result, name, getattr(before, name))
            unfit.append(name)
    if not guarded(_is_verdict, lambda _error: False, result):
        result.result, result.outcome = before.result, before.outcome
        unfit.append("result")
    # A hook that changes the verdict need not know that a pass has no exception.
    if result.result == "pass":
        result.excinfo = None
    elif result.excinfo is None:
        result.excinfo = before.excinfo or dataclasses.replace(UNTOLD)
    return unfit


def _is_verdict(result: TestResult) -> bool:
    return result.outcome in _VERDICTS[result.result]


def _unfit_fields(part: Any) -> list[str]:
    """Return the names of a dataclass's fields that hold what they can't."""
    kind_of_part: Any = type(part)
    return [
        name
        for name, kind in _types_of(kind_of_part).items()
        if not guarded(_fits, lambda _error: False, getattr(part, name, ...), kind, name)
    ]


@functools.cache
def _types_of(part: type[object]) -> dict[str, Any]:
    return get_type_hints(part)


def _fits(value: Any, kind: Any, name: str = "") -> bool:
    """Tell whether a value is of a field's type, without a subclass's surprises."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value in args
    if origin in (Union, UnionType):
        return any(_fits(value, arg, name) for arg in args)
    if origin is list:
        return type(value) is list and all(_fits(element, args[0]) for element in value)
    if origin is tuple:
        return type(value) is tuple and len(value) == len(args) and all(map(_fits, value, args))
    if origin is dict:
        return isinstance(value, dict)
    if kind is float:
        is_number = type(value) in (int, float) and math.isfinite(value)
        return is_number and value >= _LEAST.get(name, -math.inf)
    if type(value) is not kind or (dataclasses.is_dataclass(kind) and _unfit_fields(value)):
        return False
    return (
        value is None
        or name not in _LEAST
        or (len(value) if kind is str else value) >= _LEAST[name]
    )
