"""Finished results → their numbers, the users' hook, and every sink."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import Final
from typing import TypeVar

from pytest_publish._os import realos
from pytest_publish.delivery.process import DeliveryReport
from pytest_publish.delivery.process import RelayProcess
from pytest_publish.results.encoding import to_json
from pytest_publish.results.result import TestResult
from pytest_publish.tree.writer import Reservation
from pytest_publish.tree.writer import TreeWriter

from .ignored import remove_if_empty
from .problems import Problems
from .retry import RetryQueue
from .settings import Settings


_Item = TypeVar("_Item")
#: What a result is lost by, if nothing else is known.
LOST: Final = "a result was lost by an error of pytest-publish"


@dataclasses.dataclass(slots=True)
class _PendingResult:
    """A result, and how much of its way to the sinks it has behind it."""

    result: TestResult
    reservation: Reservation | None = None
    body: bytes | None = None
    unwritten: OSError | None = None
    delivered: int = 0


class Publisher:
    """Numbers results and gives each to all sinks, the same bytes to each.

    ``is_wanted`` asks the users' hook about a result, which it may change. What can't be
    written is tried again with the next results and at the end. Whatever goes wrong for
    good is counted in ``troubles`` and never raised.
    """

    def __init__(
        self, settings: Settings, is_wanted: Callable[[TestResult], bool], problems: Problems
    ) -> None:
        # Not by uuid, of which a test may make the same for each run.
        self.run_id = settings.run_id or realos.urandom(16).hex()
        self.written = 0
        self.deliveries: list[RelayProcess] = []
        self.delivered: list[tuple[RelayProcess, DeliveryReport]] = []
        self._settings = settings
        self._is_wanted = is_wanted
        self._problems = problems
        self._process = realos.getpid()
        self._session_id = realos.urandom(16).hex()
        self._seq = 0
        self._pending: collections.deque[_PendingResult] = collections.deque()
        self._has_waited = False
        self._unwritten: RetryQueue[_PendingResult] = RetryQueue()
        self._unsent: dict[RelayProcess, RetryQueue[bytes]] = {}
        self._directory = None
        if settings.pubdir is not None:
            self._directory = TreeWriter(
                settings.pubdir, scheme=settings.scheme, which=settings.which
            )

    def start(self) -> None:
        """Create the outboxes and start a relay for each URL."""
        folder = self._settings.outbox_folder
        if folder is None:
            if self._settings.deliveries:
                self._problems.add(
                    "nothing is sent, because no folder could be written to that keeps results",
                    "name one with --publish-outbox DIR",
                )
            return
        stamp = realos.strftime("%Y%m%dT%H%M%SZ", realos.gmtime(realos.now()))
        for number, deliveries in enumerate(self._settings.deliveries):
            name = f"{stamp}-{self._session_id[:8]}" + (f"-{number}" if number else "")
            try:
                delivery = RelayProcess(folder, name, deliveries)
                self.deliveries.append(delivery)
                delivery.start()
            except Exception as error:
                self._problems.add("sending can't be started", error)

    def publish(self, results: collections.deque[TestResult]) -> None:
        """Take results out of their queue and give them to all sinks.

        A Ctrl-C or a plugin's alarm may end this at any point; the next call goes on
        with what was left, so that nothing is lost and nothing published twice.
        """
        if realos.getpid() != self._process:
            return  # a test has forked, and its child came back to pytest
        while results:
            # After an interrupt it may be in both queues, but never in neither.
            if not self._pending or self._pending[-1].result is not results[0]:
                self._pending.append(_PendingResult(results[0]))
            results.popleft()
        while self._pending:
            try:
                self._hand_out(self._pending[0])
            except Exception as error:  # whatever it is, the run goes on
                self._problems.add(LOST, error)
            self._pending.popleft()

    def finish(self, on_progress: Callable[[str, int], None]) -> None:
        """Wait for the relays, and keep what became of their results.

        ``on_progress`` is called with a URL and the number of results that wait for it.
        """
        if realos.getpid() != self._process:
            return
        # Nobody waits a second time, where this was broken off and is called again.
        is_interrupted, self._has_waited = self._has_waited, True
        self._try_for_the_last_time()
        # All are told first, so that they finish at the same time.
        for delivery in self.deliveries:
            with contextlib.suppress(Exception):  # wait() tells
                delivery.end()
        while self.deliveries:
            delivery = self.deliveries[0]
            try:
                if is_interrupted:
                    delivered = delivery.interrupt()
                else:
                    delivered = delivery.wait(functools.partial(on_progress, delivery.url))
                self.delivered.append((delivery, delivered))
            except Exception as error:
                self._problems.add(f"can't tell what became of {delivery.path}", error)
            is_interrupted = is_interrupted or delivery.was_interrupted
            del self.deliveries[0]
        if self._settings.outbox_folder is not None:
            remove_if_empty(self._settings.outbox_folder)

    def _hand_out(self, pending: _PendingResult) -> None:
        if pending.body is None:
            if not self._is_wanted(pending.result):
                return
            if self._unwritten.waiting:
                self._write_kept()
            self._number(pending.result)
            pending.body = self._into_tree(pending)
            self._seq += 1
        if pending.unwritten is not None:
            seq, size = pending.result.seq, len(pending.body)
            self._dropped(
                f"below {self._settings.shown_pubdir}",
                self._unwritten.keep(seq, pending, size, pending.unwritten),
            )
        for delivery in self.deliveries[pending.delivered :]:
            try:
                if self._unsent:
                    self._send_kept(delivery)
                delivery.append(pending.body)
            except OSError as error:
                self._keep_unsent(delivery, pending.result.seq, pending.body, error)
            pending.delivered += 1

    def _number(self, result: TestResult) -> None:
        result.run_id = self.run_id
        result.session_id = self._session_id
        result.seq = self._seq

    def _into_tree(self, pending: _PendingResult) -> bytes:
        """Write a result into the tree, if there is one; return its bytes."""
        try:
            return self._written(pending)
        except Exception as error:
            pending.result.pubdir_path = None
            body = to_json(pending.result)
            if isinstance(error, OSError):
                pending.unwritten = error
            else:  # a hook has put in what can't be written, such as a time that is none
                self._problems.add(self._cant_write, error)
            return body

    def _written(self, pending: _PendingResult, *, may_wait: bool = True) -> bytes:
        """Write a result into the tree; called again it goes on, under the same index."""
        result = pending.result
        if pending.reservation is None and self._directory is not None:
            pending.reservation = self._directory.reserve(result, may_wait=may_wait)
        result.pubdir_path = None if pending.reservation is None else pending.reservation.path
        body = to_json(result)
        if pending.reservation is not None and self._directory is not None:
            self._directory.write(pending.reservation, result, body)
            self.written += 1
        return body

    def _write_kept(self) -> None:
        """Try the kept results until one fails; they come before those of later attempts."""
        for seq, pending in self._unwritten.in_turn():
            try:
                self._written(pending, may_wait=False)
            except Exception as error:
                self._unwritten.failed_again(seq, error)
                return
            self._unwritten.remove(seq)

    def _send_kept(self, delivery: RelayProcess) -> None:
        """Append what an outbox could not take, before anything newer. Raises OSError."""
        if delivery in self._unsent:
            unsent = self._unsent[delivery]
            for seq, body in unsent.in_order():
                delivery.append(body)
                unsent.remove(seq)

    def _keep_unsent(self, delivery: RelayProcess, seq: int, body: bytes, error: OSError) -> None:
        unsent = self._unsent.setdefault(delivery, RetryQueue())
        self._dropped(f"to the outbox {delivery.path}", unsent.keep(seq, body, len(body), error))

    def _try_for_the_last_time(self) -> None:
        self._settle(self._unwritten, self._written, self._cant_write)
        for delivery, unsent in self._unsent.items():
            # One that is too large for what is left may be followed by one that is not.
            self._settle(unsent, delivery.append, f"can't write to the outbox {delivery.path}")

    def _settle(self, kept: RetryQueue[_Item], write: Callable[[_Item], object], what: str) -> None:
        for seq, item in kept.in_order():
            try:
                write(item)
            except Exception as error:
                self._problems.add(what, error)
            kept.remove(seq)

    def _dropped(self, where: str, errors: list[Exception]) -> None:
        for error in errors:
            what = f"the oldest of too many results that can't be written {where} was dropped"
            self._problems.add(what, error)

    @property
    def _cant_write(self) -> str:
        return f"can't write below {self._settings.shown_pubdir}"
