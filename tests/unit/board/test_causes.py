from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_publish.board.causes import Cause
from pytest_publish.board.causes import cause_of
from pytest_publish.board.causes import general
from result_factories import full_result
from result_factories import parsed


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("sold more than we have\nassert -1 >= 0", "sold more than we have"),
        ("assert -1 >= 0.5e-3", "assert … >= …"),
        ("assert [1, 2, 3] == [1, 2]", "assert […] == […]"),
        ("<Shop object at 0x7fa13c0de>", "<Shop object at …>"),
        ("no order 3f2c1a9b77", "no order …"),
        ("deadbeef is a word, accede too", "deadbeef is a word, accede too"),
        ("order 123E4567-e89b-12d3-a456-426614174000 is gone", "order … is gone"),
        ("late since 2026-11-24T18:37:13.25Z, or 18:37", "late since …, or …"),
        ("No such file or directory: '/tmp/pytest-0/a b/x.db'", "No such file or directory: '…'"),
        ("can't read /home/ci/build/7/shop.py: gone", "can't read …: gone"),
        ("GET http://localhost:8080/a?b=1 answered 500", "GET … answered …"),
        ("no route from 10.0.0.1 to 192.168.178.25:8080.", "no route from … to …."),
        ("needs pytest 8.2.1, this is 9.0.0", "needs pytest …, this is …"),
        ("user12 or gw3/4", "user… or gw…/…"),
        ("either/or, and/or", "either/or, and/or"),
        ("\n\n  KeyError  \n", "KeyError"),
        ("", ""),
    ],
)
def test_what_differs_is_taken_out(message: str, expected: str) -> None:
    assert general(message) == expected


@given(st.text())
def test_a_general_message_stays_as_it_is(message: str) -> None:
    once = general(message)
    assert general(once) == once
    assert not re.search(r"[0-9]", once)
    assert "\n" not in once


@given(st.integers(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.uuids())
def test_values_make_no_difference(number: int, other: int, size: float, uuid: object) -> None:
    def told(number: int) -> str:
        return general(f"order {number} ({uuid}) of {size!r} at 0x{abs(number):x} <{number}>")

    assert told(number) == told(other) == "order … (…) of … at … <…>"


@given(st.lists(st.integers(), min_size=1))
def test_rows_of_numbers_are_one(numbers: list[int]) -> None:
    assert general(f"got {numbers}!") == "got […]!"


def failed(**changed: Any) -> dict[str, Any]:
    frames = [
        '  File "/ci/7/tests/test_shop.py", line 3, in test_sell\n    sell()\n',
        '  File "/ci/7/src/shop.py", line 9, in sell\n    raise KeyError(7)\n',
        '  File "/ci/7/.venv/lib/python3.12/site-packages/db.py", line 1, in ask\n    x\n',
        '  File "/usr/lib/python3.12/json/__init__.py", line 1, in loads\n    x\n',
        '  File "<string>", line 1, in <module>\n',
    ]
    excinfo = {"type": "KeyError", "value": "7", "traceback": frames}
    return {"outcome": "failed", "file": "tests/test_shop.py", "excinfo": excinfo, **changed}


def test_the_last_frame_of_ones_own_code_tells() -> None:
    assert cause_of(failed()) == Cause("KeyError", "…", "src/shop.py:sell")


def test_the_frame_is_the_same_wherever_the_code_is() -> None:
    one = failed()
    one["excinfo"]["traceback"] = [
        frame.replace("/ci/7/", "/home/you/shop/") for frame in one["excinfo"]["traceback"]
    ]
    assert cause_of(one) == cause_of(failed())
    # Where no frame tells the rootdir, the last folder has to do.
    assert cause_of(failed(file="other.py")) == Cause("KeyError", "…", "src/shop.py:sell")


TEXT = """\
    def test_sell(fruit):
        def inner():
            pass
>       sell(fruit)

test_shop.py:5:
_ _ _ _ _
    async def sell(fruit):
>       raise ValueError("no")
E       ValueError: no

src/shop.py:9: ValueError"""


def test_without_frames_the_text_tells() -> None:
    excinfo = {"type": "ValueError", "value": "no", "traceback": []}
    phases = [{"when": "setup", "text": None}, {"when": "call", "text": TEXT}]
    assert cause_of(failed(excinfo=excinfo, phases=phases)) == Cause(
        "ValueError", "no", "src/shop.py:sell"
    )
    short = [{"when": "call", "text": "src/shop.py:9: in sell\n    x\nE   ValueError: no"}]
    assert cause_of(failed(excinfo=excinfo, phases=short)) == Cause(
        "ValueError", "no", "src/shop.py:9"
    )


@pytest.mark.parametrize("outcome", ["passed", "skipped", "xfailed", "xpassed", "odd"])
def test_what_did_not_fail_has_no_cause(outcome: str) -> None:
    assert cause_of(failed(outcome=outcome)) is None


def test_what_little_is_told_is_enough() -> None:
    assert cause_of({"outcome": "crashed"}) == Cause("", "", None)
    assert cause_of(failed(excinfo={"type": None, "value": 3, "traceback": [3]})) == Cause(
        "", "…", None
    )
    told = parsed(full_result())
    assert cause_of({**told, "phases": [{"text": "x"}]}) == Cause("ValueError", "value text", None)
