"""The sink that writes results into the directory tree."""

from __future__ import annotations

import functools
from pathlib import Path

from pytest_publish.tree.writer import TreeWriter

from .messages import counted
from .problems import Problems
from .retry import RetryQueue
from .settings import Settings
from .sink import Pending
from .sink import PendingResult


class TreeSink:
    """Writes results into the tree.

    It comes before all other sinks, because a result's JSON names its directory.
    """

    def __init__(self, path: Path, settings: Settings, problems: Problems) -> None:
        self.written = 0
        self._tree = TreeWriter(path, scheme=settings.scheme, which=settings.which)
        self._shown = settings.shown(path)
        self._problems = problems
        self._retry: RetryQueue[PendingResult] = RetryQueue(f"below {self._shown}", problems)

    def write(self, pending: Pending) -> None:
        """Write a result, after those that could not be written before."""
        assert type(pending) is PendingResult  # events go to other sinks only
        if self._retry.waiting:
            if pending.result.seq in self._retry.waiting:
                return  # a Ctrl-C came just after it was kept
            self._write_kept()
        try:
            self._write(pending)
        except Exception as error:
            pending.set_pubdir_path(None)
            if isinstance(error, OSError):
                self._retry.keep(pending.result.seq, pending, len(pending.body()), error)
            else:  # a hook has set what can't be written, such as NaN for a time
                self._problems.add(f"can't write below {self._shown}", error)

    def close(self) -> None:
        """Write what is still kept, for the last time."""
        self._retry.close(self._write)

    def total(self) -> str:
        """Return how many results the tree got."""
        return f"{counted(self.written, 'result')} written to {self._shown}"

    def _write(self, pending: PendingResult, *, may_wait: bool = True) -> None:
        """Write a result; called again, go on under the same index."""
        if pending.reservation is None:
            pending.reservation = self._tree.reserve(pending.result, may_wait=may_wait)
            if pending.reservation is None:  # --pubdir-filter leaves it out
                return
        pending.set_pubdir_path(pending.reservation.path)
        self._tree.write(pending.reservation, pending.result, pending.body())
        self.written += 1

    def _write_kept(self) -> None:
        """Write kept results until one fails, so that earlier attempts get lower indices."""
        try:
            self._retry.write(functools.partial(self._write, may_wait=False))
        except Exception:
            self._retry.postpone_first()
