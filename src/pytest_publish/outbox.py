"""The file of results to send, and the mark how far they are sent.

An outbox is an append-only file with one JSON object a line. An empty line at its
end tells that the run is over. Beside ``NAME.jsonl`` stand ``NAME.mark`` (how far
its results have got), ``NAME.run`` and ``NAME.lock`` (held by the one process that
writes them, and the one that sends them), ``NAME.stderr`` (of the relay) and, where an
endpoint refused results for good, ``NAME.refused.jsonl`` with those.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson
from fasteners import InterProcessLock

from .realos import realos


SUFFIX: Final = ".jsonl"
REFUSED_SUFFIX: Final = ".refused.jsonl"

_SILENT: Final = logging.Logger("pytest_publish.lock", logging.CRITICAL + 1)
_CHUNK: Final = 1 << 18
# Results show what tests print, which is nobody else's business. Windows has no such
# modes: there a folder's own rights are inherited.
_MODE: Final = 0o600


class Writer:
    """Appends results to an outbox.

    Every call opens the file anew: a test that closes all file descriptors of its
    process does no harm, and no other file is ever written to by mistake.
    """

    def __init__(self, path: Path) -> None:
        """Create the outbox. Raises OSError, also if there is one of that name."""
        self.path = path
        #: How many results were appended.
        self.appended = 0
        self._name = str(path)
        self._size = 0
        self._last: bytes | None = None
        self._in_doubt = False
        realos.close(realos.open(self._name, os.O_CREAT | os.O_EXCL, _MODE))

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

    ``key`` is None if the line is no JSON object: a part that a dying process wrote.
    """

    body: bytes
    start: int
    stop: int
    key: str | None


def key_of(body: bytes) -> str | None:
    """Return what identifies a result, the same at every try and in every process.

    That is its session and its number there; for a body without them, its hash.
    None if it is no JSON object.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(data, dict):
        return None
    session, seq = data.get("session_id"), data.get("seq")
    # The key goes into a header, and two results must never share one.
    named = isinstance(session, str) and session.isalnum() and session.isascii()
    if named and type(seq) is int and seq >= 0:
        return f"{session}-{seq}"
    return hashlib.sha256(body).hexdigest()


class Reader:
    """Reads an outbox on from an offset, while it may still be growing."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        """Open the outbox. Raises OSError."""
        self._file = path.open("rb", buffering=0)
        self._file.seek(offset)
        self._offset = offset
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
                return list(self._lines(bodies))
        return []

    def _lines(self, bodies: list[bytes]) -> Iterator[Line]:
        for body in bodies:
            start = self._offset
            self._offset += len(body) + 1
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


def lock_of(outbox: Path) -> InterProcessLock:
    """Return the lock that the process which sends an outbox holds."""
    return InterProcessLock(str(outbox.with_suffix(".lock")), logger=_SILENT)


def _run_lock_of(outbox: Path) -> InterProcessLock:
    """Return the lock that the process which writes an outbox holds."""
    return InterProcessLock(str(outbox.with_suffix(".run")), logger=_SILENT)


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
        self._fd = realos.open(self._path, os.O_WRONLY | os.O_CREAT | realos.BINARY, _MODE)
        self._stat = realos.fstat(self._fd)
        lock.lockfile = realos.file(self._fd, "wb", closefd=False)
        with contextlib.suppress(OSError):  # there are no locks here
            lock.trylock()

    def release(self) -> None:
        """Give the lock back."""
        with contextlib.suppress(OSError):
            # A test may have closed all files, and another may have got the number.
            if os.path.samestat(realos.fstat(self._fd), self._stat):
                realos.close(self._fd)
        with contextlib.suppress(OSError):
            realos.unlink(self._path)


def refused_of(outbox: Path) -> Path:
    """Return where the results of an outbox go that an endpoint refused for good."""
    return outbox.with_name(outbox.name.removesuffix(SUFFIX) + REFUSED_SUFFIX)


def set_aside(outbox: Path, body: bytes) -> None:
    """Append a refused result to the file beside its outbox. Raises OSError."""
    flags = os.O_APPEND | realos.BINARY
    realos.write_file(str(refused_of(outbox)), body + b"\n", flags, _MODE)


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
    """Return the outboxes in a folder, the oldest first.

    What was refused for good is not among them: it waits for a person.
    """
    found = sorted(folder.glob(f"*{SUFFIX}"))
    return [path for path in found if not path.name.endswith(REFUSED_SUFFIX)]


def waiting_in(folder: Path) -> list[Path]:
    """Return the outboxes in a folder that no process writes or sends."""
    return [path for path in found_in(folder) if is_free(path)]


def is_free(outbox: Path) -> bool:
    """Tell whether no other process writes or sends an outbox.

    Not to be asked of one's own: it would give back the locks (POSIX's rule).
    """
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
