"""The locks of an outbox: who writes it, and who sends it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import weakref
from pathlib import Path
from typing import Final

from fasteners import InterProcessLock

from pytest_publish._os import Descriptor
from pytest_publish._os import OWNER_ONLY
from pytest_publish._os import realos


_SILENT: Final = logging.Logger("pytest_publish.lock", logging.CRITICAL + 1)


_CLAIMS: Final[weakref.WeakSet[WriterLock]] = weakref.WeakSet()


class _Lock(InterProcessLock):  # type: ignore[misc]
    """A lock that belongs to who opened the file, where fasteners' own is the process's.

    fasteners uses POSIX locks, which a process loses when it closes any descriptor of
    the file: when a session within this one asks for it, when a test copies the folder.
    On NFS, Linux has the server lock the whole file. On Windows all locks are like this.
    """

    if sys.platform != "win32":

        def trylock(self) -> None:
            realos.flock(self.lockfile, realos.LOCK)

        def unlock(self) -> None:
            realos.flock(self.lockfile, realos.UNLOCK)


def lock_of(outbox: Path) -> _Lock:
    """Return the lock that the process which sends an outbox holds."""
    return _Lock(str(outbox.with_suffix(".lock")), logger=_SILENT)


def _run_lock_of(outbox: Path) -> _Lock:
    """Return the lock that the process which writes an outbox holds."""
    return _Lock(str(outbox.with_suffix(".run")), logger=_SILENT)


class WriterLock:
    """Held by the run that writes an outbox, from before it is there to the end.

    Until its relay has started, and after that has died, nothing else tells that the
    outbox was not left behind.
    """

    def __init__(self, outbox: Path) -> None:
        """Take the lock, in a folder that is made. Raises OSError."""
        # Each time, because another run may just have removed it.
        outbox.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _run_lock_of(outbox)
        self._path: str = lock.path
        fd = realos.open(self._path, os.O_WRONLY | os.O_CREAT | realos.BINARY, OWNER_ONLY)
        self._descriptor = Descriptor(fd)
        lock.lockfile = realos.file(fd, "wb", closefd=False)
        with contextlib.suppress(OSError):  # there are no locks here
            lock.trylock()
        _CLAIMS.add(self)

    def release(self) -> None:
        """Give the lock back."""
        self.close()
        with contextlib.suppress(OSError):
            realos.unlink(self._path)

    def close(self) -> None:
        """Let go of the file; the lock goes with the last descriptor of it."""
        self._descriptor.close()


def _let_go_in_child() -> None:
    """Have a process that a test forks, and that may outlive the run, not hold its locks."""
    for writer_lock in list(_CLAIMS):
        writer_lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


def is_free(outbox: Path) -> bool:
    """Tell whether no process writes or sends an outbox, be it this one."""
    return all(map(_is_free, (_run_lock_of(outbox), lock_of(outbox))))


def _is_free(lock: InterProcessLock) -> bool:
    if not os.path.exists(lock.path):
        return True
    try:
        is_ours: bool = lock.acquire(blocking=False)
        if is_ours:
            lock.release()
    except (OSError, RuntimeError):  # fasteners' own, where a file system has no locks
        return False
    finally:
        # Fasteners leaves it open for another try, and the warning of a file that
        # nobody closed would be a test's.
        if lock.lockfile is not None:
            lock.lockfile.close()
    return is_ours
