"""The last will of a run: one more object to send if the run dies without its end.

A run lays it down in the header of its outbox. Its relay, or else ``pytest-publish send``,
finds the run dead and appends it to the outbox (if people have renamed the outbox, to the copy
that is sent). Only the process with the sender lock does so, and the next one sees by the last
line that it is done.
"""

from __future__ import annotations

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
    header = outbox.header()
    if header is None or header.will is None:
        return None
    will, last = header.will, _last_object(outbox)
    # A run that ended by itself has written an object of the same type.
    if last.get("type") == will["type"]:
        return None
    seq = last.get("seq")
    told = {
        "seq": seq + 1 if type(seq) is int else 0,
        "duration": max(0.0, now - will["time"]),
        "time": now,
    }
    return orjson.dumps(will | told)


def _last_object(outbox: Outbox) -> dict[str, Any]:
    """Return the object in the last whole line; an empty one if there is none in it."""
    last = b""
    with outbox.path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and line != b"\n":  # and not the end mark
                last = line
    try:
        told = orjson.loads(last)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}
