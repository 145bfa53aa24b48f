"""The two locks of an outbox; :mod:`~pytest_publish.delivery.outbox` says what they are for.

They are made by flock, and so belong to whoever opened the file. A POSIX lock would be
lost as soon as this process closes any descriptor of it: when a session within this one
asks whether it is held, or a test copies the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref
from pathlib import Path
from typing import BinaryIO
from typing import Final

from pytest_publish._os import Descriptor
from pytest_publish._os import OWNER_ONLY
from pytest_publish._os import realos

from .outbox import Outbox


def sender_lock(outbox: Outbox) -> BinaryIO | None:
    """Take the lock of the process that sends an outbox: its relay, or ``pytest-publish send``.

    Returns the open file, which gives the lock back when it is closed; None if another process
    has the lock. Raises OSError if the disk has no locks.
    """
    file = os.fdopen(_open(outbox.sender_lock), "wb")
    try:
        realos.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if isinstance(error, BlockingIOError):
            return None
        raise
    return file


# The files of the writer locks that this process holds.
_held: Final[weakref.WeakSet[Descriptor]] = weakref.WeakSet()


class WriterLock:
    """Held by the run that writes an outbox, from before it makes the outbox until it ends.

    Until the relay has started, and after it has died, nothing else shows that the outbox
    was not left behind.
    """

    def __init__(self, outbox: Outbox) -> None:
        """Take the lock, in a folder that is made. Raises OSError."""
        # Each time, because another run may just have removed it.
        outbox.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = str(outbox.writer_lock)
        fd = _open(outbox.writer_lock)
        self._descriptor = Descriptor(fd)
        with contextlib.suppress(OSError):  # a file system without locks
            realos.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _held.add(self._descriptor)

    def release(self) -> None:
        """Give the lock back and remove its file."""
        self._descriptor.close()
        with contextlib.suppress(OSError):
            realos.unlink(self._path)


def _close_held() -> None:
    for descriptor in list(_held):
        descriptor.close()


# A process that a test forks may outlive the run, and must not hold its locks.
os.register_at_fork(after_in_child=_close_held)


def is_free(outbox: Outbox) -> bool:
    """Tell whether no process writes or sends an outbox, this one included."""
    return _is_free(outbox.writer_lock) and _is_free(outbox.sender_lock)


def _is_free(path: Path) -> bool:
    try:
        # Not created: only what was made by a run may be removed by others later.
        fd = realos.open(str(path), os.O_WRONLY)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        realos.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or nobody can tell
        return False
    finally:
        realos.close(fd)
    return True


def _open(path: Path) -> int:
    return realos.open(str(path), os.O_WRONLY | os.O_CREAT, OWNER_ONLY)
