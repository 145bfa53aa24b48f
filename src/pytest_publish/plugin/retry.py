"""What a sink can't take now and may take later, kept in memory."""

from __future__ import annotations

import collections
from collections.abc import Callable
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
    leaves only when it has been written, and one that is kept again is there once.
    """

    def __init__(self, where: str, problems: Problems) -> None:
        #: Public, because to look whether it is empty then costs no call.
        self.waiting: collections.OrderedDict[int, _Kept[_Item]] = collections.OrderedDict()
        self._where = where
        self._problems = problems
        self._bytes = 0

    def keep(self, seq: int, item: _Item, size: int, error: Exception) -> None:
        """Keep a result; drop the oldest, and count them as problems, if there are too many."""
        if seq not in self.waiting:
            self.waiting[seq] = _Kept(item, size, error)
            self._bytes += size
        while len(self.waiting) > MOST_RESULTS or self._bytes > MOST_BYTES:
            oldest = min(self.waiting)
            self._problems.add(
                f"the oldest of too many results that can't be written {self._where} was dropped",
                self.waiting[oldest].error,
            )
            self._remove(oldest)

    def write(self, write: Callable[[_Item], object]) -> None:
        """Write one result after the other. Raises the error of the first that fails."""
        while self.waiting:
            seq, kept = next(iter(self.waiting.items()))
            try:
                write(kept.item)
            except Exception as error:
                kept.error = error
                raise
            self._remove(seq)

    def postpone_first(self) -> None:
        """Move the first result, which failed, to the end, so that it does not block the rest."""
        self.waiting.move_to_end(next(iter(self.waiting)))

    def close(self, write: Callable[[_Item], object]) -> None:
        """Try each result for the last time; count what fails as a problem."""
        for seq in sorted(self.waiting):
            try:
                write(self.waiting[seq].item)
            except Exception as error:
                self._problems.add(f"can't write {self._where}", error)
            self._remove(seq)

    def _remove(self, seq: int) -> None:
        self._bytes -= self.waiting.pop(seq).size
