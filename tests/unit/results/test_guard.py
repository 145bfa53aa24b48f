from __future__ import annotations

import asyncio

import pytest

from pytest_publish.results.guard import guarded


def fail(error: type[BaseException]) -> str:
    raise error


@pytest.mark.parametrize(
    "error",
    [
        *(ValueError, RecursionError, MemoryError, SystemExit, GeneratorExit),
        *(asyncio.CancelledError, pytest.fail.Exception, pytest.exit.Exception),
    ],
)
def test_whatever_is_raised_something_stands_for_it(error: type[BaseException]) -> None:
    if error is pytest.exit.Exception:
        assert guarded(pytest.exit, lambda raised: type(raised).__name__, "no") == "Exit"
    else:
        assert guarded(fail, lambda raised: type(raised).__name__, error) == error.__name__


def test_a_ctrl_c_is_let_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        guarded(fail, str, KeyboardInterrupt)


def test_what_is_read_is_returned() -> None:
    assert guarded(max, lambda _error: 0, 1, 2) == 2
