"""The operating system's functions as they were before any test ran.

In a serial run the tests share this process, and some patch ``os``, ``io`` and
``time`` (pyfakefs, freezegun, monkeypatch). What publishes goes by these.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import platform
import threading
import time
from typing import Final


# Results show what tests print, which is nobody else's business.
OWNER_ONLY: Final = 0o600
HOST: Final = platform.node()
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class _RealOs:
    """Kept in a class, because pyfakefs replaces what stands in a module by itself."""

    open = staticmethod(os.open)
    close = staticmethod(os.close)
    write = staticmethod(os.write)
    fstat = staticmethod(os.fstat)
    ftruncate = staticmethod(os.ftruncate)
    pread = staticmethod(os.pread)
    pwrite = staticmethod(os.pwrite)
    flock = staticmethod(fcntl.flock)
    lockf = staticmethod(fcntl.lockf)
    mkdir = staticmethod(os.mkdir)
    rename = staticmethod(os.rename)
    listdir = staticmethod(os.listdir)
    lstat = staticmethod(os.lstat)
    unlink = staticmethod(os.unlink)
    rmdir = staticmethod(os.rmdir)
    getpid = staticmethod(os.getpid)
    urandom = staticmethod(os.urandom)
    RLock = staticmethod(threading.RLock)
    file = io.FileIO
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    gmtime = staticmethod(time.gmtime)
    strftime = staticmethod(time.strftime)

    def makedirs(self, path: str) -> bool:
        """Create a folder and those above it; tell whether this call has made it."""
        try:
            return self._mkdir_new(path)
        except FileNotFoundError:
            parent = path.rpartition("/")[0]
            self.makedirs(parent)
            return self._mkdir_new(path)

    def _mkdir_new(self, path: str) -> bool:
        try:
            self.mkdir(path)
        except FileExistsError:  # perhaps because another process has just made it
            return False
        return True

    def exists(self, path: str) -> bool:
        """Tell whether there is anything of that name."""
        try:
            self.lstat(path)
        except OSError:
            return False
        return True

    def read_file(self, path: str) -> bytes:
        """Return what a file holds."""
        with self.file(path, "rb") as file:
            return file.readall()

    def create_file(self, path: str, data: bytes) -> None:
        """Write a new file. Raises OSError, and then the file may hold a part of ``data``."""
        fd = self.open(path, _NEW, 0o666)
        try:
            self.write_all(fd, data)
        finally:
            self.close(fd)

    def write_all(self, fd: int, data: bytes) -> None:
        """Write the whole of ``data``. Raises OSError, when a part of it may be written."""
        done = self.write(fd, data)
        while done < len(data):
            done += self.write(fd, data[done:])


realos: Final = _RealOs()


class Descriptor:
    """A file descriptor that is held while tests run, one of which may close them all.

    Its number may then be another file's, to which nothing is done.
    """

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd
        self._stat = realos.fstat(fd)

    def write(self, data: bytes) -> None:
        """Write the whole of ``data``. Raises OSError."""
        fd = self._open_fd()
        if fd is None:
            raise OSError("a test has closed it")
        realos.write_all(fd, data)

    def close(self) -> None:
        """Close it, if it is still there."""
        fd, self._fd = self._open_fd(), None
        if fd is not None:
            with contextlib.suppress(OSError):
                realos.close(fd)

    def _open_fd(self) -> int | None:
        """Return the descriptor if it still is of the file that it was opened for."""
        if self._fd is None:
            return None
        with contextlib.suppress(OSError):
            now, then = realos.fstat(self._fd), self._stat
            if (now.st_dev, now.st_ino) == (then.st_dev, then.st_ino):
                return self._fd
        return None
