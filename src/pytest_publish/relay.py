"""Follow an outbox and deliver each line, in a process of its own.

What it is told comes through its standard input (:mod:`~pytest_publish.orders`);
what it has to say stands in the outbox's mark.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from . import outbox
from . import transport
from .orders import Instructions
from .orders import Orders
from .outbox import Line
from .outbox import Mark


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


class Relay:
    """Delivers one outbox to one endpoint.

    ``is_over`` tells whether nothing more will be written to the outbox, even
    though it has no end mark. ``on_progress`` is called with the mark now and then.
    """

    def __init__(
        self,
        path: Path,
        orders: Orders,
        *,
        is_over: Callable[[], bool],
        on_progress: Callable[[Mark], None] | None = None,
    ) -> None:
        self.path = path
        self._orders = orders
        self._is_over = is_over
        self._on_progress = on_progress
        self._clock = time.monotonic
        self._mark_file = outbox.MarkFile(path)
        self.mark = self._mark_file.read()
        self._desk = _Desk(self.mark, self._mark_file, path, self._clock)
        self._senders: list[_Sender] = []
        #: Whether a part of a line stands at the end of the outbox.
        self.is_torn = False

    def run(self) -> bool:
        """Deliver until the outbox is over and empty, or nothing gets through.

        Returns whether all whole lines were dealt with. Raises OSError if the outbox
        can't be read. The outbox's lock must be held.
        """
        reader = outbox.Reader(self.path, self.mark.offset)
        try:
            return self._follow(reader)
        finally:
            self.is_torn = reader.torn
            reader.close()
            self._desk.close()

    def _follow(self, reader: outbox.Reader) -> bool:
        over_since: float | None = None
        while True:
            # Asked before the last read: what was written until then is in it.
            over = reader.ended or self._is_over()
            is_read = self._desk.wants_more
            fresh = reader.read() if is_read else []
            if fresh:
                self._desk.add(fresh)
            elif over and is_read and self._desk.is_idle:
                return True
            self._hire()
            if self._on_progress is not None:
                self._on_progress(self.mark)
            if over:
                over_since = over_since or self._clock()
                if self._clock() - max(over_since, self._desk.last_success) > self._orders.grace:
                    return False
            if not fresh:
                time.sleep(POLL)

    def _hire(self) -> None:
        """Open another connection if those that are open don't keep up."""
        if self._desk.has_waiting and len(self._senders) < self._orders.connections:
            now = self._clock()
            if all(sender.is_slow(now) for sender in self._senders):
                sender = _Sender(self._desk, self._orders, self._clock)
                self._senders.append(sender)
                sender.start()


class _Desk:
    """Where lines wait, and where their fate is written down. Used by all threads."""

    def __init__(
        self, mark: Mark, mark_file: outbox.MarkFile, path: Path, clock: Callable[[], float]
    ) -> None:
        self._mark = mark
        self._mark_file = mark_file
        self._path = path
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[Line] = deque()
        self._waiting_bytes = 0
        self._out = 0
        self._closed = False
        self.last_success = 0.0
        self._not_before = 0.0

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def wants_more(self) -> bool:
        return len(self._waiting) < _AHEAD_LINES and self._waiting_bytes < _AHEAD_BYTES

    @property
    def _may_take(self) -> bool:
        return bool(self._waiting) and self._clock() >= self._not_before

    @property
    def is_idle(self) -> bool:
        with self._changed:
            return not self._waiting and not self._out

    def add(self, found: list[Line]) -> None:
        with self._changed:
            lines = [line for line in found if not self._mark.has_settled(line)]
            self._waiting.extend(lines)
            self._waiting_bytes += sum(len(line.body) for line in lines)
            self._changed.notify(len(lines))

    def take(self, most: int) -> list[Line]:
        """Hand out lines to send together; wait for one, none once closed."""
        with self._changed:
            while not self._closed and not self._may_take:
                self._changed.wait(max(0.0, self._not_before - self._clock()) or None)
            if self._closed:
                return []
            lines = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            for line in lines:
                self._waiting_bytes -= len(line.body)
            self._out += len(lines)
            return lines

    def hold(self, seconds: float) -> bool:
        """Wait between two tries; False once closed."""
        until = self._clock() + seconds
        with self._changed:
            while not self._closed and (left := until - self._clock()) > 0:
                self._changed.wait(left)
            return not self._closed

    def sent(self, lines: list[Line]) -> None:
        with self._changed:
            self.last_success = self._clock()
            self._mark.sent += len(lines)
            self._mark.trouble = ""
            self._settle(lines)

    def refused(self, line: Line, reason: str) -> None:
        """Set a line aside: the endpoint works, but will never take this one."""
        with self._changed:
            try:
                outbox.set_aside(self._path, line.body)
            except OSError as error:
                # Not dealt with, so the mark stays before it and it is not lost.
                self._mark.trouble = f"{reason}; can't set it aside: {error.strerror}"
                return
            self.last_success = self._clock()
            self._mark.refused += 1
            self._mark.refusal = self._mark.refusal or reason
            self._settle([line])

    def failed(self, reason: str, wait: float) -> None:
        """Take note of a failure, and of the seconds that the endpoint asked to wait.

        What one connection was told holds for what the others would begin.
        """
        with self._changed:
            self._not_before = max(self._not_before, self._clock() + wait)
            if self._mark.trouble != reason:
                self._mark.trouble = reason
                self._write_mark()

    def _settle(self, lines: list[Line]) -> None:
        self._out -= len(lines)
        for line in lines:
            self._mark.settle(line.start, line.stop)
        self._write_mark()

    def _write_mark(self) -> None:
        # Without a mark (disk full) a later process sends again what was sent,
        # under the same key.
        with contextlib.suppress(OSError):
            self._mark_file.write(self._mark)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._mark_file.close()


