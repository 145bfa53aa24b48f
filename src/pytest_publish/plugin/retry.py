"""What a sink can't take now and may take later, kept in memory."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from collections.abc import Iterator
from typing import Final
from typing import Generic
from typing import TypeVar

from .problems import Problems


#: How much one sink keeps, in results and in bytes of their JSON.
MOST_RESULTS: Final = 10_000
MOST_BYTES: Final = 32 << 20

_Item = TypeVar("_Item")


class _Kept(Generic[_Item]):
    def __init__(self, item: _Item, size: int, error: Exception) -> None:
        self.item = item
        self.size = size
        self.error = error


class RetryQueue(Generic[_Item]):
    """Results by their ``seq``, each with the error that keeps it from its sink.

    ``where`` says in messages where the sink writes. A Ctrl-C may come at any point: a result
    leaves only by :meth:`remove`, and one that is kept again is there once.
    """

    def __init__(self, where: str, problems: Problems) -> None:
        #: Public, because to look whether it is empty then costs no call.
        self.waiting: dict[int, _Kept[_Item]] = {}
        self._where = where
        self._problems = problems
        self._bytes = 0
        self._failed_last = -1

    def keep(self, seq: int, item: _Item, size: int, error: Exception) -> None:
        """Keep a result; drop the oldest, and count them as problems, if there are too many."""
        if seq not in self.waiting:
            self.waiting[seq] = _Kept(item, size, error)
            self._bytes += size
        while len(self.waiting) > MOST_RESULTS or self._bytes > MOST_BYTES:
            oldest = next(iter(self.waiting))
            self._problems.add(
                f"the oldest of too many results that can't be written {self._where} was dropped",
                self.waiting[oldest].error,
            )
            self.remove(oldest)

    def remove(self, seq: int) -> None:
        """Remove a result, because it was written or is given up."""
        self._bytes -= self.waiting.pop(seq).size

    def failed_again(self, seq: int, error: Exception) -> None:
        """Note that a result could not be written this time either."""
        self.waiting[seq].error = error
        self._failed_last = seq

    def in_order(self) -> Iterator[tuple[int, _Item]]:
        """Yield the results by their ``seq``; they may be removed meanwhile."""
        for seq in list(self.waiting):
            yield seq, self.waiting[seq].item

    def in_turn(self) -> Iterator[tuple[int, _Item]]:
        """Yield the results, beginning after the last that failed, so that none blocks the rest."""
        numbers = list(self.waiting)
        begin = bisect.bisect_right(numbers, self._failed_last)
        for seq in numbers[begin:] + numbers[:begin]:
            yield seq, self.waiting[seq].item

    def close(self, write: Callable[[_Item], object]) -> None:
        """Try each result for the last time; count what fails as a problem."""
        for seq, item in self.in_order():
            try:
                write(item)
            except Exception as error:
                self._problems.add(f"can't write {self._where}", error)
            self.remove(seq)
