"""What earlier runs have left behind: outboxes, and refused results."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pytest_publish._os import realos

from .config import REFUSED_SUFFIX
from .cursor import CursorFile
from .locks import is_free
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
