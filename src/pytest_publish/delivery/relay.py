"""Follow an outbox and deliver each line, in a process of its own.

It learns by its standard input what to do, and says by the cursor how far it has got
(:mod:`~pytest_publish.delivery.outbox`).
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from time import monotonic
from time import sleep
from typing import Final

from pytest_publish._os import realos

from .config import ALL_ACCEPTED
from .config import DeliveryConfig
from .config import RelayConfig
from .cursor import Cursor
from .cursor import CursorFile
from .http import Accepted
from .http import Failed
from .http import Refused
from .http import retry_delay
from .http import Transport
from .locks import sender_lock
from .outbox import Line
from .outbox import Outbox
from .outbox import OutboxReader
from .will import append_will


#: Seconds between two looks at an outbox that has nothing new.
POLL: Final = 0.01
# What is read ahead of the senders, in lines and in bytes.
_AHEAD_LINES: Final = 512
_AHEAD_BYTES: Final = 1 << 23
# Where all cores are busy, the tests come first.
_NICENESS: Final = 5
# Below this many seconds a POST costs mostly this process's own time, and a second
# connection would only compete with the first for the interpreter.
_SLOW: Final = 0.005
# Seconds after which a waiting line may be taken by another connection than the first. The
# first alone keeps the order; for that, results may be late by this much.
_PATIENCE: Final = 0.5
# Seconds between two tries to start a thread.
_THREAD_RETRY: Final = 0.1


class Relay:
    """Delivers one outbox to one endpoint.

    ``is_over`` tells whether nothing more will be written to the outbox, though it may have
    no end mark. ``on_progress`` is called with the cursor now and then.
    """

    def __init__(
        self,
        outbox: Outbox,
        config: DeliveryConfig,
        *,
        is_over: Callable[[], bool],
        on_progress: Callable[[Cursor], None] | None = None,
    ) -> None:
        self._outbox = outbox
        self._config = config
        self._is_over = is_over
        self._on_progress = on_progress
        # With a short grace too, a result that fails for ever must not keep the others.
        self._backlog = _Backlog(outbox, min(_PATIENCE, config.grace / 4))
        self.cursor = self._backlog.cursor
        self._senders: list[_Sender] = []
        self._no_thread_before = 0.0
        #: Whether a part of a line stands at the end of the outbox.
        self.is_torn = False

    def run(self) -> bool:
        """Deliver until the outbox is over and empty, or nothing gets through.

        Returns whether all whole lines are settled. Raises OSError if the outbox can't be
        read. The caller holds the sender lock.
        """
        reader = OutboxReader(self._outbox, self.cursor.offset)
        try:
            return self._follow(reader)
        finally:
            self.is_torn = reader.torn
            reader.close()
            self._backlog.close()

    def _follow(self, reader: OutboxReader) -> bool:
        over_since: float | None = None
        # Lines have no time of their own; those read next were written after this.
        had_all_at = monotonic()
        while True:
            # Asked before reading, so that the last read has all that was written.
            over = reader.ended or self._is_over()
            is_read = self._backlog.wants_more
            fresh = reader.read() if is_read else []
            if fresh:
                self._backlog.add(fresh, had_all_at)
            elif is_read:
                had_all_at = monotonic()
                if over and self._backlog.is_idle:
                    return True
            self._add_sender()
            if self._on_progress is not None:
                self._on_progress(self.cursor)
            if over:
                over_since = over_since or monotonic()
                if monotonic() - max(over_since, self._backlog.last_success) > self._config.grace:
                    return False
            if not fresh:
                sleep(POLL)

    def _add_sender(self) -> None:
        """Open the first connection, or another if those that are open don't keep up."""
        if not self._senders:
            is_wanted = self._backlog.has_waiting
        else:
            is_wanted = (
                self._backlog.needs_help()
                and len(self._senders) < self._config.connections
                and all(sender.is_slow() for sender in self._senders)
            )
        if is_wanted and monotonic() >= self._no_thread_before:
            self._open()

    def _open(self) -> None:
        sender = _Sender(self._backlog, self._config, helps=bool(self._senders))
        try:
            sender.start()
        except RuntimeError as error:  # the user has too many threads or processes
            self._no_thread_before = monotonic() + _THREAD_RETRY
            if not self._senders:
                self._backlog.failed(str(error), 0.0)
            return
        self._senders.append(sender)


