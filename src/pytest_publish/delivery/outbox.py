"""The outbox: the files by which a run hands the results for one URL to its relay.

The whole protocol is told here; all other modules only refer to it.

**Files.** A run calls its outbox NAME after the time and the beginning of its session id.

=====================  =========================================================
``NAME.jsonl``         the results, one JSON object a line; only ever appended to
``NAME.cursor``        how far they have been delivered
``NAME.run``           the writer lock, held by the run
``NAME.lock``          the sender lock, held by the relay or ``pytest-publish send``
``NAME.stderr``        the standard error of the relay, which says why it failed
``NAME.refused.jsonl`` results that the endpoint refused for good; an outbox too
=====================  =========================================================

**Lines.** The first line is the header, which names the URL; it is missing if the disk was
full. Each result follows as one line, written whole or taken back. The end mark, an empty
last line, says that the run is over; any other empty line means nothing. If the end mark
can't be written, the run sends the relay an empty line on its standard input instead. A run
that was killed leaves no end mark, and perhaps a part of a line; its relay notices because
its parent process has changed.

**Cursor.** A line is settled once the endpoint has accepted it, or refused it and it stands
in ``NAME.refused.jsonl``. Only then does the cursor pass it, so a line may be sent twice
(with the same bytes and the same key), but is never lost. The sender alone writes the cursor;
anybody reads it at any time.

**Locks.** Nobody sends without the sender lock. An outbox is left behind, and others may
send it, if neither lock is held.

**Removal.** An outbox of which every line is settled is removed by

- the run, after its relay has ended;
- the relay, if the run has died, or has ended and nothing was refused (else the run still has
  to count that);
- ``pytest-publish send``, unless the file has another name than a run or a refusal gives it,
  because then the files beside it may be somebody else's;
- a later run, if no lock is held but ``NAME.run`` is still there: that run was killed.

Refused results are removed only by sending that file successfully.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Final
from typing import NamedTuple

import orjson

from pytest_publish._os import OWNER_ONLY
from pytest_publish._os import realos

from .config import redact_url
from .config import REFUSED_SUFFIX


SUFFIX: Final = ".jsonl"

_RUN_NAME: Final = re.compile(r"\d{8}T\d{6}Z-([0-9a-f]{8})(-\d+)?(\.refused)*\.jsonl")
_REFUSED: Final = re.compile(r"(\.refused)+\.jsonl\Z")
_HEADER: Final = b'{"type":"pytest-publish outbox",'
_CHUNK: Final = 1 << 18


class Header(NamedTuple):
    """The first line of an outbox: for which URL it was written, or "" if nobody knows.

    No secret stands in it. ``is_whole`` tells that nothing was left out of the URL.
    ``will`` is what is to be sent if the run dies (:mod:`~pytest_publish.delivery.will`).
    """

    url: str = ""
    is_whole: bool = False
    will: dict[str, Any] | None = None

    @classmethod
    def for_url(cls, url: str, will: dict[str, Any] | None = None) -> Header:
        """Return the header of an outbox for a URL."""
        redacted = redact_url(url)
        return cls(redacted, redacted == url, will)

    def to_line(self) -> bytes:
        """Return the line, with its newline."""
        return b"%s%s\n" % (_HEADER, orjson.dumps(self._asdict())[1:])

    @classmethod
    def from_line(cls, line: bytes) -> Header | None:
        """Return what :meth:`to_line` wrote; None if the line is no header."""
        if not line.startswith(_HEADER):
            return None
        try:
            data = orjson.loads(line)
            url = str(data["url"])
            # It is shown on a terminal, and anybody may have written it.
            if not url.isprintable():
                return cls()
            return cls(url, data["is_whole"] is True, _will_in(data))
        except (ValueError, KeyError):
            return None


def _will_in(data: dict[str, Any]) -> dict[str, Any] | None:
    will = data.get("will")
    if not isinstance(will, dict) or type(will.get("time")) not in (int, float):
        return None
    return will if isinstance(will.get("type"), str) else None


@dataclasses.dataclass
class Outbox:
    """An outbox, by the path of its results, with the files beside it."""

    path: Path

    def __post_init__(self) -> None:
        self.cursor = self.path.with_suffix(".cursor")
        self.writer_lock = self.path.with_suffix(".run")
        self.sender_lock = self.path.with_suffix(".lock")
        self.errors = self.path.with_suffix(".stderr")
        self.holds_refused = self.path.name.endswith(REFUSED_SUFFIX)
        self.is_named_by_run = _RUN_NAME.fullmatch(self.path.name) is not None

    def __str__(self) -> str:
        return str(self.path)

    @property
    def refused(self) -> Outbox:
        """The outbox of what the endpoint refused for good."""
        return Outbox(self.path.with_name(self.path.name.removesuffix(SUFFIX) + REFUSED_SUFFIX))

    @property
    def origin(self) -> Outbox:
        """The outbox from which these refused results come; else this one."""
        return Outbox(self.path.with_name(_REFUSED.sub(SUFFIX, self.path.name)))

    def header(self) -> Header | None:
        """Return the header; None if the file is no outbox. Raises OSError.

        Where it is missing, the name and the first result tell that it is an outbox.
        """
        if not stat.S_ISREG(self.path.stat().st_mode):  # reading a FIFO would wait for ever
            return None
        named = _RUN_NAME.fullmatch(self.path.name)
        with self.path.open("rb") as file:
            line = file.readline(_CHUNK)
            header = Header.from_line(line)
            if header is not None or named is None:
                return header
            if not line.endswith(b"\n"):
                line += file.readline()
        is_ours = not line or (key_of(line) or "").startswith(named[1])
        return Header() if is_ours else None

    def may_be_removed(self) -> bool:
        """Tell whether it is an outbox under a name of our own. Raises OSError."""
        return (self.is_named_by_run or self.holds_refused) and self.header() is not None

    def discard(self) -> None:
        """Remove it with the files beside it, but for refused results."""
        for path in (self.path, self.cursor, self.errors, self.writer_lock, self.sender_lock):
            with contextlib.suppress(OSError):
                realos.unlink(path)

    def set_aside(self, body: bytes) -> None:
        """Append a refused result to those beside it. Raises OSError."""
        header = self.header() or Header()
        self.refused.append(header._replace(will=None), body + b"\n")

    def append(self, header: Header, lines: bytes) -> None:
        """Append all the lines, or none and raise OSError; a new outbox gets the header.

        Not for one that a run is writing: that is what :class:`OutboxWriter` is for.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        fd = realos.open(str(self.path), flags, OWNER_ONLY)
        try:
            size = realos.fstat(fd).st_size
            _append(fd, lines if size else header.to_line() + lines, size)
        finally:
            realos.close(fd)


