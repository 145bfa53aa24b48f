"""A result as the JSON that is published.

Apart from :mod:`~pytest_publish.result`, because a worker may be of another Python
version and yet have the controller's import path (``--tx popen//python=…``, xdist 3.6 to
3.8), on which no compiled module fits it. Only the process that publishes loads this.
"""

from __future__ import annotations

import orjson

from .result import TestResult
from .values import jsonable


def to_json(result: TestResult) -> bytes:
    """Return the JSON object as one line of UTF-8, without a newline.

    What JSON can't represent is escaped, so no text and no value makes this raise.
    """
    # What a user's hook added is not left to orjson: some values that hold
    # themselves have it (3.13) overflow the stack, which ends the process.
    if result.properties:
        result.properties = jsonable(result.properties)
    try:
        return orjson.dumps(result)
    except TypeError:  # a lone surrogate
        return orjson.dumps(jsonable(result))
