from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import cast

import execnet
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odd_values import anything
from odd_values import Colour
from odd_values import cyclic_list
from odd_values import ODD
from odd_values import PRETENDERS
from odd_values import texts
from odd_values import Unprintable
from odd_values import Word
from pytest_publish.results.values import describe
from pytest_publish.results.values import digits
from pytest_publish.results.values import escape
from pytest_publish.results.values import jsonable
from pytest_publish.results.values import transportable


@given(anything)
def test_any_value_has_a_form_in_json(value: object) -> None:
    plain = jsonable(value)
    assert orjson.loads(orjson.dumps(plain)) == plain


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (Colour.RED, 1),
        (2**63 - 1, 2**63 - 1),
        (2**63, "9223372036854775808"),
        (-(2**63), -(2**63)),
        (-(2**63) - 1, "-9223372036854775809"),
        (0.5, 0.5),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ("a\ud800", "a\\ud800"),
        (Word("text"), "text"),
        (b"a\xff", "a\\xff"),
        (Path("a/b"), "a/b"),
        ((1, (2,)), [1, [2]]),
        ({1: 2, None: 3, "a": 4}, {"1": 2, "None": 3, "a": 4}),
        ({b"k": 1, Path("p"): 2}, {"k": 1, "p": 2}),
        (range(3), "range(0, 3)"),
        ({1}, "{1}"),
        (
            Unprintable(),
            "<Unprintable object: its repr raised ZeroDivisionError>",
        ),
    ],
)
def test_a_value_is_kept_where_json_has_it_and_told_where_not(value: object, plain: object) -> None:
    assert jsonable(value) == plain
    assert type(jsonable(value)) is type(plain)


def test_a_container_that_holds_itself_is_described_where_it_comes_again() -> None:
    assert jsonable(cyclic_list()) == [1, {"inside": "[1, {'inside': [...]}]"}]


def test_a_value_that_comes_twice_is_no_cycle() -> None:
    shared = [1]
    assert jsonable([shared, {"a": shared}]) == [[1], {"a": [1]}]


def test_an_integer_of_any_size_has_its_digits_or_its_hexadecimal_ones() -> None:
    assert digits(10**100) == "1" + "0" * 100
    assert int(digits(10**5000), 16) == 10**5000


@given(texts)
def test_text_that_utf8_can_hold_is_left_alone(text: str) -> None:
    expected = text.encode("utf-8", "backslashreplace").decode()
    assert escape(text) == expected


def test_the_text_of_a_subclass_is_what_it_holds_and_not_what_it_says() -> None:
    assert escape(Word("text")) == "text"
    assert type(escape(Word("text"))) is str


def test_a_path_is_described_by_what_it_names() -> None:
    assert describe(Path("a/b\udc80")) == "a/b\\udc80"


def plain(value: object) -> bool:
    """Tell whether a value is all exact builtins."""
    if type(value) is dict:
        return all(plain(key) and plain(element) for key, element in value.items())
    if type(value) in (list, tuple, set, frozenset):
        return all(plain(element) for element in cast("list[object]", value))
    return type(value) in (type(None), bool, int, float, complex, str, bytes)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_value_in_a_report_reaches_the_controller(name: str) -> None:
    carried = transportable({"a": [ODD[name]], "after": 1})
    assert plain(carried)
    assert execnet.loads(execnet.dumps(carried))["after"] == 1


@pytest.mark.parametrize("name", PRETENDERS)
def test_a_value_that_pretends_in_a_report_reaches_the_controller(name: str) -> None:
    carried = transportable({"a": [PRETENDERS[name]], "after": 1})
    assert plain(carried)
    assert execnet.loads(execnet.dumps(carried))["after"] == 1


@given(anything)
def test_any_value_in_a_report_reaches_the_controller(value: object) -> None:
    carried = transportable(value)
    assert plain(carried)
    execnet.loads(execnet.dumps(carried))


honest = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.tuples(st.integers(0, 9)), inner, max_size=3)
        | st.sets(st.text() | st.integers(0, 9), max_size=3)
        | st.frozensets(st.text(), max_size=3)
    ),
    max_leaves=8,
)


@given(honest)
def test_what_execnet_carries_is_left_as_it_is(value: object) -> None:
    carried = execnet.loads(execnet.dumps(transportable(value)))
    assert carried == value
    assert type(carried) is type(value)


class Pair(tuple[int, int]):
    __slots__ = ()


@dataclasses.dataclass
class Thing:
    number: int


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        (Word("text"), "text"),
        ("a\ud800", "a\\ud800"),
        (Colour.RED, 1),
        (True, True),
        (2**63, "9223372036854775808"),
        (2**63 - 1, 2**63 - 1),
        (-(2**31), -(2**31)),
        (-(2**31) - 1, "-2147483649"),
        (math.inf, math.inf),
        (Path("a/b"), "a/b"),
        (b"\xff", b"\xff"),
        (Pair((1, 2)), (1, 2)),
        (frozenset([Word("x")]), frozenset(["x"])),
        ({Colour.RED: Word("x")}, {1: "x"}),
        (range(2), "range(0, 2)"),
        (Thing(1), "Thing(number=1)"),
        (cyclic_list(), [1, {"inside": "[1, {'inside': [...]}]"}]),
    ],
)
def test_a_value_is_carried_as_the_nearest_builtin(value: object, carried: object) -> None:
    assert transportable(value) == carried
    assert type(transportable(value)) is type(carried)
