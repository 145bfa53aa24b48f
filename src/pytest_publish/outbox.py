"""The file of results to send, and the mark how far they are sent.

An outbox is an append-only file with one JSON object a line. Its first line, the
header, tells for which URL it was written. An empty line at its end tells that the run
is over. Beside ``NAME.jsonl`` stand ``NAME.mark`` (how far
its results have got), ``NAME.run`` and ``NAME.lock`` (held by the one process that
writes them, and the one that sends them), ``NAME.stderr`` (of the relay) and, where an
endpoint refused results for good, ``NAME.refused.jsonl`` with those.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import re
import stat
import sys
import weakref
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson
from fasteners import InterProcessLock

from .realos import Descriptor
from .realos import realos


SUFFIX: Final = ".jsonl"
REFUSED_SUFFIX: Final = ".refused.jsonl"

# How a run names its outboxes: after the time and the beginning of its session_id.
_NAME: Final = re.compile(r"\d{8}T\d{6}Z-([0-9a-f]{8})(-\d+)?(\.refused)*\.jsonl")
_HEADER: Final = b'{"type":"pytest-publish outbox",'
_SILENT: Final = logging.Logger("pytest_publish.lock", logging.CRITICAL + 1)
_CHUNK: Final = 1 << 18
# Results show what tests print, which is nobody else's business. Windows has no such
# modes: there a folder's own rights are inherited.
_MODE: Final = 0o600


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """The first line of an outbox: for which URL it was written, or "" if nobody knows.

    No secret stands in it. ``is_whole`` tells that nothing was left out of the URL.
    """

    url: str = ""
    is_whole: bool = False

    def to_line(self) -> bytes:
        """Return the line, with its newline."""
        return b"%s%s\n" % (_HEADER, orjson.dumps(self)[1:])

    @classmethod
    def from_line(cls, line: bytes) -> Header | None:
        """Return what :meth:`to_line` wrote; None if the line is no header."""
        if not line.startswith(_HEADER):
            return None
        try:
            told = orjson.loads(line)
            url = str(told["url"])
            # It is shown on a terminal, and anybody may have written it.
            return cls(url, told["is_whole"] is True) if url.isprintable() else cls()
        except (ValueError, KeyError):
            return None


def header_of(path: Path) -> Header | None:
    """Return the header of an outbox; None if the file is no outbox. Raises OSError.

    Earlier versions wrote none, and a disk may have been too full for it: then the name
    and the first result tell that it is an outbox.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # reading a FIFO would wait for ever
        return None
    named = _NAME.fullmatch(path.name)
    with path.open("rb") as file:
        line = file.readline(_CHUNK)
        header = Header.from_line(line)
        if header is not None or named is None:
            return header
        if not line.endswith(b"\n"):
            line += file.readline()
    is_ours = not line or (key_of(line) or "").startswith(named[1])
    return Header() if is_ours else None


def may_be_removed(path: Path) -> bool:
    """Tell whether a file is an outbox under its own name. Raises OSError.

    Beside a file that was renamed may stand others' files, named as a mark or a lock.
    """
    is_named = _NAME.fullmatch(path.name) or path.name.endswith(REFUSED_SUFFIX)
    return bool(is_named) and header_of(path) is not None


class Writer:
    """Appends results to an outbox.

    Every call opens the file anew: a test that closes all file descriptors of its
    process does no harm, and no other file is ever written to by mistake.
    """

    def __init__(self, path: Path, header: Header | None = None) -> None:
        """Create the outbox. Raises OSError, also if there is one of that name."""
        self.path = path
        #: How many results were appended.
        self.appended = 0
        self._name = str(path)
        self._size = 0
        self._last: bytes | None = None
        self._in_doubt = False
        realos.close(realos.open(self._name, os.O_CREAT | os.O_EXCL, _MODE))
        # A disk that is full now may have room for results later.
        with contextlib.suppress(OSError):
            self._size = self._append((header or Header()).to_line())
            self._in_doubt = False

    def append(self, body: bytes) -> None:
        """Append one result. Raises OSError, and then nothing of it is in the file.

        After an interrupt (a Ctrl-C) call it again with the same object: it will be in
        the file once, wherever the interrupt came.
        """
        if body is self._last:
            return
        size = self._size + self._append(body + b"\n")
        # Python runs no signal's handler between assignments of plain values.
        self._last, self._size, self._in_doubt, self.appended = body, size, False, self.appended + 1

    def end(self) -> None:
        """Tell whoever follows the outbox that the run is over. Raises OSError."""
        self._append(b"\n")

    def _append(self, line: bytes) -> int:
        fd = realos.open(self._name, os.O_WRONLY | os.O_APPEND | realos.BINARY)
        try:
            if self._in_doubt:
                realos.ftruncate(fd, self._size)
            self._in_doubt = True
            written = realos.write(fd, line)
            try:
                while written < len(line):
                    written += realos.write(fd, line[written:])
            except OSError:  # the disk is full
                realos.ftruncate(fd, self._size)
                raise
        finally:
            realos.close(fd)
        return written


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line of an outbox: a result, and where in the file it begins and ends.

    A header counts to the line that follows it. ``key`` is None if the line is nothing
    that we publish: a part that a dying process wrote, or what somebody put there.
    """

    body: bytes
    start: int
    stop: int
    key: str | None


def key_of(body: bytes) -> str | None:
    """Return what identifies a result, the same at every try and in every process.

    That is its session and its number there. None if it is nothing that we publish.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        return None
    session, seq = data.get("session_id"), data.get("seq")
    # The key goes into a header, and two results must never share one.
    named = isinstance(session, str) and session.isalnum() and session.isascii()
    return f"{session}-{seq}" if named and type(seq) is int and seq >= 0 else None