class _Backlog:
    """The lines that wait or are in flight, and the cursor. Used by all threads."""

    def __init__(self, outbox: Outbox, patience: float) -> None:
        self._outbox = outbox
        self._cursor_file = CursorFile(outbox)
        self.cursor = self._cursor_file.read()
        self._patience = patience
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._overdue = threading.Condition(self._lock)
        self._idle_helpers = 0
        self._waiting: deque[tuple[Line, float]] = deque()
        self._waiting_bytes = 0
        self._in_flight = 0
        self._closed = threading.Event()
        self.last_success = 0.0
        self._not_before = 0.0

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def wants_more(self) -> bool:
        return len(self._waiting) < _AHEAD_LINES and self._waiting_bytes < _AHEAD_BYTES

    @property
    def is_idle(self) -> bool:
        with self._lock:
            return not self._waiting and not self._in_flight

    def _may_take(self, *, helps: bool) -> bool:
        now = monotonic()
        if not self._waiting or now < self._not_before:
            return False
        return not helps or now - self._waiting[0][1] >= self._patience

    def needs_help(self) -> bool:
        """Tell whether something has waited long, and nobody is there to take it."""
        with self._lock:
            if not self._may_take(helps=True):
                return False
            self._overdue.notify_all()
            return not self._idle_helpers

    def add(self, found: list[Line], since: float) -> None:
        """Take in lines that may have waited since then."""
        with self._lock:
            lines = [line for line in found if not self.cursor.has_settled(line)]
            self._waiting.extend((line, since) for line in lines)
            self._waiting_bytes += sum(len(line.body) for line in lines)
            self._changed.notify_all()

    def take(self, most: int, *, helps: bool) -> list[Line]:
        """Return lines to send together, as soon as there are any; none once closed.

        A sender that ``helps`` gets only what has waited long, so that it does not overtake
        a first connection which keeps up.
        """
        with self._lock:
            while not self._closed.is_set() and not self._may_take(helps=helps):
                self._wait_for_turn(helps=helps)
            if self._closed.is_set():
                return []
            lines = [self._waiting.popleft()[0] for _ in range(min(most, len(self._waiting)))]
            for line in lines:
                self._waiting_bytes -= len(line.body)
            self._in_flight += len(lines)
            return lines

    def _wait_for_turn(self, *, helps: bool) -> None:
        if helps:
            self._idle_helpers += 1
            self._overdue.wait()
            self._idle_helpers -= 1
        else:
            self._changed.wait(max(0.0, self._not_before - monotonic()) or None)

    def hold(self, seconds: float) -> bool:
        """Wait between two tries; False once closed."""
        return not self._closed.wait(seconds)

    def sent(self, lines: list[Line]) -> None:
        with self._lock:
            self.last_success = monotonic()
            self.cursor.sent += len(lines)
            self.cursor.problem = ""
            self._settle(lines)

    def refused(self, line: Line, reason: str) -> None:
        """Set a line aside: the endpoint works, but will never take this one."""
        with self._lock:
            try:
                self._outbox.set_aside(line.body)
            except OSError as error:
                # Not settled, so the cursor stays before it and it is not lost.
                self.cursor.problem = f"{reason}; can't set it aside: {error.strerror}"
                return
            self.last_success = monotonic()
            self.cursor.refused += 1
            self.cursor.refusal = self.cursor.refusal or reason
            self._settle([line])

    def failed(self, reason: str, wait: float) -> None:
        """Take note of a failure, and of the seconds that the endpoint asked to wait.

        The other connections begin nothing before that either.
        """
        with self._lock:
            self._not_before = max(self._not_before, monotonic() + wait)
            if self.cursor.problem != reason:
                self.cursor.problem = reason
                self._write_cursor()

    def _settle(self, lines: list[Line]) -> None:
        self._in_flight -= len(lines)
        for line in lines:
            self.cursor.settle(line)
        self._write_cursor()

    def _write_cursor(self) -> None:
        # If the disk is full, a later process sends again what was sent, under the same key.
        with contextlib.suppress(OSError):
            self._cursor_file.write(self.cursor)

    def close(self) -> None:
        with self._lock:
            self._closed.set()
            self._changed.notify_all()
            self._overdue.notify_all()
            self._cursor_file.close()


