from __future__ import annotations

import dataclasses
import functools
import math
import traceback
import unittest
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from typing import cast

import execnet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytest_publish
from odd_values import anything
from odd_values import Colour
from odd_values import cyclic_list
from odd_values import ODD
from odd_values import PRETENDERS
from odd_values import Word
from pytest_publish.plugin.exceptions import exception_data
from pytest_publish.plugin.exceptions import user_frames
from pytest_publish.plugin.worker import split_group
from pytest_publish.results.values import transportable


HERE = __file__


def raised(call: Callable[[], object]) -> pytest.ExceptionInfo[BaseException]:
    """Return what a call raises, as pytest hands it over."""
    with pytest.raises(BaseException) as excinfo:  # noqa: PT011 - whatever it is
        call()
    # Without the frame of this function, as if pytest had called it.
    assert excinfo.tb.tb_next is not None
    excinfo.value.with_traceback(excinfo.tb.tb_next)
    return pytest.ExceptionInfo.from_exception(excinfo.value)


def functions_in(frames: list[str]) -> list[str]:
    """Return the names of the functions of formatted frames."""
    return [frame.splitlines()[0].rpartition(" in ")[2] for frame in frames]


def fail(error: BaseException | None = None) -> None:
    raise error or ValueError("no")


def call_fail() -> None:
    fail()


def hidden() -> None:
    __tracebackhide__ = True
    fail()


