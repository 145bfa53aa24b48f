from __future__ import annotations

import pytest
from hypothesis import example
from hypothesis import given

from odd_values import anything
from odd_values import ODD
from odd_values import PRETENDERS
from odd_values import texts
from pytest_publish.results.encoding import to_json
from result_factories import full_result
from result_factories import make_result
from result_factories import parsed
from support import valid


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