class _Sender(threading.Thread):
    """One connection: sends lines of the backlog until that is closed."""

    def __init__(self, backlog: _Backlog, config: DeliveryConfig, *, helps: bool) -> None:
        super().__init__(daemon=True)
        self._backlog = backlog
        self._config = config
        self._helps = helps
        self._transport = Transport(config)
        self._begun: float | None = None
        self._average = 0.0

    def is_slow(self) -> bool:
        """Tell whether this connection's POSTs wait for the endpoint."""
        begun = self._begun  # which its thread may change at any time
        current = 0.0 if begun is None else monotonic() - begun
        return max(current, self._average) > _SLOW

    def run(self) -> None:
        while lines := self._backlog.take(self._config.batch, helps=self._helps):
            self._begun = begun = monotonic()
            self._deliver(lines)
            self._begun = None
            self._average += (monotonic() - begun - self._average) / 8
        self._transport.close()

    def _deliver(self, lines: list[Line]) -> None:
        for line in lines:
            if line.key is None:
                self._backlog.refused(line, "not a result of pytest-publish")
        if results := [line for line in lines if line.key is not None]:
            self._deliver_results(results)

    def _deliver_results(self, lines: list[Line]) -> None:
        answer = self._persist(lines)
        if isinstance(answer, Accepted):
            self._backlog.sent(lines)
        elif isinstance(answer, Refused):
            if len(lines) == 1:
                self._backlog.refused(lines[0], answer.reason)
                return
            for line in lines:  # which of them it was, only the endpoint knows
                self._deliver_results([line])

    def _persist(self, lines: list[Line]) -> Accepted | Refused | None:
        """Try until the endpoint takes it or refuses it; None once the backlog is closed."""
        key, body = _post_of(lines, self._config.batch)
        tries = 0
        while True:
            answer = self._transport.post(key, body)
            if not isinstance(answer, Failed):
                return answer
            tries += 1
            wait = retry_delay(answer, tries)
            self._backlog.failed(answer.reason, wait if answer.retry_after else 0.0)
            if not self._backlog.hold(wait):
                return None


def _post_of(lines: list[Line], batch: int) -> tuple[str, bytes]:
    """Return the key and the body of a POST: an object, or with batches an array."""
    keys = [line.key or "" for line in lines]
    if batch == 1:
        return keys[0], lines[0].body
    key = keys[0] if len(keys) == 1 else f"{keys[0]}_{keys[-1]}"
    return key, b"[" + b",".join(line.body for line in lines) + b"]"


def main() -> None:
    """Run the relay that standard input describes, until its run is over and all is sent."""
    try:
        status = _run()
    except Exception:
        traceback.print_exc()
        status = 1
    # Without waiting for threads in the middle of a POST; the cursor is written.
    sys.stderr.flush()
    os._exit(status)


def _run() -> int:
    """Deliver an outbox, remove it if that is the relay's part, and return the exit status."""
    relay_config = RelayConfig.from_json(sys.stdin.buffer.readline())
    os.nice(_NICENESS)
    outbox = Outbox(relay_config.outbox)
    lock = sender_lock(outbox)  # until this process ends
    if lock is None:
        sys.exit(f"another process sends {outbox}")
    run = _Run(relay_config.parent, outbox)
    relay = Relay(outbox, relay_config.config, is_over=run.is_over)
    is_done = relay.run() and not relay.is_torn
    is_accepted = is_done and not relay.cursor.refused
    if (is_done and run.has_died()) or (is_accepted and run.is_over()):
        outbox.discard()
    return ALL_ACCEPTED if is_accepted else 0


class _Run:
    """The run whose results are sent, as its relay learns of its end."""

    def __init__(self, parent: int, outbox: Outbox) -> None:
        self._parent = parent
        self._outbox = outbox
        self._has_will = True
        self._has_ended = False
        # From here on, reading returns at once if nothing has come.
        os.set_blocking(sys.stdin.fileno(), False)

    def has_died(self) -> bool:
        # Not by a pipe that closes: a test may close all descriptors of its process,
        # or leave a forked child behind that holds them open.
        return os.getppid() != self._parent

    def is_over(self) -> bool:
        """Tell whether nothing more will be written, though there may be no end mark."""
        self._has_ended = self._has_ended or bool(sys.stdin.buffer.readline())
        if self._has_will and self.has_died():
            with contextlib.suppress(OSError):  # the disk is full; it is tried again
                append_will(self._outbox, realos.now())
                self._has_will = False
        return self._has_ended or self.has_died()
