"""A result or an event as a user's hook left it, made fit to be published.

A hook is handed the object itself, so that it can mask and add. Whatever it puts into a
field that the field can't hold is taken out again, and the object is published.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from collections.abc import Container
from collections.abc import Iterator
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
from .result import TestResult
from .result import VERDICTS
from .values import MAX_INT
from .values import MIN_INT


_T = TypeVar("_T")

_JUDGEMENTS: Final = frozenset(VERDICTS.items())
#: Fields that are judged together, and those that are set after the hook was asked.
_NOT_JUDGED_ALONE: Final = ("result", "outcome", "pubdir_path", "run_id", "session_id", "seq")
#: What a field's type does not tell: the least number, and the least length.
_LEAST: Final = {
    **dict.fromkeys(("attempt", "line", "nodeid", "name"), 1),
    **dict.fromkeys(("duration", "total", "deselected", "first", "workers", "results"), 0),
}
_types_of: Final[Callable[[Any], dict[str, Any]]] = functools.cache(get_type_hints)


def refuse_unknown(told: object) -> None:
    """Remove what is set under a name that no field has, and raise AttributeError for it.

    The hook may have misspelt the name of a text that it meant to mask.
    """
    unknown = []
    for part in _parts(told):
        for name in [name for name in vars(part) if name not in _types_of(type(part))]:
            delattr(part, name)
            unknown.append(name)
    if unknown:
        raise AttributeError(f"{type(told).__name__} has no {', '.join(unknown)}")


def _parts(value: object, depth: int = 0) -> Iterator[object]:
    """Yield a dataclass and those in it, as deep as they are nested in a result."""
    if isinstance(value, list):
        for element in value:
            yield from _parts(element, depth)
    elif dataclasses.is_dataclass(type(value)) and depth < 3:
        yield value
        for held in vars(value).values():
            yield from _parts(held, depth + 1)


def repaired(result: TestResult, before: TestResult) -> list[str]:
    """Make a result fit for JSON and tree; return the names of the fields that were not.

    Where a text belongs, any other value becomes the text that describes it. All other
    fields get back what they held ``before``, in a copy from before the hook was asked.
    """
    unfit = []
    for name in ("stdout", "stderr", "log"):
        value = vars(result).get(name)  # it may have been deleted
        if type(value) is not str:
            setattr(result, name, as_text(value))
            unfit.append(name)
    unfit += restore_unfit(result, before, _NOT_JUDGED_ALONE)
    if not guarded(lambda: (result.outcome, result.result) in _JUDGEMENTS, lambda _error: False):
        result.result, result.outcome = before.result, before.outcome
        unfit.append("result")
    # A hook that changes the verdict need not know that a pass has no exception.
    if result.result == "pass":
        result.excinfo = None
    elif result.excinfo is None:
        result.excinfo = before.excinfo or dataclasses.replace(UNTOLD)
    return unfit


def restore_unfit(told: _T, before: _T, but: Container[str] = ()) -> list[str]:
    """Give the fields that are not fit for JSON back what they held; return their names."""
    unfit = [name for name in _unfit_fields(told) if name not in but]
    for name in unfit:
        setattr(told, name, getattr(before, name))
    if list(vars(told)) != list(vars(before)):  # one was deleted, and the JSON has an order
        held = {name: vars(told)[name] for name in vars(before)}
        vars(told).clear()
        vars(told).update(held)
    return unfit


def _unfit_fields(part: Any) -> list[str]:
    """Return the names of a dataclass's fields that hold what they can't."""
    held = vars(part)
    return [
        name
        for name, kind in _types_of(type(part)).items()
        if not guarded(_fits, lambda _error: False, held.get(name, ...), kind, name)
    ]


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
    if origin is dict and args[1] is Any:  # whatever it is, jsonable() makes JSON of it
        return isinstance(value, dict)
    if origin is dict:
        return type(value) is dict and all(
            _fits(key, args[0]) and _fits(held, args[1]) for key, held in value.items()
        )
    if type(value) is int and not MIN_INT <= value <= MAX_INT:
        return False  # JSON would have it as a text
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
