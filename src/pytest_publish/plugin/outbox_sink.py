"""The sink that hands results to the relay of one URL."""

from __future__ import annotations

import contextlib

from pytest_publish.delivery.process import RelayProcess

from .problems import Problems
from .retry import RetryQueue
from .sink import Pending


class OutboxSink:
    """Appends results to the outbox that a relay follows."""

    def __init__(self, relay: RelayProcess, problems: Problems) -> None:
        self._relay = relay
        self._retry: RetryQueue[bytes] = RetryQueue(f"to the outbox {relay.path}", problems)

    def write(self, pending: Pending) -> None:
        """Append a result, after those that could not be appended before."""
        body = pending.body()
        try:
            if self._retry.waiting:
                self._append_kept()
            self._relay.append(body)
        except OSError as error:
            self._retry.keep(pending.seq, body, len(body), error)

    def close(self) -> None:
        """Append what is still kept, for the last time, and tell the relay that this is the end."""
        # A result that is too large for the space left may be followed by one that fits.
        self._retry.close(self._relay.append)
        with contextlib.suppress(Exception):  # the relay's DeliveryReport tells
            self._relay.end()

    def _append_kept(self) -> None:
        """Append kept results, before anything newer. Raises OSError."""
        for seq, body in self._retry.in_order():
            self._relay.append(body)
            self._retry.remove(seq)
