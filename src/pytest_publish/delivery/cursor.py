"""How far an outbox is delivered, and the file that keeps it."""

from __future__ import annotations

import dataclasses
import os
from typing import Final

import orjson

from pytest_publish._os import OWNER_ONLY
from pytest_publish._os import realos

from .outbox import Line
from .outbox import Outbox


@dataclasses.dataclass
class Cursor:
    """How far an outbox is delivered: all lines before ``offset`` (bytes) are settled.

    ``settled_ranges`` are the parts after it that are settled too, each from and to an
    offset: what other connections sent while one line still waits. ``problem`` is what
    went wrong last with what is still waiting, ``refusal`` why the first of the refused
    results was refused.
    """

    offset: int = 0
    sent: int = 0
    refused: int = 0
    problem: str = ""
    refusal: str = ""
    settled_ranges: list[tuple[int, int]] = dataclasses.field(default_factory=list)

    def settle(self, line: Line) -> None:
        """Take note that a line is settled."""
        if line.start == self.offset and not self.settled_ranges:  # one connection
            self.offset = line.stop
            return
        merged: list[tuple[int, int]] = []
        for start, stop in sorted([*self.settled_ranges, (line.start, line.stop)]):
            if start == self.offset:
                self.offset = stop
            elif merged and merged[-1][1] == start:
                merged[-1] = (merged[-1][0], stop)
            else:
                merged.append((start, stop))
        self.settled_ranges = merged

    def has_settled(self, line: Line) -> bool:
        """Tell whether a line is settled."""
        return line.stop <= self.offset or any(
            start <= line.start and line.stop <= stop for start, stop in self.settled_ranges
        )


class CursorFile:
    """Keeps a cursor; one process writes it, others read it at any time."""

    # Each write has this size, so that no reader sees the rest of a longer one before it.
    _SIZE: Final = 2048
    # As much of a reason and as many ranges as always fit: in JSON, a character takes up to
    # 6 bytes and a range up to 43.
    _REASON_LENGTH: Final = 60
    _MAX_RANGES: Final = 25

    def __init__(self, outbox: Outbox) -> None:
        self._path = str(outbox.cursor)
        self._fd: int | None = None

    def read(self) -> Cursor:
        """Return the cursor; a new one where there is none that can be read."""
        try:
            cursor = Cursor(**orjson.loads(realos.read_file(self._path)))
            cursor.settled_ranges = [(start, stop) for start, stop in cursor.settled_ranges]
        except (OSError, ValueError, TypeError):
            return Cursor()
        return cursor

    def write(self, cursor: Cursor) -> None:
        """Write the cursor. Raises OSError."""
        if self._fd is None:
            self._fd = realos.open(self._path, os.O_WRONLY | os.O_CREAT, OWNER_ONLY)
        data = orjson.dumps(cursor)
        if len(data) > self._SIZE:
            shortened = dataclasses.replace(
                cursor,
                problem=cursor.problem[: self._REASON_LENGTH],
                refusal=cursor.refusal[: self._REASON_LENGTH],
                # Whoever goes on later sends again what is left out, under the same key.
                settled_ranges=cursor.settled_ranges[: self._MAX_RANGES],
            )
            data = orjson.dumps(shortened)
        realos.pwrite(self._fd, data.ljust(self._SIZE), 0)

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            realos.close(self._fd)
            self._fd = None
