from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from typing import cast

import jsonschema
import orjson
import pytest
from hypothesis import example
from hypothesis import given

from odd_values import anything
from odd_values import Colour
from odd_values import cyclic_list
from odd_values import ODD
from odd_values import PRETENDERS
from odd_values import texts
from odd_values import Unprintable
from odd_values import Word
from pytest_publish.results.encoding import to_json
from pytest_publish.results.result import ExcInfo
from pytest_publish.results.result import Phase
from pytest_publish.results.result import schema
from pytest_publish.results.result import Subtest
from pytest_publish.results.result import TestResult
from pytest_publish.results.values import describe
from pytest_publish.results.values import digits
from pytest_publish.results.values import escape
from pytest_publish.results.values import jsonable
from support import valid


CONTRACT = [
    "type",
    "result",
    "nodeid",
    "start_time",
    "stop_time",
    "duration",
    "stdout",
    "stderr",
    "log",
    "xdist_dist",
    "xdist_worker",
    "xdist_scope",
    "excinfo",
]
ADDITIONS = [
    "name",
    "pubdir_path",
    "outcome",
    "attempt",
    "run_id",
    "session_id",
    "seq",
    "file",
    "line",
    "phases",
    "subtests",
    "properties",
]


def make_result(**changed: Any) -> TestResult:
    fields: dict[str, Any] = {
        "result": "fail",
        "outcome": "failed",
        "nodeid": "tests/test_mod.py::test_a[1]",
        "name": "test_a[1]",
        "start_time": 1.5,
        "stop_time": 2.0,
        "duration": 0.5,
        "excinfo": ExcInfo("ValueError", "no", ["  File ...\n"]),
        "run_id": "run",
        "session_id": "5e55",
    }
    return TestResult(**(fields | changed))


def full_result(text: str = "text") -> TestResult:
    """Return a result that has ``text`` wherever text may stand that tests make."""
    excinfo = ExcInfo("ValueError", f"value {text}", [f"frame {text}\n"])
    setup = ExcInfo("KeyError", f"setup {text}", [f"setup frame {text}\n"])
    subtest = ExcInfo("OSError", f"subtest {text}", [f"subtest frame {text}\n"])
    return make_result(
        stdout=f"out {text}",
        stderr=f"err {text}",
        log=f"log {text}",
        excinfo=excinfo,
        phases=[
            Phase("setup", "failed", 1.0, 1.5, 0.5, setup),
            Phase("call", "failed", 1.5, 2.0, 0.5, excinfo),
        ],
        subtests=[Subtest(f"[{text}]", "failed", 0.1, subtest)],
        properties={"a": text, f"b {text}": [{"c": [text]}]},
        _details=[(f"subtest [{text}]", f"details {text}")],
    )


def parsed(result: TestResult) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(to_json(result))
    return data


# A lone surrogate takes the JSON another way, which must lead to the same.
@pytest.mark.parametrize("stdout", ["", "text", "\ud800"])
def test_the_fields_of_the_contract_come_first_and_in_its_order(stdout: str) -> None:
    assert list(parsed(make_result(stdout=stdout))) == CONTRACT + ADDITIONS


@pytest.mark.parametrize("stdout", ["", "\ud800"])
def test_the_details_are_for_people_and_not_in_the_json(stdout: str) -> None:
    result = make_result(stdout=stdout, _details=[("call", "pytest's own text")])
    assert result.details == [("call", "pytest's own text")]
    assert b"pytest's own text" not in to_json(result)


def test_both_ways_to_json_give_the_same() -> None:
    quick, slow = full_result("text"), full_result("text")
    slow.stdout += "\udc80"
    expected = parsed(quick) | {"stdout": "out text\\udc80"}
    assert parsed(slow) == expected
    assert list(parsed(slow)) == list(expected)


def test_the_json_is_one_line() -> None:
    assert b"\n" not in to_json(full_result("a\nb\r\u2028"))
    assert b"\n" not in to_json(full_result("a\n\ud800"))


@given(texts)
@example("\x00")
@example("\ud83d\ude00")
def test_any_text_is_published_and_keeps_to_the_schema(text: str) -> None:
    data = valid(parsed(full_result(text)))
    assert data["stdout"] == "out " + text.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize("name", ODD | PRETENDERS)
def test_an_odd_value_that_a_hook_adds_is_published(name: str) -> None:
    result = make_result(properties={"odd": [(ODD | PRETENDERS)[name]], "after": 1})
    assert valid(parsed(result))["properties"]["after"] == 1


@given(anything)
def test_any_value_that_a_hook_adds_is_published(value: object) -> None:
    result = make_result(properties={"odd": value, "after": 1})
    assert valid(parsed(result))["properties"]["after"] == 1


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


SECRET = 'hunter2 "äß\\'


