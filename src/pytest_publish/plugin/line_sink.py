"""The sink that appends results as lines, to the outbox of a URL or to the user's log."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pytest_publish._os import realos

from .messages import published
from .problems import Problems
from .retry import RetryQueue
from .settings import Settings
from .sink import Pending


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
            self._retry.keep(pending.seq, body, len(body), error)

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
