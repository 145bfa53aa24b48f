"""The guard for all calls into code that is not ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec
from typing import TypeVar


_P = ParamSpec("_P")
_T = TypeVar("_T")
_U = TypeVar("_U")


def guarded(
    read: Callable[_P, _T],
    instead: Callable[[BaseException], _U],
    *args: _P.args,
    **kwargs: _P.kwargs,
) -> _T | _U:
    """Return what ``read`` returns; if it raises, what ``instead`` makes of the error.

    A user's ``__str__`` or hook may raise anything: SystemExit, GeneratorExit, asyncio's
    CancelledError and pytest's own outcomes are no Exceptions. Only a KeyboardInterrupt
    goes through, because it can't be told from the user's Ctrl-C.
    """
    try:
        return read(*args, **kwargs)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return instead(error)
