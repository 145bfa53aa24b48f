"""What a sink is: something that takes every result, such as the tree or an outbox."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from pytest_publish.results.encoding import to_json
from pytest_publish.results.result import TestResult
from pytest_publish.tree.writer import Reservation


@dataclasses.dataclass(slots=True)
class PendingResult:
    """A result on its way to the sinks, and how far it has come.

    ``taken`` is the number of sinks that have it. ``reservation`` is its directory in
    the tree, kept here so that a result is written under one index only, however often
    its writing is interrupted and goes on.
    """

    result: TestResult
    is_numbered: bool = False
    taken: int = 0
    reservation: Reservation | None = None
    _body: bytes | None = None

    def body(self) -> bytes:
        """Return the result as JSON, which is the same for all sinks."""
        if self._body is None:
            self._body = to_json(self.result)
        return self._body

    def set_pubdir_path(self, path: str | None) -> None:
        """Set where the result is in the tree, which its JSON tells."""
        self.result.pubdir_path = path
        self._body = None


class Sink(Protocol):
    """Takes all results, one after the other, in the order of ``seq``.

    A sink raises no Exception. It counts what goes wrong for good in a
    :class:`~.problems.Problems`, and keeps what may be written later in a
    :class:`~.retry.RetryQueue`.
    """

    def write(self, pending: PendingResult) -> None:
        """Take a result.

        A KeyboardInterrupt may end this at any point. It is then called again with the
        same result, and must not write twice what it has written.
        """

    def close(self) -> None:
        """Write what is still kept, for the last time. May be called again."""
