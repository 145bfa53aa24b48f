"""The operating system's functions as they were before any test ran.

In a serial run the tests share this process, and some patch ``os``, ``io`` and
``time`` (pyfakefs, freezegun, monkeypatch). What publishes goes by these.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from typing import Final


# Results show what tests print, which is nobody else's business. Windows has no such
# modes: there a folder's own rights are inherited.
OWNER_ONLY: Final = 0o600


if sys.platform != "win32":
    import fcntl


class _RealOs:
    """Kept in a class, because pyfakefs replaces what stands in a module by itself."""

    open = staticmethod(os.open)
    close = staticmethod(os.close)
    read = staticmethod(os.read)
    write = staticmethod(os.write)
    fstat = staticmethod(os.fstat)
    ftruncate = staticmethod(os.ftruncate)
    lseek = staticmethod(os.lseek)
    if hasattr(os, "pread"):
        pread = staticmethod(os.pread)
        pwrite = staticmethod(os.pwrite)
    else:  # Windows (not run there)

        def pread(self, fd: int, length: int, offset: int) -> bytes:  # type: ignore[misc]
            """Read from an offset."""
            self.lseek(fd, offset, os.SEEK_SET)
            return self.read(fd, length)

        def pwrite(self, fd: int, data: bytes, offset: int) -> int:  # type: ignore[misc]
            """Write at an offset."""
            self.lseek(fd, offset, os.SEEK_SET)
            return self.write(fd, data)

    mkdir = staticmethod(os.mkdir)
    rename = staticmethod(os.rename)
    listdir = staticmethod(os.listdir)
    lstat = staticmethod(os.lstat)
    unlink = staticmethod(os.unlink)
    rmdir = staticmethod(os.rmdir)
    getpid = staticmethod(os.getpid)
    urandom = staticmethod(os.urandom)
    if sys.platform != "win32":
        flock = staticmethod(fcntl.flock)
        LOCK: Final = fcntl.LOCK_EX | fcntl.LOCK_NB
        UNLOCK: Final = fcntl.LOCK_UN
    file = io.FileIO
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    gmtime = staticmethod(time.gmtime)
    strftime = staticmethod(time.strftime)

    SEPARATOR: Final = os.sep

    #: Windows needs to be told that a file is not text.
    BINARY: Final = getattr(os, "O_BINARY", 0)
    #: Windows has neither links that anybody may make, nor FIFOs in folders.
    NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
    NONBLOCK: Final = getattr(os, "O_NONBLOCK", 0)

    def makedirs(self, path: str) -> bool:
        """Create a folder and those above it; tell whether this call has made it."""
        try:
            return self._mkdir_new(path)
        except FileNotFoundError:
            parent = path.rpartition(self.SEPARATOR)[0]
            if parent == path:  # a drive of Windows that is gone
                raise
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

    def write_file(self, path: str, data: bytes, flags: int, mode: int = 0o666) -> None:
        """Write the whole of ``data`` to a file opened with ``flags``.

        Raises OSError, and then the file may hold a part of it.
        """
        fd = self.open(path, os.O_WRONLY | os.O_CREAT | self.BINARY | flags, mode)
        try:
            view = memoryview(data)
            while view:
                view = view[self.write(fd, view) :]
        finally:
            self.close(fd)


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
        if not self._is_open:
            raise OSError("a test has closed it")
        assert self._fd is not None
        view = memoryview(data)
        while view:
            view = view[realos.write(self._fd, view) :]

    def close(self) -> None:
        """Close it, if it is still there."""
        if self._is_open:
            assert self._fd is not None
            with contextlib.suppress(OSError):
                realos.close(self._fd)
        self._fd = None

    @property
    def _is_open(self) -> bool:
        if self._fd is None:
            return False
        try:
            now = realos.fstat(self._fd)
        except OSError:
            return False
        return (now.st_dev, now.st_ino) == (self._stat.st_dev, self._stat.st_ino)