class Reader:
    """Reads an outbox on from an offset, while it may still be growing."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        """Open the outbox. Raises OSError."""
        self._file = path.open("rb", buffering=0)
        self._file.seek(offset)
        self._offset = offset
        self._begin = offset
        self._parts: list[bytes] = []

    @property
    def ended(self) -> bool:
        """Whether the file has its end mark, though it may not be read so far yet."""
        position = self._file.tell()
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, size - 2))
        last = self._file.read(2)
        self._file.seek(position)
        return last in (b"\n\n", b"\n")

    def read(self) -> list[Line]:
        """Return the next whole lines; none if no more have arrived."""
        if self._parts:
            # Read again: a writer whose disk is full takes back the part of a line.
            self._file.seek(self._offset)
            self._parts = []
        while chunk := self._file.read(_CHUNK):
            self._parts.append(chunk)
            if b"\n" in chunk:
                *bodies, rest = b"".join(self._parts).split(b"\n")
                self._parts = [rest] if rest else []
                if lines := list(self._lines(bodies)):  # and not only a header
                    return lines
        return []

    def _lines(self, bodies: list[bytes]) -> Iterator[Line]:
        for body in bodies:
            self._offset += len(body) + 1
            if body.startswith(_HEADER):
                continue
            start, self._begin = self._begin, self._offset
            if body:  # and not the end mark
                yield Line(body, start, self._offset, key_of(body))

    @property
    def torn(self) -> bool:
        """Whether a part of a line stands after the last whole one."""
        return bool(self._parts)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclasses.dataclass(slots=True)
class Mark:
    """How far an outbox has got: all before ``offset`` (bytes) is dealt with.

    ``beyond`` are the parts behind it that are dealt with too, each from and to an
    offset: what other connections sent while one line still waits. ``trouble`` is what
    went wrong last with what is still waiting, ``refusal`` why the first of the refused
    results was refused.
    """

    offset: int = 0
    sent: int = 0
    refused: int = 0
    trouble: str = ""
    refusal: str = ""
    beyond: list[tuple[int, int]] = dataclasses.field(default_factory=list)

    def settle(self, start: int, stop: int) -> None:
        """Take note that the line from ``start`` to ``stop`` is dealt with."""
        merged: list[tuple[int, int]] = []
        for begin, end in sorted([*self.beyond, (start, stop)]):
            if begin == self.offset:
                self.offset = end
            elif merged and merged[-1][1] == begin:
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((begin, end))
        self.beyond = merged

    def has_settled(self, line: Line) -> bool:
        """Tell whether a line is dealt with."""
        return line.stop <= self.offset or any(
            begin <= line.start and line.stop <= end for begin, end in self.beyond
        )


class MarkFile:
    """Keeps a mark; one process writes it, others read it at any time."""

    # One write of a fixed size: a reader never sees a shorter mark's old end.
    _SIZE: Final = 2048
    # Of each reason, and of the parts beyond, where all would be too long; JSON takes up
    # to 6 bytes a character, and 43 for a part of the largest file.
    _CUT: Final = 60
    _MOST: Final = 25

    def __init__(self, outbox: Path) -> None:
        self._path = outbox.with_suffix(".mark")
        self._fd: int | None = None

    def read(self) -> Mark:
        """Return the mark; a new one where there is none that can be read."""
        try:
            mark = Mark(**orjson.loads(realos.read_file(str(self._path))))
            mark.beyond = [(begin, end) for begin, end in mark.beyond]
        except (OSError, ValueError, TypeError):
            return Mark()
        return mark

    def write(self, mark: Mark) -> None:
        """Write the mark. Raises OSError."""
        if self._fd is None:
            flags = os.O_WRONLY | os.O_CREAT | realos.BINARY
            self._fd = realos.open(str(self._path), flags, _MODE)
        data = orjson.dumps(mark)
        if len(data) > self._SIZE:
            data = orjson.dumps(
                dataclasses.replace(
                    mark,
                    trouble=mark.trouble[: self._CUT],
                    refusal=mark.refusal[: self._CUT],
                    # What is left out is sent again by who goes on, under the same key.
                    beyond=mark.beyond[: self._MOST],
                )
            )
        realos.lseek(self._fd, 0, os.SEEK_SET)
        realos.write(self._fd, data.ljust(self._SIZE))

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            realos.close(self._fd)
            self._fd = None


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


class Claim:
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
        fd = realos.open(self._path, os.O_WRONLY | os.O_CREAT | realos.BINARY, _MODE)
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


_CLAIMS: Final[weakref.WeakSet[Claim]] = weakref.WeakSet()


def _let_go_in_child() -> None:
    """Have a process that a test forks, and that may outlive the run, not hold its locks."""
    for claim in list(_CLAIMS):
        claim.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


def origin_of(refused: Path) -> Path:
    """Return the outbox of which a file holds what was refused; any other path as it is."""
    name = refused.name
    while name.endswith(REFUSED_SUFFIX):
        name = name.removesuffix(REFUSED_SUFFIX) + SUFFIX
    return refused.with_name(name)


def refused_of(outbox: Path) -> Path:
    """Return where the results of an outbox go that an endpoint refused for good."""
    return outbox.with_name(outbox.name.removesuffix(SUFFIX) + REFUSED_SUFFIX)


def set_aside(outbox: Path, body: bytes) -> None:
    """Append a refused result to the file beside its outbox. Raises OSError."""
    append_to(refused_of(outbox), header_of(outbox) or Header(), body + b"\n")


def append_to(path: Path, header: Header, lines: bytes) -> None:
    """Append lines to an outbox that is ended. Raises OSError, and then adds none of them.

    A new one is created, for its owner only, with the header.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | realos.BINARY
    fd = realos.open(str(path), flags, _MODE)
    try:
        size = realos.fstat(fd).st_size
        data = lines if size else header.to_line() + lines
        try:
            done = 0
            while done < len(data):
                done += realos.write(fd, data[done:])
        except OSError:  # the disk is full
            realos.ftruncate(fd, size)
            raise
    finally:
        realos.close(fd)


