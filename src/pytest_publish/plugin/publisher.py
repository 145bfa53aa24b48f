"""Numbers finished results, asks the user's hook about each, and hands them to every sink."""

from __future__ import annotations

import collections
import contextlib
import functools
from collections.abc import Callable
from typing import Any
from typing import Final
from typing import TYPE_CHECKING

from pytest_publish._os import realos
from pytest_publish.results.result import TestResult

from .ignored import remove_if_empty
from .line_sink import LineSink
from .line_sink import LogSink
from .messages import sent
from .problems import Problems
from .settings import Settings
from .sink import Pending
from .sink import PendingResult
from .sink import Sink


if TYPE_CHECKING:  # a run loads what it publishes with
    from pytest_publish.delivery.process import DeliveryReport
    from pytest_publish.delivery.process import RelayProcess

    from .tree_sink import TreeSink


#: What is said of a result that an error of our own has lost.
LOST: Final = "a result was lost by an error of pytest-publish"


class Publisher:
    """Numbers results and gives each to all sinks.

    ``is_wanted`` asks the user's hook about a result, which may change it. Nothing but a
    KeyboardInterrupt is raised: what goes wrong for good is counted in ``problems``.
    """

    def __init__(
        self, settings: Settings, is_wanted: Callable[[TestResult], bool], problems: Problems
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
        #: What is on its way to the sinks; after an interrupt, it still is.
        self.pending: collections.deque[Pending] = collections.deque()
        self._sinks: list[Sink] = []
        self._tree: TreeSink | None = None
        # What is sent for this process if it dies.
        self._will: dict[str, Any] | None = None
        self._has_waited = False

    def start(self) -> None:
        """Open the sinks, and start a relay for each URL."""
        settings = self._settings
        if settings.pubdir is not None:
            from .tree_sink import TreeSink

            self._tree = TreeSink(settings.pubdir, settings, self._problems)
            self._sinks.append(self._tree)  # the first
        self._start_relays()
        if settings.log is not None:
            self._sinks.append(LogSink(settings.log, settings, self._problems))

    def publish(self, results: collections.deque[TestResult]) -> None:
        """Take results out of their queue and give them to all sinks.

        A Ctrl-C or a plugin's alarm may end this at any point; the next call goes on
        with what was left, so that nothing is lost and nothing published twice.
        """
        if not results and not self.pending:
            return
        if realos.getpid() != self._process:
            return  # a test has forked, and its child came back to pytest
        while results:
            # After an interrupt it may be in both queues, but never in neither.
            last = self.pending[-1] if self.pending else None
            if type(last) is not PendingResult or last.result is not results[0]:
                self.pending.append(PendingResult(results[0]))
            results.popleft()
        self._hand_out_pending()

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
                self.delivered.append((relay, report))
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

    def _start_relays(self) -> None:
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
                relay.start()
            except Exception as error:
                self._problems.add("sending can't be started", error)

    def _hand_out_pending(self) -> None:
        """Number what is pending and give it to the sinks, which fixes the one order of all.

        Where several threads publish, it is called under one lock.
        """
        while self.pending:
            try:
                self._hand_out(self.pending[0])
            except Exception as error:  # whatever it is, the run goes on
                self._problems.add(LOST, error)
            self.pending.popleft()

    def _hand_out(self, pending: Pending) -> None:
        assert type(pending) is PendingResult
        if not pending.is_numbered:
            result = pending.result
            if not self._is_wanted(result):
                return
            result.run_id = self.run_id
            result.session_id = self._session_id
            result.project = self._settings.project
            result.pubdir_path = None
            result.seq = self._seq
            self._seq += 1
            pending.is_numbered = True
        for sink in self._sinks[pending.taken :]:
            sink.write(pending)
            pending.taken += 1
