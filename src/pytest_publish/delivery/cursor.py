"""How far an outbox is delivered, and the file that keeps it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Final

import orjson

from pytest_publish._os import OWNER_ONLY
from pytest_publish._os import realos

from .outbox import Line


@dataclasses.dataclass(slots=True)
class Cursor:
    """How far an outbox has got: all before ``offset`` (bytes) is dealt with.

    ``beyond`` are the parts behind it that are dealt with too, each from and to an
    offset: what other connections sent while one line still waits. ``trouble`` is what
    went wrong last with what is still waiting, ``refusal`` why the first of the refused
    results was refused.
    """

    offset: int = 0
    sent: int = 0
    refused: int = 0
    problem: str = ""
    refusal: str = ""
    settled_ranges: list[tuple[int, int]] = dataclasses.field(default_factory=list)

    def settle(self, start: int, stop: int) -> None:
        """Take note that the line from ``start`` to ``stop`` is dealt with."""
        merged: list[tuple[int, int]] = []
        for begin, end in sorted([*self.settled_ranges, (start, stop)]):
            if begin == self.offset:
                self.offset = end
            elif merged and merged[-1][1] == begin:
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((begin, end))
        self.settled_ranges = merged

    def has_settled(self, line: Line) -> bool:
        """Tell whether a line is dealt with."""
        return line.stop <= self.offset or any(
            begin <= line.start and line.stop <= end for begin, end in self.settled_ranges
        )


class CursorFile:
    """Keeps a mark; one process writes it, others read it at any time."""

    # One write of a fixed size: a reader never sees a shorter mark's old end.
    _SIZE: Final = 2048
    # Of each reason, and of the parts beyond, where all would be too long; JSON takes up
    # to 6 bytes a character, and 43 for a part of the largest file.
    _CUT: Final = 60
    _MOST: Final = 25

    def __init__(self, outbox: Path) -> None:
        self._path = outbox.with_suffix(".cursor")
        self._fd: int | None = None

    def read(self) -> Cursor:
        """Return the mark; a new one where there is none that can be read."""
        try:
            cursor = Cursor(**orjson.loads(realos.read_file(str(self._path))))
            cursor.settled_ranges = [(begin, end) for begin, end in cursor.settled_ranges]
        except (OSError, ValueError, TypeError):
            return Cursor()
        return cursor

    def write(self, cursor: Cursor) -> None:
        """Write the mark. Raises OSError."""
        if self._fd is None:
            flags = os.O_WRONLY | os.O_CREAT | realos.BINARY
            self._fd = realos.open(str(self._path), flags, OWNER_ONLY)
        data = orjson.dumps(cursor)
        if len(data) > self._SIZE:
            data = orjson.dumps(
                dataclasses.replace(
                    cursor,
                    problem=cursor.problem[: self._CUT],
                    refusal=cursor.refusal[: self._CUT],
                    # What is left out is sent again by who goes on, under the same key.
                    settled_ranges=cursor.settled_ranges[: self._MOST],
                )
            )
        realos.lseek(self._fd, 0, os.SEEK_SET)
        realos.write(self._fd, data.ljust(self._SIZE))

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            realos.close(self._fd)
            self._fd = None
