"""A result or an event as the JSON that is published.

A module of its own, which only the process that publishes loads: a worker may run another
Python version on the controller's import path (``--tx popen//python=…``, xdist 3.6 to
3.8), where it can't load a compiled module such as orjson.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from .result import TestResult
from .values import jsonable


if TYPE_CHECKING:  # a run without events does not load them
    from .events import Event


def to_json(result: TestResult | Event) -> bytes:
    """Return the JSON object as one line of UTF-8, without a newline.

    What JSON can't represent is escaped, so no text and no value makes this raise.
    """
    # A user's hook may have added a value that holds itself, with which orjson on
    # Python 3.13 overflows the stack and ends the process.
    if type(result) is TestResult and result.properties:
        result.properties = jsonable(result.properties)
    try:
        return orjson.dumps(result)
    except TypeError:  # a lone surrogate
        return orjson.dumps(jsonable(result))
