from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_publish.results.result import ExcInfo
from report_factories import bare
from report_factories import one
from report_factories import report
from report_factories import XFAILED


@pytest.mark.parametrize(
    ("longrepr", "expected"),
    [
        ("plain text", ExcInfo("Failed", "plain text")),
        (None, ExcInfo("Failed", "")),
        (("m.py", 3, "Skipped: why"), ExcInfo("Failed", "m.py:3: Skipped: why")),
        (
            SimpleNamespace(reprcrash=SimpleNamespace(message="pkg.KeyError: 'k': x")),
            ExcInfo("KeyError", "'k': x"),
        ),
        (
            # pytest leaves out the name of the class here.
            SimpleNamespace(reprcrash=SimpleNamespace(message="assert x == 'a: b'")),
            ExcInfo("AssertionError", "assert x == 'a: b'"),
        ),
        (
            SimpleNamespace(reprcrash=SimpleNamespace(message="Two words: b")),
            ExcInfo("Failed", "Two words: b"),
        ),
        ("[XPASS(strict)] why", ExcInfo("StrictXPass", "[XPASS(strict)] why")),
    ],
)
def test_without_forwarded_data_the_text_tells_of_the_exception(
    longrepr: object, expected: ExcInfo
) -> None:
    result = one(bare("setup"), bare("call", "failed", longrepr=longrepr), bare("teardown"))
    assert result.excinfo == expected


def test_without_forwarded_data_a_skip_is_told_by_its_place_and_reason() -> None:
    skip = bare("setup", "skipped", longrepr=("m.py", 3, "Skipped: why"))
    result = one(skip, bare("teardown"))
    assert result.excinfo == ExcInfo("Skipped", "m.py:3: Skipped: why")


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("m.py::test_a", "test_a"),
        ("m.py::TestC::test_a[x::y/z]", "test_a[x::y/z]"),
        ("m.py::test_a[[]", "test_a[[]"),
        ("m.py", "m.py"),
    ],
)
def test_without_forwarded_data_the_node_id_tells_the_name(nodeid: str, name: str) -> None:
    reports = [bare(when, nodeid=nodeid) for when in ("setup", "call", "teardown")]
    assert one(*reports).name == name


def test_text_that_breaks_when_it_is_asked_for_is_replaced() -> None:
    class Broken:
        def __str__(self) -> str:
            raise ZeroDivisionError

    result = one(report("setup"), report("call", "failed", longrepr=Broken()), report("teardown"))
    assert result.details == [("call", "<no text: ZeroDivisionError in Broken>")]


def test_what_pytest_expected_is_told_to_people() -> None:
    result = one(report("setup"), report("call", "skipped", **XFAILED), report("teardown"))
    assert result.details == [("call", "expected to fail: why\ntext of call")]


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_text_of_a_report_is_published(text: str) -> None:
    nodeid = f"m.py::test_a[{text}]"
    more: dict[str, Any] = {
        "nodeid": nodeid,
        "location": (f"{text}.py", None, text),
        "sections": [("Captured stdout call", text)],
    }
    result = one(
        bare("setup", nodeid=nodeid),
        bare("call", "failed", longrepr=text, **more),
        bare("teardown", nodeid=nodeid),
    )
    assert result.stdout == text.encode("utf-8", "backslashreplace").decode()
