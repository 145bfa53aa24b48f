"""The one guard behind which everything is read that is not ours."""

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
    """Return what ``read`` returns, or what stands for it where it raises.

    A user's ``__str__`` or hook may raise anything: SystemExit, GeneratorExit, asyncio's
    CancelledError and pytest's own outcomes are no Exceptions. Only a KeyboardInterrupt
    is let through, because nobody can tell it from the user's Ctrl-C.
    """
    try:
        return read(*args, **kwargs)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return instead(error)