def _append(fd: int, data: bytes, size: int) -> None:
    try:
        realos.write_all(fd, data)
    except OSError:  # the disk is full
        realos.ftruncate(fd, size)
        raise


class OutboxWriter:
    """Appends results to an outbox.

    Every call opens the file anew: a test that closes all file descriptors of its
    process does no harm, and no other file is ever written to by mistake.
    """

    def __init__(self, outbox: Outbox, header: Header | None = None) -> None:
        """Create the outbox. Raises OSError, also if there is one of that name."""
        #: How many results were appended.
        self.appended = 0
        self._path = str(outbox.path)
        self._size = 0
        self._last: bytes | None = None
        # Whether the file may hold more than ``_size`` bytes: a part of a line.
        self._in_doubt = False
        realos.close(realos.open(self._path, os.O_CREAT | os.O_EXCL, OWNER_ONLY))
        # A disk that is full now may have room for results later.
        with contextlib.suppress(OSError):
            line = (header or Header()).to_line()
            self._append(line)
            self._size, self._in_doubt = len(line), False

    def append(self, body: bytes) -> None:
        """Append one result. Raises OSError, and then nothing of it is in the file.

        After an interrupt (a Ctrl-C) call it again with the same object: it will be in
        the file once, wherever the interrupt came.
        """
        if body is self._last:
            return
        line = body + b"\n"
        self._append(line)
        size = self._size + len(line)
        # Python runs no signal's handler between assignments of plain values.
        self._last, self._size, self._in_doubt, self.appended = body, size, False, self.appended + 1

    def end(self) -> None:
        """Write the end mark. Raises OSError."""
        self._append(b"\n")

    def _append(self, line: bytes) -> None:
        fd = realos.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            if self._in_doubt:
                realos.ftruncate(fd, self._size)
            self._in_doubt = True
            written = realos.write(fd, line)
            if written < len(line):  # the next write tells why
                _append(fd, line[written:], self._size)
        finally:
            realos.close(fd)


class Line(NamedTuple):
    """One line of an outbox: a result, and where in the file it begins and ends.

    A header and an empty line count as a part of the line after them. ``key`` is None if the
    line is nothing that we publish: a part that a dying process wrote, or what somebody put
    there.
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

    def __init__(self, outbox: Outbox, offset: int = 0) -> None:
        """Open the outbox. Raises OSError."""
        self._file = outbox.path.open("rb", buffering=0)
        self._file.seek(offset)
        self._offset = offset
        self._begin = offset
        self._parts: list[bytes] = []

    @property
    def ended(self) -> bool:
        """Whether the file has its end mark, though it may not be read so far yet."""
        fd = self._file.fileno()
        last = os.pread(fd, 2, max(0, os.fstat(fd).st_size - 2))
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
            if body and not body.startswith(_HEADER):
                yield Line(body, self._begin, self._offset, key_of(body))
                self._begin = self._offset

    @property
    def torn(self) -> bool:
        """Whether a part of a line stands after the last whole one."""
        return bool(self._parts)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
