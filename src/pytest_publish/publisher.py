"""Finished results → their numbers, the users' hook, and every sink."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import time
import uuid
from collections.abc import Callable
from typing import Final
from typing import ParamSpec

from .delivery import Delivered
from .delivery import Delivery
from .directory import Directory
from .directory import Slot
from .realos import realos
from .result import TestResult
from .settings import Settings
from .summary import Troubles


_P = ParamSpec("_P")
_LOST: Final = "a result was lost by an error of pytest-publish"


@dataclasses.dataclass(slots=True)
class _Parcel:
    """A result, and how much of its way to the sinks it has behind it."""

    result: TestResult
    slot: Slot | None = None
    body: bytes | None = None
    delivered: int = 0


class Publisher:
    """Numbers results and gives each to all sinks, the same bytes to each.

    ``is_wanted`` asks the users' hook about a result, which it may change. Whatever
    goes wrong is counted in ``troubles`` and never raised.
    """

    def __init__(
        self, settings: Settings, is_wanted: Callable[[TestResult], bool], troubles: Troubles
    ) -> None:
        self.run_id = settings.run_id
        self.written = 0
        self.delivered: list[tuple[Delivery, Delivered]] = []
        self._settings = settings
        self._is_wanted = is_wanted
        self._troubles = troubles
        self._process = realos.getpid()
        self._session_id = uuid.uuid4().hex
        self._seq = 0
        self._parcels: collections.deque[_Parcel] = collections.deque()
        self._deliveries: list[Delivery] = []
        self._directory = None
        if settings.pubdir is not None:
            self._directory = Directory(
                settings.pubdir, scheme=settings.scheme, which=settings.which
            )

    def start(self) -> None:
        """Create the outboxes and start a relay for each URL."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(realos.now()))
        for number, orders in enumerate(self._settings.orders):
            name = f"{stamp}-{self._session_id[:8]}" + (f"-{number}" if number else "")
            assert self._settings.outbox_folder is not None
            try:
                delivery = Delivery(self._settings.outbox_folder, name, orders)
                self._deliveries.append(delivery)
                delivery.start()
            except Exception as error:
                self._troubles.add("sending can't be started", error)

    def publish(
        self,
        complete: Callable[_P, collections.deque[TestResult]],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> None:
        """Take the results out of the queue that ``complete`` returns, and give them to all sinks.

        A Ctrl-C or a plugin's alarm may end this at any point; the next call goes on
        with what was left, so that nothing is lost and nothing published twice.
        """
        if realos.getpid() != self._process:
            return  # a test has forked, and its child came back to pytest
        # Promise 1: whatever the error is, here or below, the run goes on.
        try:
            results = complete(*args, **kwargs)
            while results:
                # After an interrupt it may be in both queues, but never in neither.
                if not self._parcels or self._parcels[-1].result is not results[0]:
                    self._parcels.append(_Parcel(results[0]))
                results.popleft()
        except Exception as error:
            self._troubles.add(_LOST, error)
        while self._parcels:
            try:
                self._hand_out(self._parcels[0])
            except Exception as error:
                self._troubles.add(_LOST, error)
            self._parcels.popleft()

    def finish(self, on_progress: Callable[[str, int], None]) -> None:
        """Wait for the relays, and keep what became of their results.

        ``on_progress`` is called with a URL and the number of results that wait for it.
        """
        if realos.getpid() != self._process:
            return
        # All are told first, so that they finish at the same time.
        for delivery in self._deliveries:
            delivery.end()
        is_interrupted = False
        for delivery in self._deliveries:
            if is_interrupted:
                delivered = delivery.interrupt()
            else:
                delivered = delivery.wait(functools.partial(on_progress, delivery.url))
            is_interrupted = is_interrupted or delivery.was_interrupted
            self.delivered.append((delivery, delivered))
        if self._settings.outbox_folder is not None:
            with contextlib.suppress(OSError):  # it is not empty
                self._settings.outbox_folder.rmdir()

    def _hand_out(self, parcel: _Parcel) -> None:
        if parcel.body is None:
            if not self._is_wanted(parcel.result):
                return
            self._number(parcel.result)
            parcel.body = self._into_tree(parcel)
            self._seq += 1
        for delivery in self._deliveries[parcel.delivered :]:
            try:
                delivery.append(parcel.body)
            except OSError as error:
                self._troubles.add(f"can't write to the outbox {delivery.path}", error)
            parcel.delivered += 1

    def _number(self, result: TestResult) -> None:
        self.run_id = self.run_id or uuid.uuid4().hex
        result.run_id = self.run_id
        result.session_id = self._session_id
        result.seq = self._seq

    def _into_tree(self, parcel: _Parcel) -> bytes:
        """Write a result into the tree, if there is one; return its bytes."""
        result = parcel.result
        if parcel.slot is None:
            parcel.slot = self._reserve(result)
        result.pubdir_path = None if parcel.slot is None else parcel.slot.path
        body = result.to_json()
        if parcel.slot is not None and not self._write(parcel.slot, result, body):
            result.pubdir_path = None
            body = result.to_json()
        return body

    def _reserve(self, result: TestResult) -> Slot | None:
        if self._directory is None:
            return None
        try:
            return self._directory.reserve(result)
        except Exception as error:
            self._troubles.add(f"can't write below {self._settings.pubdir}", error)
            return None

    def _write(self, slot: Slot, result: TestResult, body: bytes) -> bool:
        assert self._directory is not None
        try:
            self._directory.write(slot, result, body)
        # A hook may have put in what can't be written, such as a time that is none.
        except Exception as error:
            self._troubles.add(f"can't write below {self._settings.pubdir}", error)
            return False
        self.written += 1
        return True
