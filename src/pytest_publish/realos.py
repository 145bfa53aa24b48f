"""The operating system's functions as they were before any test ran.

In a serial run the tests share this process, and some patch ``os``, ``io`` and
``time`` (pyfakefs, freezegun, monkeypatch). What publishes goes by these.
"""

from __future__ import annotations

import io
import os
import time
from typing import Final


class _RealOs:
    """Kept in a class, because pyfakefs replaces what stands in a module by itself."""

    open = staticmethod(os.open)
    close = staticmethod(os.close)
    read = staticmethod(os.read)
    write = staticmethod(os.write)
    fstat = staticmethod(os.fstat)
    ftruncate = staticmethod(os.ftruncate)
    lseek = staticmethod(os.lseek)
    mkdir = staticmethod(os.mkdir)
    rename = staticmethod(os.rename)
    listdir = staticmethod(os.listdir)
    lstat = staticmethod(os.lstat)
    unlink = staticmethod(os.unlink)
    rmdir = staticmethod(os.rmdir)
    getpid = staticmethod(os.getpid)
    urandom = staticmethod(os.urandom)
    file = io.FileIO
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    gmtime = staticmethod(time.gmtime)
    strftime = staticmethod(time.strftime)

    SEPARATOR: Final = os.sep

    #: Windows needs to be told that a file is not text.
    BINARY: Final = getattr(os, "O_BINARY", 0)

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

    def remove_folder(self, path: str) -> None:
        """Remove a folder that has only files in it."""
        for name in self.listdir(path):
            self.unlink(f"{path}{self.SEPARATOR}{name}")
        self.rmdir(path)

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
