"""What a sink is: something that takes every result, such as the tree or an outbox."""

from __future__ import annotations

from typing import Protocol
from typing import TYPE_CHECKING
from typing import TypeAlias

from pytest_publish.results.encoding import to_json
from pytest_publish.results.result import TestResult


if TYPE_CHECKING:  # a run without events or a tree does not load them
    from pytest_publish.results.events import Event
    from pytest_publish.tree.writer import Reservation


class PendingResult:
    """A result on its way to the sinks, and how far it has come."""

    is_numbered = False
    #: How many sinks have it.
    taken = 0
    #: Its directory in the tree, kept here so that a result is written under one index
    #: only, however often its writing is interrupted and goes on.
    reservation: Reservation | None = None
    _body: bytes | None = None

    def __init__(self, result: TestResult) -> None:
        self.result = result

    @property
    def seq(self) -> int:
        """The result's number."""
        return self.result.seq

    def body(self) -> bytes:
        """Return the result as JSON, which is the same for all sinks."""
        if self._body is None:
            self._body = to_json(self.result)
        return self._body

    def set_pubdir_path(self, path: str | None) -> None:
        """Set where the result is in the tree, which its JSON tells."""
        self.result.pubdir_path = path
        self._body = None


class PendingEvent:
    """An event on its way to the sinks."""

    is_numbered = False
    taken = 0
    body_ = b""

    def __init__(self, event: Event) -> None:
        self.event = event

    @property
    def seq(self) -> int:
        """The event's number."""
        return self.event.seq

    def body(self) -> bytes:
        """Return the event as JSON."""
        return self.body_


Pending: TypeAlias = PendingResult | PendingEvent


class Sink(Protocol):
    """Takes all results and events, one after the other, in the order of ``seq``.

    A sink raises no Exception. It counts what goes wrong for good in a
    :class:`~.problems.Problems`, and keeps what may be written later in a
    :class:`~.retry.RetryQueue`.
    """

    def write(self, pending: Pending) -> None:
        """Take a result or an event.

        A KeyboardInterrupt may end this at any point. It is then called again with the
        same result, and must not write twice what it has written.
        """

    def close(self) -> None:
        """Write what is still kept, for the last time. May be called again."""

    def total(self) -> str:
        """Return for the summary how much was written and where; "" if a relay tells."""
