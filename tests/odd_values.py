"""Values for properties: what users' tests and hooks may hand over."""

from __future__ import annotations

import datetime as dt
import enum
import math
import threading
from pathlib import Path
from typing import Any
from typing import Final
from unittest import mock

from hypothesis import strategies as st


#: Any code point, the surrogates too.
texts = st.text(alphabet=st.characters(exclude_categories=()))


class Colour(enum.IntEnum):
    RED = 1


class Word(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another text"


class Unprintable:
    def __repr__(self) -> str:
        raise ZeroDivisionError


class EvilDict(dict[str, object]):
    def items(self) -> Any:
        raise ZeroDivisionError


class EvilInt(int):
    def __int__(self) -> int:
        raise ZeroDivisionError


class EvilFloat(float):
    def __float__(self) -> float:
        raise ZeroDivisionError


def cyclic_list() -> list[object]:
    cycle: list[object] = [1]
    cycle.append({"inside": cycle})
    return cycle


def cyclic_dict() -> dict[str, object]:
    cycle: dict[str, object] = {}
    cycle["self"] = (cycle,)
    return cycle


def deep(depth: int) -> list[object]:
    nested: list[object] = []
    for _ in range(depth):
        nested = [nested]
    return nested


#: Values that pass for a builtin that they are not, or break the rules of theirs.
PRETENDERS: Final[dict[str, object]] = {
    "dict without items": EvilDict(a=1),
    "int without value": EvilInt(5),
    "float without value": EvilFloat(0.5),
    "MagicMock": mock.MagicMock(),
    **{
        f"{kind.__name__} of {passed_for.__name__}": kind(spec=passed_for)
        for kind in (mock.Mock, mock.MagicMock)
        for passed_for in (str, bytes, int, float, dict, list, Path)
    },
}
#: Values that no format has a form for.
ODD: Final[dict[str, object]] = {
    "Colour.RED": Colour.RED,
    "str subclass with a surrogate": Word("x\ud800"),
    "object without repr": Unprintable(),
    "class": Unprintable,
    "cyclic list": cyclic_list(),
    "cyclic dict": cyclic_dict(),
    "deep(60)": deep(60),
    "deep(5000)": deep(5000),
    "threading.Lock": threading.Lock(),
    "path with a surrogate": Path("/a/\udc80"),
    "datetime": dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc),
    "10**5000": 10**5000,
    "-(10**5000)": -(10**5000),
    "2**63": 2**63,
    "-(2**63) - 1": -(2**63) - 1,
    "math.nan": math.nan,
    "math.inf": math.inf,
    "-math.inf": -math.inf,
    "{1, 2}": {1, 2},
    "frozenset()": frozenset(),
    "range(3)": range(3),
    "bytes": b"\xff\x00",
    "bytearray": bytearray(b"x"),
    "1j": 1j,
    "ellipsis": ...,
}
# By name, because Hypothesis asks what it samples from for its repr. It stumbles over
# mocks itself, so they are to be tried by themselves.
odd_values = st.sampled_from(sorted(ODD)).map(lambda name: ODD[name])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary()
keys = scalars | st.tuples(st.integers()) | st.sampled_from([Colour.RED, Unprintable, Word("k")])
anything = st.recursive(
    scalars | odd_values,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=8,
)
