"""What the user reads on the terminal: header, progress, summary."""

from __future__ import annotations

import dataclasses
import os
import shlex
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from typing import Protocol

from .delivery import Delivered
from .orders import shown
from .settings import Settings


#: Seconds of waiting at the end of a run before anything is said about it, and
#: between two lines where a line can't be written over.
PATIENCE: Final = 1.0
REPEAT: Final = 10.0

# What can be pasted into a shell; those of Windows know no single quotes (not run there).
_quoted: Final = subprocess.list2cmdline if os.name == "nt" else shlex.join


@dataclasses.dataclass(slots=True)
class Trouble:
    """Something that went wrong, once or often: how often, and how it was at first."""

    first: str
    count: int = 0


class Troubles:
    """Counts what went wrong in publishing, which is never raised into the run."""

    def __init__(self) -> None:
        self._of: dict[str, Trouble] = {}

    def add(self, what: str, error: BaseException | str) -> None:
        """Count one trouble; ``what`` tells which are of the same kind."""
        if isinstance(error, OSError) and error.strerror:
            error = error.strerror
        elif isinstance(error, BaseException):
            error = f"{type(error).__name__}: {error}"
        self._of.setdefault(what, Trouble(error)).count += 1

    def __bool__(self) -> bool:
        return bool(self._of)

    def lines(self) -> Iterator[str]:
        """Yield one line for each kind of trouble."""
        for what, trouble in self._of.items():
            times = "" if trouble.count == 1 else f" ({trouble.count} times)"
            yield f"publish: {what}{times}: {trouble.first}"


class Terminal(Protocol):
    """What is used of pytest's terminal reporter."""

    def write(self, content: str, *, flush: bool = ..., **markup: bool) -> None:
        """Write text."""

    def write_line(self, line: str, **markup: bool) -> None:
        """Write a line."""

    def write_sep(self, sep: str, title: str, **markup: bool) -> None:
        """Write a title in the middle of a line."""

    @property
    def isatty(self) -> bool:
        """Whether a person may be looking."""


def header(settings: Settings, left_behind: list[Path]) -> list[str]:
    """Return the lines of the header: what goes where, and what an earlier run left."""
    goals = [shown(order.endpoint.url) for order in settings.orders]
    if settings.pubdir is not None:
        goals.append(str(settings.pubdir))
    lines = [f"publish: {', '.join(goals)}"]
    if left_behind:
        count = _counted(
            len(left_behind), "outbox of an earlier run waits", "outboxes of earlier runs wait"
        )
        where = left_behind[0] if len(left_behind) == 1 else left_behind[0].parent
        lines.append(f"publish: {count} to be sent; send with: {_command(where, 'URL')}")
    return lines


class Progress:
    """Shows, while the session waits for a relay, how many results are to be sent."""

    def __init__(self, terminal: Terminal | None, clock: Callable[[], float]) -> None:
        self._terminal = terminal
        self._clock = clock
        self._next = clock() + PATIENCE
        self._is_open = False

    def show(self, url: str, waiting: int) -> None:
        """Show how many results wait for a URL, if it is time to."""
        if self._terminal is None or waiting <= 0 or self._clock() < self._next:
            return
        text = f"publish: {_counted(waiting, 'result')} to be sent to {shown(url)}"
        if not self._is_open:
            self._terminal.write_line("")  # after the tests' dots
            self._is_open = True
        if self._terminal.isatty:
            self._terminal.write(f"\r{text} (Ctrl-C stops waiting) ", flush=True)
            self._next = self._clock() + 0.2
        else:
            self._terminal.write_line(text)
            self._next = self._clock() + REPEAT

    def close(self) -> None:
        """End the line that was written over."""
        if self._is_open and self._terminal is not None and self._terminal.isatty:
            self._terminal.write_line("")


def totals(written: int, pubdir: Path | None, sent: list[tuple[str, Delivered]]) -> str:
    """Return the line of the summary that tells how many went where."""
    parts = [f"{_counted(found.sent, 'result')} sent to {shown(url)}" for url, found in sent]
    if pubdir is not None:
        parts.append(f"{_counted(written, 'result')} written to {pubdir}")
    return f"publish: {', '.join(parts)}"


def undelivered(url: str, delivered: Delivered, outbox: Path, refused: Path) -> Iterator[str]:
    """Yield a line for what an endpoint refused, and for what is still to be sent."""
    if delivered.refused:
        count = _counted(delivered.refused, "result was", "results were")
        yield (
            f"publish: {count} refused by {shown(url)} ({delivered.refusal}) and set aside "
            f"in {refused}"
        )
    if delivered.waiting:
        count = _counted(delivered.waiting, "result waits", "results wait")
        yield (
            f"publish: {count} to be sent to {shown(url)} ({delivered.reason}); "
            f"send with: {_command(outbox, url if url == shown(url) else 'URL')}"
        )


def _command(outbox: Path, url: str) -> str:
    return _quoted(["pytest-publish", "send", str(outbox), "--to", url])


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
