from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from typing import cast

import jsonschema
import pytest

from odd_values import Word
from pytest_publish.results.encoding import to_json
from pytest_publish.results.result import ExcInfo
from pytest_publish.results.result import Phase
from pytest_publish.results.result import schema
from pytest_publish.results.result import Subtest
from result_factories import full_result
from result_factories import make_result
from result_factories import parsed
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
    "project",
    "host",
]


# A lone surrogate takes the JSON another way, which must lead to the same.
@pytest.mark.parametrize("stdout", ["", "text", "\ud800"])
def test_the_fields_of_the_contract_come_first_and_in_its_order(stdout: str) -> None:
    assert list(parsed(make_result(stdout=stdout))) == CONTRACT + ADDITIONS


@pytest.mark.parametrize("stdout", ["", "\ud800"])
def test_the_details_are_for_people_and_not_in_the_json(stdout: str) -> None:
    result = make_result(stdout=stdout, _details=[("call", "pytest's own text")])
    assert result.details == [("call", "pytest's own text")]
    assert b"pytest's own text" not in to_json(result)


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
    assert published["oneOf"] == [
        {"$ref": f"#/$defs/{kind}"}
        for kind in ("result", "session_start", "collected", "test_start", "session_finish")
    ]
    result = published["$defs"]["result"]
    assert list(result["properties"]) == CONTRACT + ADDITIONS
    assert result["required"] == CONTRACT + ADDITIONS


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
