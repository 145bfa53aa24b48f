"""What takes every result: the tree, the outbox of a URL, and the user's log."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import Protocol
from typing import TYPE_CHECKING

from pytest_publish._os import realos
from pytest_publish.results.encoding import to_json
from pytest_publish.results.result import TestResult

from .messages import counted
from .messages import published
from .problems import Problems
from .retry import RetryQueue
from .settings import Settings


if TYPE_CHECKING:  # a run without events or a tree does not load them
    from pytest_publish.results.events import Event
    from pytest_publish.tree.writer import Reservation


class Pending:
    """A result or an event on its way to the sinks, and how far it has come."""

    is_numbered = False
    #: How many sinks have it.
    taken = 0
    #: A result's directory in the tree, kept here so that it is written under one index
    #: only, however often its writing is interrupted and goes on.
    reservation: Reservation | None = None
    _body: bytes | None = None

    def __init__(self, told: TestResult | Event) -> None:
        self.told: Any = told

    def body(self) -> bytes:
        """Return it as JSON, the same object for all sinks."""
        if self._body is None:
            self._body = to_json(self.told)
        return self._body

    def set_pubdir_path(self, path: str | None) -> None:
        """Set where a result is in the tree, which its JSON tells."""
        self.told.pubdir_path = path
        self._body = None


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


class TreeSink:
    """Writes results, and no events, into the tree.

    It comes before all other sinks, because a result's JSON names its directory.
    """

    def __init__(self, path: Path, settings: Settings, problems: Problems) -> None:
        # A run without a tree does not load it.
        from pytest_publish.tree.writer import TreeWriter

        self._written = 0
        self._tree = TreeWriter(path, scheme=settings.scheme, which=settings.which)
        self._shown = settings.shown(path)
        self._problems = problems
        self._retry: RetryQueue[Pending] = RetryQueue(f"below {self._shown}", problems)

    def write(self, pending: Pending) -> None:
        """Write a result, after those that could not be written before."""
        if type(pending.told) is not TestResult:
            return
        if self._retry.waiting:
            if pending.told.seq in self._retry.waiting:
                return  # a Ctrl-C came just after it was kept
            # Until one fails, so that earlier attempts of a test get lower indices.
            try:
                self._retry.write(functools.partial(self._write, may_wait=False))
            except Exception:
                self._retry.postpone_first()
        try:
            self._write(pending)
        except Exception as error:
            pending.set_pubdir_path(None)
            if isinstance(error, OSError):
                self._retry.keep(pending.told.seq, pending, len(pending.body()), error)
            else:  # a hook has set what can't be written, such as NaN for a time
                self._problems.add(f"can't write below {self._shown}", error)

    def close(self) -> None:
        """Write what is still kept, for the last time."""
        self._retry.close(self._write)

    def total(self) -> str:
        """Return how many results the tree got."""
        return f"{counted(self._written, 'result')} written to {self._shown}"

    def _write(self, pending: Pending, *, may_wait: bool = True) -> None:
        """Write a result; called again, go on under the same index."""
        if pending.reservation is None:
            pending.reservation = self._tree.reserve(pending.told, may_wait=may_wait)
            if pending.reservation is None:  # --pubdir-filter leaves it out
                return
        pending.set_pubdir_path(pending.reservation.path)
        self._tree.write(pending.reservation, pending.told, pending.body())
        self._written += 1


class LineSink:
    """Appends results by ``append``, which ignores the one that it has just appended.

    ``where`` says in messages where they go.
    """

    def __init__(self, append: Callable[[bytes], object], where: str, problems: Problems) -> None:
        self._append = append
        self._retry: RetryQueue[bytes] = RetryQueue(where, problems)

    def write(self, pending: Pending) -> None:
        """Append a result, after those that could not be appended before."""
        body = pending.body()
        try:
            if self._retry.waiting:
                self._retry.write(self._append)
            self._append(body)
        except OSError as error:
            self._retry.keep(pending.told.seq, body, len(body), error)

    def close(self) -> None:
        """Append what is still kept, for the last time."""
        # A result that is too large for the space left may be followed by one that fits.
        self._retry.close(self._append)

    def total(self) -> str:
        """Return nothing: the relay of an outbox tells what has been sent."""
        return ""


class LogSink(LineSink):
    """Appends each result to the file of ``--publish-log``, by one write.

    The file is opened anew for each, as an outbox is: a test may close all files, and others may
    move the file away. Several sessions may append to one file, so nothing is ever taken
    back; a Ctrl-C at the wrong moment may write a line twice.
    """

    def __init__(self, path: Path, settings: Settings, problems: Problems) -> None:
        self._settings = settings
        self._shown = settings.shown(path)
        super().__init__(self._append_line, f"to {self._shown}", problems)
        self._appended = 0
        self._path = str(path)
        self._last: bytes | None = None
        self._is_torn = False

    def total(self) -> str:
        """Return how much was appended."""
        return f"{published(self._appended, self._settings)} appended to {self._shown}"

    def _append_line(self, body: bytes) -> None:
        """Append a result. Raises OSError, and then a part of it may be in the file."""
        if body is self._last:
            return
        # A part of a line, from when the disk was full, ends here.
        line = (b"\n" if self._is_torn else b"") + body + b"\n"
        fd = realos.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            written = realos.write(fd, line)
            if written < len(line):
                self._is_torn = True
                raise OSError(f"only {written} of {len(line)} bytes were written")
        finally:
            realos.close(fd)
        self._last, self._is_torn, self._appended = body, False, self._appended + 1