def hidden_by_predicate() -> None:
    def hide(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        return excinfo.errisinstance(ValueError)

    __tracebackhide__ = hide

    fail()


def hidden_from_others() -> None:
    def hide(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        return excinfo.errisinstance(KeyError)

    __tracebackhide__ = hide

    fail()


def hidden_by_a_broken_predicate() -> None:
    def hide(_excinfo: object) -> bool:
        raise ZeroDivisionError

    __tracebackhide__ = hide

    fail()


def all_hidden() -> None:
    __tracebackhide__ = True
    raise ValueError("no")


def in_unittest() -> None:
    unittest.TestCase().assertEqual(1, 2)  # noqa: PT009 - its frames are the point


def in_a_library_of_pytest() -> None:
    pytest.importorskip("no_module_of_that_name")


class MuteError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


class Outer:
    class InnerError(Exception):
        pass


def test_an_exception_is_its_class_its_text_and_the_users_frames() -> None:
    data = exception_data(raised(call_fail))
    assert {name: data[name] for name in ("type", "value")} == {"type": "ValueError", "value": "no"}
    assert functions_in(data["traceback"]) == ["call_fail", "fail"]


@pytest.mark.parametrize(
    ("error", "kind", "value"),
    [
        (ValueError("a\nb"), "ValueError", "a\nb"),
        (ValueError(), "ValueError", ""),
        (KeyError("key"), "KeyError", "'key'"),
        (Outer.InnerError("x"), "InnerError", "x"),
        (ValueError("a\udc80"), "ValueError", "a\\udc80"),
        (MuteError("x"), "MuteError", "<MuteError object: its str raised ZeroDivisionError>"),
        (KeyboardInterrupt("x"), "KeyboardInterrupt", "x"),
        (pytest.skip.Exception("why"), "Skipped", "why"),
    ],
)
def test_an_exceptions_type_and_value_are_text(error: BaseException, kind: str, value: str) -> None:
    data = exception_data(raised(lambda: fail(error)))
    assert (data["type"], data["value"]) == (kind, value)
    assert execnet.loads(execnet.dumps(data)) == data


def test_a_frame_is_formatted_as_python_does() -> None:
    frames = user_frames(raised(call_fail))
    line = fail.__code__.co_firstlineno + 1
    first, second, *_marks = frames[-1].splitlines()
    assert first == f'  File "{HERE}", line {line}, in fail'
    assert second == '    raise error or ValueError("no")'
    assert frames[-1].endswith("\n")


@pytest.mark.parametrize(
    ("call", "functions"),
    [
        (call_fail, ["call_fail", "fail"]),
        (hidden, ["fail"]),
        (hidden_by_predicate, ["fail"]),
        (hidden_from_others, ["hidden_from_others", "fail"]),
        (hidden_by_a_broken_predicate, ["hidden_by_a_broken_predicate", "fail"]),
        (all_hidden, []),
        (in_unittest, ["in_unittest"]),
        (in_a_library_of_pytest, ["in_a_library_of_pytest"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_only_the_users_frames_are_shown(call: Callable[[], object], functions: list[str]) -> None:
    assert functions_in(user_frames(raised(call))) == functions


def test_hidden_frames_between_the_users_are_left_out() -> None:
    def outer() -> None:
        hidden()

    assert functions_in(user_frames(raised(outer))) == ["outer", "fail"]


def test_an_exception_that_was_never_raised_has_no_frames() -> None:
    info = pytest.ExceptionInfo.from_exc_info((ValueError, ValueError("no"), cast("Any", None)))
    assert exception_data(info) == {"type": "ValueError", "value": "no", "traceback": []}


class OddError(Exception):
    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        pytest.fail("no cause")


def with_cause() -> None:
    try:
        call_fail()
    except ValueError as error:
        raise KeyError("after") from error


def in_a_circle() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


@pytest.mark.parametrize("call", [call_fail, lambda: fail(OddError("odd")), all_hidden])
def test_an_exception_by_itself_has_no_more_to_carry(call: Callable[[], object]) -> None:
    assert exception_data(raised(call)).keys() == {"type", "value", "traceback"}


@pytest.mark.parametrize("call", [with_cause, in_a_circle])
def test_an_exception_with_a_cause_has_its_text_as_python_prints_it(
    call: Callable[[], object],
) -> None:
    excinfo = raised(call)
    printed = "".join(traceback.format_exception(excinfo.value))
    text = exception_data(excinfo)["_text"]
    assert text == printed
    assert type(text) is str


def test_of_a_cause_too_only_the_users_frames_are_printed() -> None:
    def call() -> None:
        try:
            hidden()
        except ValueError as error:
            raise KeyError("after") from error

    text = exception_data(raised(call))["_text"]
    assert functions_in([line for line in text.splitlines() if " in " in line]) == [
        "call",
        "fail",
        "call",
    ]


def test_frames_are_told_without_their_source_where_a_test_has_patched_what_reads_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    excinfo = raised(call_fail)
    with monkeypatch.context() as patched:
        patched.setattr("linecache.checkcache", None)
        patched.setattr("linecache.getline", None)
        patched.setattr("traceback.extract_tb", None)
        data = exception_data(excinfo)
    assert functions_in(data["traceback"]) == ["call_fail", "fail"]
    assert "raise error" not in data["traceback"][-1]


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


def make_item(
    *marks: pytest.Mark, nodeid: str = "m.py::test_a", name: str = "test_a", parent: str = "m.py"
) -> pytest.Item:
    """Return what stands in for an item, with its marks and its parent."""
    fake = SimpleNamespace(
        nodeid=nodeid,
        name=name,
        parent=SimpleNamespace(nodeid=parent),
        iter_markers=lambda name: (mark for mark in marks if mark.name == name),
    )
    return cast("pytest.Item", fake)


def group(*args: object, **kwargs: object) -> pytest.Mark:
    mark = getattr(pytest.mark, "xdist_group").with_args(*args, **kwargs).mark  # noqa: B009
    return cast("pytest.Mark", mark)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([], None),
        ([group("g")], "g"),
        ([group(name="g")], "g"),
        ([group()], "default"),
        ([group(5)], "5"),
        ([group(name) for name in "edbacb"], "a_b_c_d_e"),
        ([group("")], ""),
        ([group("a@b/c::d")], "a@b/c::d"),
        ([group("\udc80")], "\\udc80"),
    ],
)
def test_a_group_that_is_not_in_the_node_id_is_read_from_the_marks(
    marks: list[pytest.Mark], expected: str | None
) -> None:
    assert split_group(make_item(*marks)) == ("m.py::test_a", expected)


@pytest.mark.parametrize(
    ("appended", "marks"),
    [
        ("g", [group("g")]),
        # What xdist appended is what it schedules by, whatever the marks say.
        ("a@b", [group("other")]),
        ("g", []),
        ("", [group("")]),
    ],
)
@pytest.mark.parametrize("name", ["test_a", "test_a[x@y]", "test_a[::]"])
def test_a_group_that_xdist_appended_is_split_off(
    name: str, appended: str, marks: list[pytest.Mark]
) -> None:
    item = make_item(*marks, nodeid=f"m.py::{name}@{appended}", name=name)
    assert split_group(item) == (f"m.py::{name}", appended)


def test_an_at_sign_of_a_test_is_no_group() -> None:
    item = make_item(nodeid="m.py::test_a[x@y]", name="test_a[x@y]")
    assert split_group(item) == ("m.py::test_a[x@y]", None)


def test_a_node_id_that_does_not_follow_from_its_parent_has_its_group_split_off_too() -> None:
    item = make_item(group("g"), nodeid="special@g", name="test_a")
    assert split_group(item) == ("special", "g")


def test_a_package_whose_name_begins_as_ours_is_the_users() -> None:
    package = Path(pytest_publish.__file__).parent
    names: dict[str, Any] = {}
    for folder in (package, package.with_name(f"{package.name}_company")):
        code = compile("def call(next): next()", str(folder / "module.py"), "exec")
        exec(code, names)
        frames = user_frames(raised(functools.partial(names["call"], fail)))
        assert functions_in(frames)[-1] == "fail"
        assert (len(frames) == 2) == (folder != package)
