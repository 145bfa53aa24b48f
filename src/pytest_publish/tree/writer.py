"""The tree: each result in a directory of its own, below its test's directory."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from pathlib import Path
from typing import Final
from typing import Literal
from typing import TypeAlias

from pytest_publish._os import realos
from pytest_publish.results.result import TestResult
from pytest_publish.results.result import Verdict

from .brief import render
from .paths import components
from .paths import Scheme


#: Which results are written.
Filter: TypeAlias = Literal["all", "bad", "fail"]

_WRITTEN: Final[dict[Filter, tuple[Verdict, ...]]] = {
    "all": ("pass", "skip", "fail"),
    "bad": ("skip", "fail"),
    "fail": ("fail",),
}
_RESULT_NAME: Final = r"\.?([0-9]+)\.(?:pass|skip|fail)"

#: The most seconds that one result waits for another process's lock, and that all results
#: of a run together wait for locks that they do not get.
LOCK_TIMEOUT: Final = 1.0
LOCK_TIMEOUT_OF_RUN: Final = 10.0
_LOCK_POLL: Final = 0.002
_AT_ONCE: Final = fcntl.LOCK_EX | fcntl.LOCK_NB

# How many parents of tests' folders are remembered as checked (no links). In a loadgroup
# run each test may have a parent of its own.
_MOST_PARENTS: Final = 1000
# A link in the place of one of our files is not followed, and a FIFO not waited for.
_ONLY_FILES: Final = os.O_NOFOLLOW | os.O_NONBLOCK


class Reservation:
    """The directory that one result gets, under an index that no other result gets."""

    def __init__(self, folder: str, name: str) -> None:
        self.folder = folder
        #: The result's directory, once it is written, and until then.
        self.path = f"{folder}/{name}"
        self.temporary = f"{folder}/.{name}.tmp"
        self.is_tried = False


class TreeWriter:
    """Writes results below ``root``, an absolute path.

    Several processes may write into one root: an index is given out under the
    lock of its test's directory, and only once. Below ``root`` no link is followed.
    """

    def __init__(self, root: Path, *, scheme: Scheme = "name", which: Filter = "all") -> None:
        self._root = str(root)
        self._scheme: Scheme = scheme
        self._which = _WRITTEN[which]
        self._patience = LOCK_TIMEOUT_OF_RUN
        self._parents: set[str] = set()

    def reserve(self, result: TestResult, *, may_wait: bool = True) -> Reservation | None:
        """Give the next index of its test to a result; None if it is filtered out.

        The index advances all the same. Raises OSError; TimeoutError, which is one, if another
        process holds the lock.
        """
        names = components(
            result.nodeid,
            result.name,
            scope=result.xdist_scope if result.xdist_dist == "loadgroup" else None,
            scheme=self._scheme,
        )
        folder, is_new = self._make_folder(names)
        index = self._next_index(folder, is_new=is_new, may_wait=may_wait)
        if result.result not in self._which:
            return None
        return Reservation(folder, f"{index}.{result.result}")

    def write(self, reservation: Reservation, result: TestResult, body: bytes) -> None:
        """Fill a temporary directory and rename it: the result is there whole or not at all.

        Called again after an interrupt, it goes on. Raises OSError.
        """
        temporary = reservation.temporary
        files = _files(result, body)
        if reservation.is_tried:
            if realos.exists(reservation.path):
                return
            _refuse_link(reservation.folder)
            _clear(temporary, files)
        reservation.is_tried = True
        realos.mkdir(temporary)
        try:
            for name, content in files:
                realos.create_file(f"{temporary}/{name}", content)
            realos.rename(temporary, reservation.path)
        except BaseException:  # a full disk, or a Ctrl-C
            with contextlib.suppress(OSError):
                _clear(temporary, files)
            raise

    def _make_folder(self, names: tuple[str, ...]) -> tuple[str, bool]:
        """Return a test's folder, and whether this call has made it."""
        parent = "/".join((self._root, *names[:-1]))
        folder = f"{parent}/{names[-1]}"
        if parent not in self._parents:
            self._check_parents(parent, names[:-1])
        is_new = realos.makedirs(folder)
        if not is_new:
            _refuse_link(folder)
        return folder, is_new

    def _check_parents(self, parent: str, names: tuple[str, ...]) -> None:
        folder = self._root
        for name in names:
            folder += f"/{name}"
            _refuse_link(folder)
        if len(self._parents) >= _MOST_PARENTS:
            self._parents.clear()
        self._parents.add(parent)

    def _next_index(self, folder: str, *, is_new: bool, may_wait: bool) -> int:
        path = f"{folder}/.lock"
        fd = _open(path, os.O_WRONLY)
        try:
            self._lock(fd, path, self._patience if may_wait else 0.0)
            return _advance(folder, is_new=is_new)
        finally:
            realos.close(fd)  # which gives the lock back

    def _lock(self, fd: int, path: str, patience: float) -> None:
        """Lock a file as fasteners and other programs do, by POSIX's lock of all of it."""
        begun = realos.monotonic()
        while True:
            try:
                realos.lockf(fd, _AT_ONCE)
            except (BlockingIOError, PermissionError):
                waited = realos.monotonic() - begun
            else:
                return
            if waited >= min(LOCK_TIMEOUT, patience):
                self._patience = max(0.0, self._patience - waited)
                raise TimeoutError(f"another process holds {path}")
            realos.sleep(_LOCK_POLL)


