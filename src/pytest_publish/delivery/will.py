"""The last will of a run: one more object to send if the run dies without its end.

A run lays it down in the header of its outbox. Whoever finds the run dead, which is its
relay or, if that is dead too, ``pytest-publish send``, appends it to the outbox (if people
have renamed the outbox, to the copy that is sent). Only a process that holds the outbox's
lock may do so, and the next one sees by the last line that it is done. Delivery does not
know what the object means.
"""

from __future__ import annotations

from typing import Any

import orjson

from .outbox import Header
from .outbox import Outbox


def append_will(outbox: Outbox, now: float) -> None:
    """Append what a dead run has left to be sent, if it has not been done. Raises OSError.

    ``now`` is when the run ended, as far as anybody knows.
    """
    will = executed(outbox, now)
    if will is None:
        return
    # A line that was cut off when the run died must not swallow this one.
    line = (b"\n" if _last_line(outbox)[1] else b"") + will + b"\n"
    outbox.append(Header(), line)


def executed(outbox: Outbox, now: float) -> bytes | None:
    """Return the object that tells a dead run's end; None if the outbox has one, or no will."""
    will = open_will(outbox)
    if will is None:
        return None
    seq = _object(_last_line(outbox)[0]).get("seq")
    will["seq"] = seq + 1 if type(seq) is int else 0
    will["duration"] = max(0.0, now - will["time"])
    will["time"] = now
    return orjson.dumps(will)


def open_will(outbox: Outbox) -> dict[str, Any] | None:
    """Return the will of an outbox in which the run's end does not stand. Raises OSError."""
    header = outbox.header()
    will = None if header is None else header.will
    if will is None:
        return None
    last = _object(_last_line(outbox)[0])
    # A run that ended by itself has written an object of the same type.
    return None if last.get("type") == will["type"] else dict(will)


def _object(line: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _last_line(outbox: Outbox) -> tuple[bytes, bool]:
    """Return the last whole line that is not empty, and whether a part of one follows."""
    last = line = b""
    with outbox.path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and line != b"\n":
                last = line
    return last, not line.endswith(b"\n")
