"""The last will of a run: one more object to send if the run dies without its end.

A run lays it down in the header of its outbox. Whoever finds the run dead, which is its
relay or, if that is dead too, ``pytest-publish send``, appends it to the outbox (if people
have renamed the outbox, to the copy that is sent). Only a process that holds the outbox's
lock may do so, and the next one sees by the last line that it is done. Delivery does not
know what the object means.
"""

from __future__ import annotations

import contextlib
from typing import Any

import orjson

from .outbox import Header
from .outbox import Outbox


def append_will(outbox: Outbox, now: float) -> None:
    """Append what a dead run has left to be sent, if nobody has done so yet. Raises OSError.

    ``now`` is when the run ended, as far as anybody knows.
    """
    will = executed(outbox, now)
    if will is not None:
        # On a new line: the run may have died in the middle of one.
        outbox.append(Header(), b"\n" + will + b"\n")


def executed(outbox: Outbox, now: float) -> bytes | None:
    """Return the object that tells a dead run's end; None if the outbox has one, or no will."""
    will = open_will(outbox)
    if will is None:
        return None
    return orjson.dumps(will | {"duration": max(0.0, now - will["time"]), "time": now})


def open_will(outbox: Outbox) -> dict[str, Any] | None:
    """Return the will, numbered, if the run's end is not in the outbox. Raises OSError."""
    header = outbox.header()
    if header is None or header.will is None:
        return None
    last = _last_object(outbox)
    # A run that ended by itself has written an object of the same type.
    if last.get("type") == header.will["type"]:
        return None
    seq = last.get("seq")
    return header.will | {"seq": seq + 1 if type(seq) is int else 0}


def _last_object(outbox: Outbox) -> dict[str, Any]:
    """Return the object in the last whole line; an empty one if there is none in it."""
    last = b""
    with outbox.path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and line != b"\n":  # and not the end mark
                last = line
    with contextlib.suppress(orjson.JSONDecodeError):
        told = orjson.loads(last)
        if isinstance(told, dict):
            return told
    return {}
