"""The sink that appends results to a file of the user's, for ``--publish-log``."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_publish._os import realos

from .problems import Problems
from .retry import RetryQueue
from .sink import Pending


class LogSink:
    """Appends each result as one line, by one write.

    The file is opened anew for each, as an outbox is: a test may close all files, and
    others may move the file away. Several sessions may append to one file, so nothing is
    ever taken back; a Ctrl-C at the wrong moment may write a line twice.
    """

    def __init__(self, path: Path, shown_path: str, problems: Problems) -> None:
        self.appended = 0
        self._path = str(path)
        self._last: bytes | None = None
        self._is_torn = False
        self._retry: RetryQueue[bytes] = RetryQueue(f"to {shown_path}", problems)

    def write(self, pending: Pending) -> None:
        """Append a result, after those that could not be appended before."""
        body = pending.body()
        if body is self._last:
            return
        try:
            if self._retry.waiting:
                for seq, kept in self._retry.in_order():
                    self._append(kept)
                    self._retry.remove(seq)
            self._append(body)
        except OSError as error:
            self._retry.keep(pending.seq, body, len(body), error)
        self._last = body

    def close(self) -> None:
        """Append what is still kept, for the last time."""
        self._retry.close(self._append)

    def _append(self, body: bytes) -> None:
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
        self._is_torn = False
        self.appended += 1
