from __future__ import annotations

import dataclasses
import math
from copy import deepcopy
from typing import Any
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_publish.results.repair import refuse_unknown
from pytest_publish.results.repair import repaired
from pytest_publish.results.result import ExcInfo
from pytest_publish.results.result import TestResult
from report_factories import checked
from report_factories import one
from report_factories import report
from report_factories import subtest


def make_result() -> TestResult:
    return one(
        report("setup"), subtest("failed", "part"), report("call", "failed"), report("teardown")
    )


UNFIT: dict[str, list[Any]] = {
    **{key: [5, None, b"x", []] for key in ["stdout", "stderr", "log"]},
    **{key: [5, None, ""] for key in ["nodeid", "name"]},
    **{key: [math.nan, "1", None, -(2**63) - 1] for key in ["start_time", "stop_time"]},
    **{key: [None, [5], (), {}] for key in ["phases", "subtests"]},
    "duration": [-1.0, math.inf, "1"],
    "line": [0, "7", True, 2**63],
    "attempt": [0, None, "1"],
    "excinfo": ["text", ExcInfo("A", cast("str", 5)), ExcInfo("A", "b", [cast("str", 5)])],
    "properties": [None, [], "x"],
    "type": ["other"],
    "file": [5],
    "xdist_worker": [5],
    "_details": [[5]],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in UNFIT.items() for value in values]
)
def test_what_does_not_belong_into_a_field_is_named_and_mended(name: str, value: Any) -> None:
    result = make_result()
    before = deepcopy(result)
    setattr(result, name, value)
    assert repaired(result, before) == [name]
    checked(result)
    if name in ("stdout", "stderr", "log"):
        assert getattr(result, name) == repr(value)
    else:
        assert result == before


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("phases", "when", "nap"),
        ("phases", "outcome", None),
        ("phases", "start_time", "now"),
        ("phases", "excinfo", 5),
        ("subtests", "description", 5),
        ("subtests", "duration", math.nan),
    ],
)
def test_so_is_what_is_put_into_a_part_of_it(part: str, name: str, value: Any) -> None:
    result = make_result()
    before = deepcopy(result)
    setattr(getattr(result, part)[0], name, value)
    assert repaired(result, before) == [part]
    assert checked(result) == before


@pytest.mark.parametrize(
    ("given", "published"),
    [
        (("pass", "passed"), ("pass", "passed")),
        (("skip", "xfailed"), ("skip", "xfailed")),
        (("pass", "failed"), ("fail", "failed")),
        (("fine", "failed"), ("fail", "failed")),
        ((None, []), ("fail", "failed")),
    ],
)
def test_a_verdict_may_be_changed_to_another_and_to_nothing_else(
    given: tuple[Any, Any], published: tuple[str, str]
) -> None:
    result = make_result()
    before = deepcopy(result)
    result.result, result.outcome = given
    assert repaired(result, before) == ([] if given == published else ["result"])
    checked(result)
    assert (result.result, result.outcome) == published
    assert (result.excinfo is None) == (published[0] == "pass")


def test_what_a_hook_deleted_is_there_again() -> None:
    result = make_result()
    before = deepcopy(result)
    del result.line, result.excinfo
    assert sorted(repaired(result, before)) == ["excinfo", "line"]
    assert checked(result) == before


def test_what_may_be_missing_is_fit() -> None:
    result = make_result()
    before = deepcopy(result)
    result.line = result.file = result.host = None
    assert repaired(result, before) == []
    assert result.line is None


def test_what_is_no_field_is_refused_and_removed() -> None:
    result = make_result()
    before = deepcopy(result)
    vars(result)["sdtout"] = "***"
    vars(result.phases[0])["note"] = 1
    with pytest.raises(AttributeError, match="TestResult has no sdtout, note"):
        refuse_unknown(result)
    assert result == before
    assert list(vars(result)) == list(vars(before))
    checked(result)


def test_a_pass_that_a_hook_fails_has_an_exception() -> None:
    result = one(report("setup"), report("call"), report("teardown"))
    before = deepcopy(result)
    result.result, result.outcome = "fail", "failed"
    assert repaired(result, before) == []
    assert checked(result).excinfo == ExcInfo("Failed", "")


def test_what_may_be_unknown_is_left_alone() -> None:
    result = make_result()
    result.line = result.file = result.host = result.xdist_worker = None
    assert repaired(result, deepcopy(result)) == []


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(SCALARS, inner), max_leaves=5
)
FIELDS = [field.name for field in dataclasses.fields(TestResult)]


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_whatever_a_hook_sets_the_result_is_valid(changes: dict[str, Any]) -> None:
    result = make_result()
    before = deepcopy(result)
    for name, value in changes.items():
        setattr(result, name, value)
    assert set(repaired(result, before)) <= {*changes, "result"}
    # These are set after the hook was asked.
    result.pubdir_path, result.run_id, result.session_id, result.seq = None, "r", "s", 0
    checked(result)