@pytest.mark.parametrize("more", ["", "\ud800"])
def test_a_masked_secret_is_in_nothing_that_is_published(more: str) -> None:
    result = full_result(SECRET + more)
    result.mask(SECRET)
    published = parsed(result)
    assert SECRET not in str(result)
    assert "hunter2" not in json.dumps(published)
    assert "hunter2" not in repr(result.details)
    # All that stood around it is there still.
    assert published == parsed(full_result("***" + more))
    assert result.details == full_result("***" + more).details


@pytest.mark.parametrize(
    "value",
    [
        ("tuple", SECRET),
        {"a": (SECRET,)},
        SECRET.encode(),
        {SECRET.encode(): 1},
        Path(SECRET),
        Word(SECRET),
        ValueError(f"wrong: {SECRET}"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_secret_is_masked_in_whatever_a_hook_added(value: object) -> None:
    result = make_result(properties={"odd": value})
    result.mask(SECRET)
    assert b"hunter2" not in to_json(result)
    assert b"***" in to_json(result)


def test_a_mask_leaves_the_names_by_which_a_result_is_found() -> None:
    result = make_result(file="tests/test_mod.py", pubdir_path="/tree/test_a[1]/0.fail")
    before = parsed(result)
    result.mask("test_")
    after = parsed(result)
    for name in ("nodeid", "name", "file", "pubdir_path", "run_id"):
        assert after[name] == before[name]


def test_what_stands_for_a_secret_can_be_chosen() -> None:
    result = make_result(stdout="token abc")
    result.mask("abc", "[gone]")
    assert result.stdout == "token [gone]"


def test_a_secret_that_is_empty_masks_nothing() -> None:
    # As where a variable that would hold it is not set.
    result = full_result("text")
    before = to_json(result)
    result.mask("")
    assert to_json(result) == before


def test_of_a_withheld_result_only_names_verdict_and_times_are_left() -> None:
    result = full_result(SECRET)
    before = parsed(result)
    result.withhold("why")
    after = valid(parsed(result))
    assert "hunter2" not in repr(result)
    assert "hunter2" not in result.excinfo.text if result.excinfo else ""
    for name in ("nodeid", "name", "result", "outcome", "start_time", "duration", "file"):
        assert after[name] == before[name]
    assert after["stdout"] == after["stderr"] == after["log"] == "why"
    assert after["excinfo"] == {"type": "ValueError", "value": "why", "traceback": []}
    assert [phase["excinfo"]["value"] for phase in after["phases"]] == ["why", "why"]
    assert [phase["duration"] for phase in after["phases"]] == [0.5, 0.5]
    assert after["subtests"][0]["description"] == "why"
    assert after["properties"] == {"withheld": "why"}
    assert result.details == [("withheld", "why")]


def test_where_there_was_nothing_nothing_is_said_to_be_withheld() -> None:
    result = make_result(result="pass", outcome="passed", excinfo=None)
    before = parsed(result)
    result.withhold("why")
    assert parsed(result) == before
    assert result.details == []


def test_the_text_of_an_exception_has_its_causes_until_a_hook_changes_it() -> None:
    whole = "KeyError: 'hunter2'\n\nThe above ...\n\nmod.E: no hunter2\nsecond line\n"
    excinfo = ExcInfo("E", "no hunter2\nsecond line", ["  File\n"], _text=whole)
    assert excinfo.text == whole
    assert b"The above" not in to_json(make_result(excinfo=excinfo))
    excinfo.value = "no ***"
    assert excinfo.text == "Traceback (most recent call last):\n  File\nE: no ***\n"


def test_the_schema_is_a_valid_one_and_names_every_field() -> None:
    published = schema()
    jsonschema.Draft202012Validator.check_schema(published)
    assert list(published["properties"]) == CONTRACT + ADDITIONS
    assert published["required"] == CONTRACT + ADDITIONS


@pytest.mark.parametrize(
    "changed",
    [
        {"result": "pass", "outcome": "passed"},  # with an exception
        {"result": "pass", "outcome": "xfailed", "excinfo": None},
        {"result": "skip", "outcome": "xpassed"},
        {"result": "fail", "outcome": "failed", "excinfo": None},
        {"result": "ok"},
        {"nodeid": ""},
        {"attempt": 0},
        {"seq": -1},
        {"duration": -0.1},
        {"run_id": ""},
        {"line": 0},
        {"phases": [Phase(cast("Any", "???"), "failed", 0.0, 0.0, 0.0)]},
        {"subtests": [Subtest("a", "rerun", 0.0)]},
    ],
    ids=repr,
)
def test_the_schema_refuses_what_contradicts_itself(changed: dict[str, object]) -> None:
    valid(parsed(make_result()))
    with pytest.raises(jsonschema.ValidationError):
        valid(parsed(make_result(**changed)))
