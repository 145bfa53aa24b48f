"""The file of results to send, and the mark how far they are sent.

An outbox is an append-only file with one JSON object a line. Its first line, the
header, tells for which URL it was written. An empty line at its end tells that the run
is over. Beside ``NAME.jsonl`` stand ``NAME.cursor`` (how far
its results have got), ``NAME.run`` and ``NAME.lock`` (held by the one process that
writes them, and the one that sends them), ``NAME.stderr`` (of the relay) and, where an
endpoint refused results for good, ``NAME.refused.jsonl`` with those.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson

from pytest_publish._os import OWNER_ONLY
from pytest_publish._os import realos


SUFFIX: Final = ".jsonl"
REFUSED_SUFFIX: Final = ".refused.jsonl"

# How a run names its outboxes: after the time and the beginning of its session_id.
_NAME: Final = re.compile(r"\d{8}T\d{6}Z-([0-9a-f]{8})(-\d+)?(\.refused)*\.jsonl")
_HEADER: Final = b'{"type":"pytest-publish outbox",'


_CHUNK: Final = 1 << 18


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


class OutboxWriter:
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
        realos.close(realos.open(self._name, os.O_CREAT | os.O_EXCL, OWNER_ONLY))
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


class OutboxReader:
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
    fd = realos.open(str(path), flags, OWNER_ONLY)
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
    beside = (outbox.with_suffix(suffix) for suffix in (".cursor", ".stderr", ".run", ".lock"))
    for path in (outbox, *beside):
        with contextlib.suppress(OSError):
            realos.unlink(path)
