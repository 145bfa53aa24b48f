from __future__ import annotations

import functools
import traceback
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import cast

import execnet
import pytest

import pytest_publish
from pytest_publish.plugin.exceptions import exception_data
from pytest_publish.plugin.exceptions import user_frames


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


def test_a_package_whose_name_begins_as_ours_is_the_users() -> None:
    package = Path(pytest_publish.__file__).parent
    names: dict[str, Any] = {}
    for folder in (package, package.with_name(f"{package.name}_company")):
        code = compile("def call(next): next()", str(folder / "module.py"), "exec")
        exec(code, names)
        frames = user_frames(raised(functools.partial(names["call"], fail)))
        assert functions_in(frames)[-1] == "fail"
        assert (len(frames) == 2) == (folder != package)
