"""What earlier runs have left: outboxes, and files of refused results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pytest_publish._os import realos

from .cursor import CursorFile
from .locks import _run_lock_of
from .locks import is_free
from .outbox import _NAME
from .outbox import discard
from .outbox import header_of
from .outbox import OutboxReader
from .outbox import REFUSED_SUFFIX
from .outbox import SUFFIX


def may_be_removed(path: Path) -> bool:
    """Tell whether a file is an outbox under its own name. Raises OSError.

    Beside a file that was renamed may stand others' files, named as a mark or a lock.
    """
    is_named = _NAME.fullmatch(path.name) or path.name.endswith(REFUSED_SUFFIX)
    return bool(is_named) and header_of(path) is not None


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
        reader = OutboxReader(outbox, CursorFile(outbox).read().offset)
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
