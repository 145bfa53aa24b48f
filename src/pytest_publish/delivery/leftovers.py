"""What runs have left in files: outboxes, refused results, logs and trees."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from pytest_publish._os import realos

from .config import REFUSED_SUFFIX
from .cursor import CursorFile
from .locks import is_free
from .outbox import Header
from .outbox import key_of
from .outbox import Outbox
from .outbox import OutboxReader
from .outbox import SUFFIX
from .will import executed


def found_in(folder: Path, *, below: bool = False) -> list[Outbox]:
    """Return the outboxes in a folder, or also ``below`` it, the oldest first.

    What was refused for good is not among them: it waits for a person.
    """
    pattern = f"**/*{SUFFIX}" if below else f"*{SUFFIX}"
    found = map(Outbox, sorted(folder.glob(pattern)))
    return [outbox for outbox in found if not outbox.holds_refused and _is_outbox(outbox)]


def _is_outbox(outbox: Outbox) -> bool:
    try:
        return outbox.header() is not None
    except OSError:  # the next who opens it tells why it can't be read
        return outbox.is_named_by_run


def waiting_in(folder: Path) -> list[Outbox]:
    """Return the outboxes in a folder that were left behind with results to send.

    Those in which nothing waits are removed, as of a run that was killed at once.
    """
    found = [outbox for outbox in found_in(folder) if is_free(outbox)]
    return [outbox for outbox in found if not _remove_if_done(outbox)]


def _remove_if_done(outbox: Outbox) -> bool:
    """Remove an outbox that a run left with nothing to send; tell whether it is gone."""
    if not realos.exists(str(outbox.writer_lock)):
        return False
    try:
        with contextlib.closing(OutboxReader(outbox, CursorFile(outbox).read().offset)) as reader:
            if reader.read() or reader.torn or executed(outbox, 0.0) is not None:
                return False
    except OSError:
        return False
    outbox.discard()
    return True


def refused_in(folder: Path) -> list[Outbox]:
    """Return the refused results in a folder to which no process adds any more."""
    found = map(Outbox, sorted(folder.glob(f"*{REFUSED_SUFFIX}")))
    return [outbox for outbox in found if is_free(outbox.origin)]


def left_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of :func:`waiting_in` and of :func:`refused_in`."""
    waiting, refused = waiting_in(folder), refused_in(folder)
    return [outbox.path for outbox in waiting], [outbox.path for outbox in refused]


def published_in(path: Path) -> Iterator[bytes]:
    """Yield each object that was published, as it was written; some may come twice.

    They are those in a file, or in all outboxes and results below a folder. The end of a
    run that was killed is told as its relay would. Raises OSError.
    """
    for outbox in found_in(path, below=True) if path.is_dir() else [Outbox(path)]:
        yield from _in_file(outbox)
    for result in sorted(result_files(path), key=_time_of):
        yield result.read_bytes()


def result_files(tree: Path) -> Iterator[Path]:
    """Yield the file of each whole result of a tree."""
    for path in tree.rglob("result.json"):
        # What was never finished, and a folder or a FIFO of others, are none.
        if not path.parent.name.startswith(".") and path.is_file():
            yield path


def _time_of(result: Path) -> Any:
    data = result.read_bytes()
    return orjson.loads(data).get("stop_time", 0.0) if key_of(data) is not None else 0.0


def lines_in(path: Path) -> Iterator[tuple[bytes, str | None]]:
    """Yield each line of a file without the header, and its key; None if it is not ours."""
    with path.open("rb") as file:
        first = file.readline()
        lines: Iterable[bytes] = itertools.chain([first], file)
        if key_of(first) is None and Header.from_line(first) is None:
            data = first + file.read()
            # Somebody's tool may have made several lines of a result.json.
            is_one = key_of(data) is not None
            lines = [orjson.dumps(orjson.loads(data))] if is_one else data.split(b"\n")
        for line in lines:
            body = line.strip()
            if body and Header.from_line(body) is None:
                yield body, key_of(body)


def _in_file(outbox: Outbox) -> Iterator[bytes]:
    yield from (body for body, key in lines_in(outbox.path) if key is not None)
    if outbox.header() is not None and is_free(outbox):
        end = executed(outbox, outbox.path.stat().st_mtime)
        if end is not None:
            yield end