class _Sender(threading.Thread):
    """One connection: takes lines from the desk and sends them until it closes."""

    def __init__(self, desk: _Desk, orders: Orders, clock: Callable[[], float]) -> None:
        super().__init__(daemon=True)
        self._desk = desk
        self._orders = orders
        self._clock = clock
        self._transport = transport.Transport(orders.endpoint)
        self._taken_at: float | None = None
        self._usual = 0.0

    def is_slow(self, now: float) -> bool:
        """Tell whether this connection's POSTs wait for the endpoint."""
        current = 0.0 if self._taken_at is None else now - self._taken_at
        return max(current, self._usual) > _SLOW

    def run(self) -> None:
        while lines := self._desk.take(self._orders.batch):
            self._taken_at = begun = self._clock()
            self._deliver(lines)
            self._taken_at = None
            self._usual += (self._clock() - begun - self._usual) / 8
        self._transport.close()

    def _deliver(self, lines: list[Line]) -> None:
        broken = [line for line in lines if line.key is None]
        for line in broken:
            self._desk.refused(line, "not a result of pytest-publish")
        whole = [line for line in lines if line.key is not None]
        if whole:
            self._deliver_whole(whole)

    def _deliver_whole(self, lines: list[Line]) -> None:
        answer = self._persist(lines)
        if isinstance(answer, transport.Accepted):
            self._desk.sent(lines)
        elif isinstance(answer, transport.Refused):
            if len(lines) == 1:
                self._desk.refused(lines[0], answer.reason)
                return
            for line in lines:  # which of them it was, only the endpoint knows
                self._deliver_whole([line])

    def _persist(self, lines: list[Line]) -> transport.Accepted | transport.Refused | None:
        """Try until the endpoint takes it or refuses it; None once the desk closes."""
        key, body = _post_of(lines, self._orders.batch)
        sent = self._transport.prepare(body)
        tries = 0
        while True:
            answer = self._transport.post(key, body, sent)
            if not isinstance(answer, transport.Failed):
                return answer
            tries += 1
            wait = transport.delay(answer, tries)
            self._desk.failed(answer.reason, wait if answer.retry_after else 0.0)
            if not self._desk.hold(wait):
                return None


def _post_of(lines: list[Line], batch: int) -> tuple[str, bytes]:
    """Return the key and the body of a POST: an object, or with batches an array."""
    keys = [line.key or "" for line in lines]
    if batch == 1:
        return keys[0], lines[0].body
    key = keys[0] if len(keys) == 1 else f"{keys[0]}_{keys[-1]}"
    return key, b"[" + b",".join(line.body for line in lines) + b"]"


def main() -> None:
    """Run a relay as it is told on standard input, until the run is over and all is sent.

    If the run's process died, nobody else will tidy up: then it removes the outbox.
    """
    told = Instructions.from_json(sys.stdin.buffer.readline())
    if os.name == "posix":
        os.nice(_NICENESS)
    has_died = _watch(told.parent)
    lock = outbox.lock_of(told.outbox)
    if not lock.acquire(blocking=False):
        sys.exit(f"another process sends {told.outbox}")
    relay = Relay(told.outbox, told.orders, is_over=has_died)
    all_sent = relay.run()
    if all_sent and not relay.is_torn and has_died():
        outbox.discard(told.outbox)
    # Without waiting for threads in the middle of a POST; the mark is written.
    os._exit(0)


def _watch(parent: int) -> Callable[[], bool]:
    """Return what tells whether the process of the run has died."""
    if os.name == "posix":
        # Not by a pipe that closes: a test may close all descriptors of its process,
        # or leave a forked child behind that holds them open.
        return lambda: os.getppid() != parent
    # Windows keeps the number of a dead parent, but has no fork.
    ended = threading.Event()

    def wait_for_end_of_input() -> None:
        sys.stdin.buffer.read()
        ended.set()

    threading.Thread(target=wait_for_end_of_input, daemon=True).start()
    return ended.is_set
