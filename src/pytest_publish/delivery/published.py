"""What was published and is kept in files: outboxes, logs and trees. They are only read."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from .leftovers import found_in
from .locks import is_free
from .outbox import Header
from .outbox import key_of
from .outbox import Outbox
from .will import executed


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
