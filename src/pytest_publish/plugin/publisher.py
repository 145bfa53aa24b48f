"""Numbers results and events, asks the users' hooks about each, and gives them to all sinks."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import Any
from typing import Final
from typing import TYPE_CHECKING

from pytest_publish._os import realos
from pytest_publish.results.result import TestResult

from .ignored import remove_if_empty
from .messages import sent
from .problems import Problems
from .settings import Settings
from .sinks import LineSink
from .sinks import LogSink
from .sinks import Pending
from .sinks import Sink
from .sinks import TreeSink


if TYPE_CHECKING:  # a run loads what it publishes with
    from pytest_publish.delivery.process import DeliveryReport
    from pytest_publish.delivery.process import RelayProcess
    from pytest_publish.delivery.program import RelayProgram
    from pytest_publish.results.events import Event
    from pytest_publish.results.events import SessionFinish


#: What is said of a result that an error of our own has lost.
LOST: Final = "a result was lost by an error of pytest-publish"


class Publisher:
    """Numbers results and events in one order and gives each to all sinks.

    ``is_wanted`` asks the users' hook about a result or an event, which may change it. Nothing
    but a KeyboardInterrupt is raised: what goes wrong for good is counted in ``problems``.

    Workers' events come in execnet's threads, all else in the main thread. One lock is held
    while anything is numbered and handed out, so that all sinks see one order.

    - One of execnet's threads never waits for the lock, so that a user's hook can't cause a
      deadlock. It leaves its event in a queue, into which whoever held the lock looks after
      releasing it. What is there comes before the results that are published now, because
      a worker tells of a test before it sends the test's report.
    - The main thread may wait, for as long as a thread publishes its event. A Ctrl-C comes in
      the main thread only, and the with-statement releases the lock.
    - Nobody waits for a relay while holding the lock.
    """

    def __init__(
        self, settings: Settings, is_wanted: Callable[[Any], bool], problems: Problems
    ) -> None:
        # Not by uuid: a test may make it give the same id in each run.
        self.run_id = settings.run_id or realos.urandom(16).hex()
        self.relays: list[RelayProcess] = []
        self.delivered: list[tuple[RelayProcess, DeliveryReport]] = []
        self._settings = settings
        self._is_wanted = is_wanted
        self._problems = problems
        self._process = realos.getpid()
        self._session_id = realos.urandom(16).hex()
        self._seq = 0
        #: How many results of which outcome were published.
        self.outcomes: dict[str, int] = {}
        # What is on its way to the sinks; after an interrupt, it still is.
        self._pending: collections.deque[Pending] = collections.deque()
        self._lock = realos.RLock()
        # What threads have left.
        self._incoming: collections.deque[Event] = collections.deque()
        self._is_closed = False
        self._sinks: list[Sink] = []
        # What is sent for this process if it dies.
        self._will: dict[str, Any] | None = None
        self._has_waited = False

    def start(self, take_program: Callable[[], RelayProgram | None] = lambda: None) -> None:
        """Open the sinks, and start a relay for each URL.

        ``take_program`` returns the program of the first relay, if it was started early.
        """
        settings = self._settings
        if settings.pubdir is not None:
            self._sinks.append(TreeSink(settings.pubdir, settings, self._problems))  # the first
        self._start_relays(take_program)
        if settings.log is not None:
            self._sinks.append(LogSink(settings.log, settings, self._problems))

    def lay_down(self, will: SessionFinish) -> None:
        """Have an event sent if this process dies; before :meth:`start`."""
        if self._is_wanted(will):
            will.run_id, will.session_id = self.run_id, self._session_id
            self._will = dataclasses.asdict(will)

    def publish(self, results: collections.deque[TestResult]) -> None:
        """Take results out of their queue and give them to all sinks. Main thread only.

        A Ctrl-C or a plugin's alarm may end this at any point; the next call goes on
        with what was left, so that nothing is lost and nothing published twice.
        """
        if realos.getpid() != self._process:
            return  # a test has forked, and its child came back to pytest
        with self._lock:
            if self._incoming:
                self._hand_out(self._incoming)
            self._hand_out(results)
        if self._incoming:
            self._look_again()

    def tell(self, event: Event) -> None:
        """Publish an event; called again after an interrupt, go on. Main thread only."""
        if realos.getpid() != self._process:
            return
        with self._lock:
            self._incoming.append(event)
            self._hand_out(self._incoming)
        self._look_again()

    def tell_from_thread(self, event: Event) -> None:
        """Publish an event, or leave it to the thread that holds the lock."""
        self._incoming.append(event)
        while self._incoming and self._lock.acquire(blocking=False):
            try:
                self._hand_out(self._incoming)
            finally:
                self._lock.release()

    def _look_again(self) -> None:
        """Publish what a thread has left while this one held the lock."""
        while self._incoming:
            with self._lock:
                self._hand_out(self._incoming)

    def finish(self, on_progress: Callable[[str, int], None]) -> None:
        """Close the sinks, wait for the relays, and keep what became of their results.

        ``on_progress`` is called with a URL and the number of results that wait for it.
        """
        if realos.getpid() != self._process:
            return
        # Called again after an interrupt, it does not wait a second time.
        is_interrupted, self._has_waited = self._has_waited, True
        # All are closed before one is waited for, so that the relays finish together.
        for sink in self._sinks:
            sink.close()
        for relay in self.relays:
            with contextlib.suppress(Exception):  # its DeliveryReport tells
                relay.end()
        while self.relays:
            relay = self.relays[0]
            try:
                if is_interrupted:
                    report = relay.interrupt()
                else:
                    report = relay.wait(functools.partial(on_progress, relay.url))
                # Python runs no signal's handler from here until the relay is forgotten.
                self.delivered += ((relay, report),)
            except Exception as error:
                self._problems.add(f"can't tell what became of {relay.path}", error)
            is_interrupted = is_interrupted or relay.was_interrupted
            del self.relays[0]
        if self._settings.outbox_folder is not None:
            remove_if_empty(self._settings.outbox_folder)

    def totals(self) -> list[str]:
        """Return how much went where, a line for each place."""
        to_urls = [sent(relay, report, self._settings) for relay, report in self.delivered]
        return [*to_urls, *filter(None, (sink.total() for sink in self._sinks))]

    def _start_relays(self, take_program: Callable[[], RelayProgram | None]) -> None:
        folder = self._settings.outbox_folder
        if folder is None:
            if self._settings.deliveries:
                self._problems.add(
                    "nothing is sent, because no folder could be written to that keeps results",
                    "name one with --publish-outbox DIR",
                )
            return
        from pytest_publish.delivery.process import RelayProcess

        stamp = realos.strftime("%Y%m%dT%H%M%SZ", realos.gmtime(realos.now()))
        for number, delivery in enumerate(self._settings.deliveries):
            name = f"{stamp}-{self._session_id[:8]}" + (f"-{number}" if number else "")
            try:
                relay = RelayProcess(folder, name, delivery, self._will)
                self.relays.append(relay)
                # Before it starts: what waits in an outbox without a relay can be sent later.
                where = f"to the outbox {relay.path}"
                self._sinks.append(LineSink(relay.append, where, self._problems))
                relay.start(take_program())
            except Exception as error:
                self._problems.add("sending can't be started", error)

    def _hand_out(self, told: collections.deque[TestResult] | collections.deque[Event]) -> None:
        """Give to the sinks what is pending and then what is told, under the lock."""
        pending = self._pending
        while told:
            one = Pending(told[0])
            # Python runs no signal's handler between these two, so that it is in one queue only.
            pending += (one,)
            del told[0]
        while pending:
            try:
                self._hand_out_one(pending[0])
            except Exception as error:  # whatever it is, the run goes on
                self._problems.add(LOST, error)
            pending.popleft()

    def _hand_out_one(self, pending: Pending) -> None:
        told: TestResult | Event = pending.told
        if not pending.is_numbered:
            if self._is_closed and type(told) is not TestResult:
                return  # the session's last event has been told
            if not self._is_wanted(told):
                return
            told.run_id = self.run_id
            told.session_id = self._session_id
            told.seq = self._seq
            if type(told) is TestResult:
                told.project = self._settings.project
                told.pubdir_path = None
                count = self.outcomes.get(told.outcome, 0)
                # Python runs no signal's handler from here until the result is numbered.
                self.outcomes[told.outcome] = count + 1
            else:
                self._is_closed = told.type == "session_finish"
            self._seq += 1
            pending.is_numbered = True
        for sink in self._sinks[pending.taken :]:
            sink.write(pending)
            pending.taken += 1