def errors_of(outbox: Path) -> Path:
    """Return where a relay's standard error goes, which says why it ended if it should not."""
    return outbox.with_suffix(".stderr")


def discard(outbox: Path) -> None:
    """Remove an outbox of which everything is dealt with; refused results stay.

    Where a lock is held Windows keeps its file (not run there); nobody looks at a lock
    without its outbox.
    """
    beside = (outbox.with_suffix(suffix) for suffix in (".mark", ".stderr", ".run", ".lock"))
    for path in (outbox, *beside):
        with contextlib.suppress(OSError):
            realos.unlink(path)


def found_in(folder: Path) -> list[Path]:
    """Return the outboxes in a folder, the oldest first, and no file of others.

    What was refused for good is not among them: it waits for a person.
    """
    return _outboxes_among(folder.glob(f"*{SUFFIX}"))


def found_below(folder: Path) -> list[Path]:
    """Return the outboxes in a folder and in all folders in it, as :func:`found_in` does."""
    return _outboxes_among(folder.rglob(f"*{SUFFIX}"))


def _outboxes_among(paths: Iterable[Path]) -> list[Path]:
    found = (path for path in paths if not path.name.endswith(REFUSED_SUFFIX))
    return [path for path in sorted(found) if _is_outbox(path)]


def _is_outbox(path: Path) -> bool:
    try:
        return header_of(path) is not None
    except OSError:  # the next who opens it tells why it can't be read
        return _NAME.fullmatch(path.name) is not None


def waiting_in(folder: Path) -> list[Path]:
    """Return the outboxes in a folder that no process writes or sends.

    Those in which nothing waits are removed, as of a run that was killed at once.
    """
    return [path for path in found_in(folder) if is_free(path) and not _is_removed(path)]


def _is_removed(outbox: Path) -> bool:
    """Remove an outbox in which nothing waits; tell whether it is gone."""
    if not realos.exists(_run_lock_of(outbox).path):
        return False  # of its run, or no outbox at all
    try:
        reader = Reader(outbox, MarkFile(outbox).read().offset)
    except OSError:
        return False
    try:
        if reader.read() or reader.torn:
            return False
    finally:
        reader.close()
    discard(outbox)
    return True


def refused_in(folder: Path) -> list[Path]:
    """Return the files of refused results in a folder that no process adds to."""
    found = sorted(folder.glob(f"*{REFUSED_SUFFIX}"))
    return [path for path in found if is_free(_outbox_of(path))]


def _outbox_of(refused: Path) -> Path:
    return refused.with_name(refused.name.removesuffix(REFUSED_SUFFIX) + SUFFIX)


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
