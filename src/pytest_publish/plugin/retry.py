"""What a sink can't take now and may take later, kept in memory."""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Iterator
from typing import Final
from typing import Generic
from typing import TypeVar


#: How much one sink's backlog holds, in results and in bytes of their JSON.
MOST_RESULTS: Final = 10_000
MOST_BYTES: Final = 32 << 20

_Item = TypeVar("_Item")


@dataclasses.dataclass(slots=True)
class _Kept(Generic[_Item]):
    item: _Item
    size: int
    error: Exception


class RetryQueue(Generic[_Item]):
    """Results by their numbers, each with the error that keeps it from its sink.

    A Ctrl-C may come at any point: a result is let go of only by ``remove``, and one
    that is kept again is there once.
    """

    def __init__(self) -> None:
        #: Empty in a run without trouble, which costs no call to see.
        self.waiting: dict[int, _Kept[_Item]] = {}
        self._bytes = 0
        self._failed_last = -1

    def keep(self, seq: int, item: _Item, size: int, error: Exception) -> list[Exception]:
        """Keep a result; return the errors of the oldest, dropped because it is too many."""
        kept = _Kept(item, size, error)
        if seq not in self.waiting:
            self.waiting[seq] = kept
            self._bytes += size
        dropped = []
        while len(self.waiting) > MOST_RESULTS or self._bytes > MOST_BYTES:
            oldest = next(iter(self.waiting))
            dropped.append(self.waiting[oldest].error)
            self.remove(oldest)
        return dropped

    def remove(self, seq: int) -> None:
        """Let go of a result."""
        kept = self.waiting.pop(seq)
        self._bytes -= kept.size

    def failed_again(self, seq: int, error: Exception) -> None:
        """Take note that a result could not be written this time either."""
        self.waiting[seq].error = error
        self._failed_last = seq

    def in_order(self) -> Iterator[tuple[int, _Item]]:
        """Yield the results by their numbers; they may be removed meanwhile."""
        for seq in list(self.waiting):
            yield seq, self.waiting[seq].item

    def in_turn(self) -> Iterator[tuple[int, _Item]]:
        """Yield them from behind the one that failed last, so that none holds up all others."""
        order = list(self.waiting)
        begin = bisect.bisect_right(order, self._failed_last)
        for seq in order[begin:] + order[:begin]:
            yield seq, self.waiting[seq].item
