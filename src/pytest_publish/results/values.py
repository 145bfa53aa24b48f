"""Any value as plain data: what JSON can represent, and what execnet can carry."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from typing import Final

from .guard import guarded


# Deeper than anybody nests a property, shallow enough for the interpreter's stack.
MAX_DEPTH: Final = 50
# What orjson represents, and a consumer with signed 64-bit numbers can read.
MIN_INT: Final = -(2**63)
MAX_INT: Final = 2**63 - 1

# execnet 2.1 packs anything up to MAX_INT, but below zero only 32 bits.
_MIN_INT_OF_EXECNET: Final = -(2**31)
_EXACT_TYPES: Final = frozenset({type(None), bool, float, complex, bytes})


def escape(text: str) -> str:
    r"""Return ``text`` as an exact ``str`` that UTF-8 can hold.

    A lone surrogate becomes its backslash escape (``\udc80``).
    """
    if type(text) is not str:
        text = str.__str__(text)  # of a subclass: its text, whatever its own __str__ says
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def describe(value: object) -> str:
    """Return the text that stands for a value which is no plain data."""
    return guarded(
        lambda: escape(os.fspath(value) if isinstance(value, Path) else repr(value)),
        lambda error: f"<{type(value).__name__} object: its repr raised {type(error).__name__}>",
    )


def digits(value: int) -> str:
    """Return the text that stands for an integer of any size."""
    try:
        return str(int(value))
    except ValueError:  # more digits than sys.get_int_max_str_digits() allows
        return hex(value)


def map_text(value: Any, change: Callable[[str], str]) -> Any:
    """Change every text in a value that :func:`jsonable` has returned."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_text(element, change) for element in value]
    if isinstance(value, dict):
        return {change(key): map_text(element, change) for key, element in value.items()}
    return value


def jsonable(value: object, parents: tuple[int, ...] = ()) -> Any:
    """Return ``value`` as what JSON can represent and every consumer can read.

    Integers beyond 64 bits, NaN and the infinities become strings, and so does
    whatever else JSON has no form for. ``parents`` are the ids of the containers
    around it; a container that holds itself is described.
    """
    return guarded(_converted, lambda _error: describe(value), value, parents, for_json=True)


def transportable(value: Any) -> Any:
    """Return ``value`` with exact builtins in place of whatever execnet refuses.

    Unlike :func:`jsonable` it keeps tuples, bytes and sets, because pytest needs them
    back as they were. What needs no change is returned itself.
    """
    if guarded(_are_transportable, lambda _error: False, (value,), 0):
        return value
    return _transportable(value, ())


def _are_transportable(values: Iterable[Any], depth: int) -> bool:
    """Tell whether execnet takes all values as they are; False also if that is not certain."""
    for value in values:
        kind = type(value)
        if kind is str:
            if not value.isascii() and escape(value) is not value:
                return False
        elif kind is int:
            if not _MIN_INT_OF_EXECNET <= value <= MAX_INT:
                return False
        elif kind in (dict, list, tuple):
            if depth > MAX_DEPTH or not _are_transportable(value, depth + 1):
                return False
            if kind is dict and not _are_transportable(value.values(), depth + 1):
                return False
        elif kind not in _EXACT_TYPES:
            return False
    return True


def _transportable(value: Any, parents: tuple[int, ...]) -> Any:
    if type(value) in _EXACT_TYPES:
        return value
    return guarded(_converted, lambda _error: describe(value), value, parents, for_json=False)


def _converted(value: Any, parents: tuple[int, ...], *, for_json: bool) -> Any:
    # It may raise: a mock passes for what it is not, and a user's own __int__ is called.
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, int):
        least = MIN_INT if for_json else _MIN_INT_OF_EXECNET
        return int(value) if least <= value <= MAX_INT else digits(value)
    if isinstance(value, float):
        return repr(float(value)) if for_json and not math.isfinite(value) else float(value)
    if isinstance(value, bytes) and for_json:
        return bytes.decode(value, "utf-8", "backslashreplace")
    if id(value) in parents or len(parents) > MAX_DEPTH:
        return describe(value)
    convert = _json_container if for_json else _execnet_container
    return convert(value, (*parents, id(value)))


def _json_container(value: Any, inside: tuple[int, ...]) -> Any:
    if isinstance(value, dict):
        return {_json_key(key): jsonable(element, inside) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(element, inside) for element in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):  # as orjson does
        names = [
            field.name for field in dataclasses.fields(value) if not field.name.startswith("_")
        ]
        return {name: jsonable(getattr(value, name), inside) for name in names}
    return describe(value)


def _json_key(key: object) -> str:
    plain = jsonable(key)
    return plain if isinstance(plain, str) else describe(plain)


def _execnet_container(value: Any, inside: tuple[int, ...]) -> Any:
    if isinstance(value, dict):
        return {
            _transportable(key, inside): _transportable(element, inside)
            for key, element in value.items()
        }
    for container in (list, tuple, set, frozenset):
        if isinstance(value, container):
            return container(_transportable(element, inside) for element in value)
    return describe(value)