def _advance(folder: str, *, is_new: bool) -> int:
    """Return the next index, after ``count`` has been set to the one that follows.

    ``is_new`` says that this process has just made the folder. The number is overwritten
    in place by one write of a few bytes, which a kill can't cut in two, and it never gets
    shorter.
    """
    path = f"{folder}/count"
    fd = _open(path, os.O_RDWR)
    try:
        try:
            text = realos.pread(fd, 32, 0)
        except OSError:  # a FIFO, from which nothing was read
            raise _not_ours(path) from None
        index = 0 if is_new and not text else _free_index(folder, text)
        following = b"%d" % (index + 1)
        realos.pwrite(fd, following, 0)
        if len(text) > len(following):  # not ours: the rest of it could be digits
            realos.ftruncate(fd, len(following))
        return index
    finally:
        realos.close(fd)


def _open(path: str, access: int) -> int:
    """Open a file of ours, and create it if it does not exist."""
    try:
        return realos.open(path, access | os.O_CREAT | _ONLY_FILES, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a FIFO that nobody reads
            raise _not_ours(path) from None
        raise


def _not_ours(path: str) -> OSError:
    return OSError(errno.EINVAL, f"{path} is a link or no regular file: remove it")


def _refuse_link(folder: str) -> None:
    """Raise an OSError if a folder of the tree is a link, which may lead out of it."""
    try:
        mode = realos.lstat(folder).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "no folder"
        raise OSError(errno.ENOTDIR, f"{folder} is {kind}: remove it")


def _clear(temporary: str, files: list[tuple[str, bytes]]) -> None:
    """Remove an unfinished result, as far as it exists.

    File by file, because listing a folder takes a file descriptor, and none may be left.
    """
    _refuse_link(temporary)
    for name, _content in files:
        with contextlib.suppress(FileNotFoundError):
            realos.unlink(f"{temporary}/{name}")
    with contextlib.suppress(FileNotFoundError):
        realos.rmdir(temporary)


def _free_index(folder: str, count: bytes) -> int:
    """Return the index in ``count``; if that is no number or is taken, the one after the last.

    In a tree that was restored, or merged from two, ``count`` may be too low.
    """
    if count.rstrip().isdigit():
        index = int(count)
        stem = f"{folder}/{index}."
        if not any(realos.exists(stem + verdict) for verdict in _WRITTEN["all"]):
            return index
    found = (re.match(_RESULT_NAME, name) for name in realos.listdir(folder))
    return max((int(match[1]) + 1 for match in found if match), default=0)


def _files(result: TestResult, body: bytes) -> list[tuple[str, bytes]]:
    files = [("brief.txt", _bytes(render(result))), ("result.json", body + b"\n")]
    if result.excinfo is not None:
        files.append(("exception.txt", _bytes(result.excinfo.text)))
    if result.stdout:
        files.append(("stdout.txt", _bytes(result.stdout)))
    if result.stderr:
        files.append(("stderr.txt", _bytes(result.stderr)))
    if result.log:
        files.append(("log.txt", _bytes(result.log)))
    return files


def _bytes(text: str) -> bytes:
    # A user's hook may have added text that UTF-8 can't hold.
    return text.encode("utf-8", "backslashreplace")
