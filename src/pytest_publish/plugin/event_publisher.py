"""A publisher of results and events, which gives both one order."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable

from pytest_publish._os import realos
from pytest_publish.results.encoding import to_json
from pytest_publish.results.events import Event
from pytest_publish.results.events import SessionFinish
from pytest_publish.results.result import TestResult

from .problems import Problems
from .publisher import Publisher
from .settings import Settings
from .sink import Pending
from .sink import PendingEvent
from .sink import Sink


class EventPublisher(Publisher):
    """Numbers events along with the results.

    Events come from two sides: from pytest in the main thread, and from workers in
    execnet's receiver threads, while the main thread may be publishing. Whatever is
    numbered and handed out is so under one lock, which makes one order of all.

    - A receiver thread never waits for the lock. It leaves its event in a queue, and who
      holds the lock looks into that after giving it back, so that nothing stays there.
      So no thread can wait for another in a circle, whatever a user's hook waits for,
      and a worker's messages are never held up.
    - The main thread may wait for the lock, for as long as a thread writes a line. A
      Ctrl-C comes in the main thread only, and the with-statement gives the lock back.
    - What waited in the queue comes before the results that are published now: a
      worker's message about a test was sent, and arrives, before the test's report.
    - Nobody waits for a relay while holding the lock.
    """

    def __init__(
        self,
        settings: Settings,
        is_wanted: Callable[[TestResult], bool],
        is_event_wanted: Callable[[Event], bool],
        problems: Problems,
    ) -> None:
        super().__init__(settings, is_wanted, problems)
        #: How many results of which outcome were published.
        self.outcomes: collections.Counter[str] = collections.Counter()
        self._is_event_wanted = is_event_wanted
        self._lock = realos.RLock()
        self._incoming: collections.deque[Event] = collections.deque()
        self._is_closed = False
        self._counted = -1

    def start(self) -> None:
        """Open the sinks; the tree takes results only."""
        super().start()
        self._event_sinks: list[Sink] = [sink for sink in self._sinks if sink is not self._tree]

    def lay_down(self, will: SessionFinish) -> None:
        """Have an event sent if this process dies; before :meth:`start`."""
        if self._is_event_wanted(will):
            will.run_id, will.session_id = self.run_id, self._session_id
            self._will = dataclasses.asdict(will)

    def publish(self, results: collections.deque[TestResult]) -> None:
        """Publish what has come in, and then the results. Main thread only."""
        if not self._incoming and not results and not self.pending:
            return
        with self._lock:
            if self._incoming:
                self._hand_out_incoming()
            super().publish(results)
        self._look_again()

    def tell(self, event: Event) -> None:
        """Publish an event. Main thread only."""
        with self._lock:
            self._incoming.append(event)
            self._hand_out_incoming()
        self._look_again()

    def tell_from_thread(self, event: Event) -> None:
        """Publish an event, or leave it to the thread that holds the lock."""
        self._incoming.append(event)
        while self._incoming and self._lock.acquire(blocking=False):
            try:
                self._hand_out_incoming()
            finally:
                self._lock.release()

    def tell_last(self, event: SessionFinish) -> None:
        """Publish the last event; called again with it after an interrupt, go on."""
        with self._lock:
            if not self._is_closed and not any(event is waiting for waiting in self._incoming):
                self._incoming.append(event)
            self._hand_out_incoming()

    def _look_again(self) -> None:
        while self._incoming:
            with self._lock:
                self._hand_out_incoming()

    def _hand_out_incoming(self) -> None:
        if realos.getpid() != self._process:
            return
        while self._incoming:
            event = self._incoming[0]
            # After an interrupt it may be in both queues, but never in neither.
            last = self.pending[-1] if self.pending else None
            if type(last) is not PendingEvent or last.event is not event:
                self.pending.append(PendingEvent(event))
            self._incoming.popleft()
        self._hand_out_pending()

    def _hand_out(self, pending: Pending) -> None:
        if isinstance(pending, PendingEvent):
            self._hand_out_event(pending)
            return
        super()._hand_out(pending)
        result = pending.result
        # An interrupt may have it come here twice.
        if pending.is_numbered and result.seq > self._counted:
            self._counted = result.seq
            self.outcomes[result.outcome] += 1

    def _hand_out_event(self, pending: PendingEvent) -> None:
        event = pending.event
        if not pending.is_numbered:
            if self._is_closed or not self._is_event_wanted(event):
                return
            event.run_id, event.session_id = self.run_id, self._session_id
            event.seq = self._seq
            pending.body_ = to_json(event)
            self._is_closed = type(event) is SessionFinish
            self._seq += 1
            pending.is_numbered = True
        for sink in self._event_sinks[pending.taken :]:
            sink.write(pending)
            pending.taken += 1
