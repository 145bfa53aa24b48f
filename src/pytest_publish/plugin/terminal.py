"""What the user reads on the terminal: header, progress, summary."""

from __future__ import annotations

import os
import shlex
import subprocess
import textwrap
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from typing import Protocol

from pytest_publish._os import realos
from pytest_publish.delivery.config import redact_url
from pytest_publish.delivery.cursor import Cursor
from pytest_publish.delivery.outbox import REFUSED_SUFFIX
from pytest_publish.delivery.process import DeliveryReport
from pytest_publish.delivery.process import RelayProcess

from .settings import Settings
from .settings import short


#: Seconds of waiting at the end of a run before anything is said about it, and
#: between two lines where a line can't be written over.
PATIENCE: Final = 1.0
REPEAT: Final = 10.0
#: Seconds between two looks at how the relays get on, and seconds without any success
#: after which an endpoint that can't be reached is told of.
LOOK: Final = 1.0
UNREACHED: Final = 5.0

# What stands before a command, which is a line of its own, so that it can be copied.
_INDENT: Final = "  "

# What can be pasted into a shell; those of Windows know no single quotes (not run there).
_quoted: Final = subprocess.list2cmdline if os.name == "nt" else shlex.join


class Reporter(Protocol):
    """What is used of pytest's terminal reporter."""

    def ensure_newline(self) -> None:
        """End the line of a file's dots."""

    def write(self, content: str, *, flush: bool = ..., **markup: bool) -> None:
        """Write text."""

    def write_line(self, line: str, **markup: bool) -> None:
        """Write a line."""

    def write_sep(self, sep: str, title: str, **markup: bool) -> None:
        """Write a title in the middle of a line."""

    @property
    def isatty(self) -> bool:
        """Whether a person may be looking."""


class TerminalWriter(Protocol):
    """What is used of pytest's terminal writer."""

    @property
    def fullwidth(self) -> int:
        """The terminal's columns."""

    @property
    def width_of_current_line(self) -> int:
        """The columns of what the current line has so far."""


class Screen:
    """The terminal, through pytest's own reporter, so that its dots stay whole."""

    def __init__(self, reporter: Reporter, writer: TerminalWriter) -> None:
        self._reporter = reporter
        self._writer = writer
        self.isatty = bool(reporter.isatty)

    @property
    def width(self) -> int:
        """The terminal's columns."""
        return self._writer.fullwidth

    def begin_line(self) -> None:
        """End a line that tests' dots stand on."""
        self._reporter.ensure_newline()
        # The reporter takes no account of the dots of xdist's workers.
        if self._writer.width_of_current_line:
            self._reporter.write("\n")

    def say(self, line: str, **markup: bool) -> None:
        """Write a line; on a terminal break it between words, but no command."""
        self.begin_line()
        for part in self._broken(line):
            self._reporter.write_line(part, **markup)

    def title(self, lines: list[str]) -> None:
        """Write lines as pytest writes a title, if they have room in one."""
        title = ", ".join(lines)
        if len(f"- publish: {title} -") <= self.width:
            self._reporter.write_sep("-", f"publish: {title}")
            return
        for line in lines:
            self.say(f"publish: {line}")

    def rewrite(self, text: str) -> None:
        """Write over the line of the last call, with as much of a text as has room."""
        room = self.width - 1
        cut = text if len(text) <= room else f"{text[: room - 1]}…"
        self._reporter.write(f"\r{cut:{room}}", flush=True)

    def _broken(self, line: str) -> list[str]:
        if not self.isatty or line.startswith(_INDENT):
            return [line]
        return textwrap.wrap(
            line,
            self.width - 1,
            subsequent_indent=_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )


def header(
    settings: Settings, waiting: list[Path], refused: list[Path], folder: Path
) -> Iterator[str]:
    """Yield the lines of the header: what goes where, and what earlier runs left."""
    goals = [redact_url(delivery.url) for delivery in settings.deliveries]
    if settings.pubdir is not None:
        goals.append(settings.shown_pubdir)
    yield f"publish: {', '.join(goals)}"
    if waiting:
        count = _counted(
            len(waiting), "outbox of an earlier run waits", "outboxes of earlier runs wait"
        )
        yield f"publish: {count} to be sent; send with:"
        path = waiting[0] if len(waiting) == 1 else waiting[0].parent
        yield _command(short(path, folder), "URL")
    if refused:
        count = _counted(
            len(refused), "file of refused results waits", "files of refused results wait"
        )
        yield f"publish: {count} to be sent or deleted; send with:"
        path = refused[0] if len(refused) == 1 else refused[0].parent
        # A folder is sent without what was refused.
        every = "" if len(refused) == 1 else f"{os.sep}*{REFUSED_SUFFIX}"
        yield _command(short(path, folder), "URL", every)


class Watch:
    """Tells while the tests run that an endpoint takes no results, once for each.

    It looks at the relays' cursors at most once in :data:`LOOK` seconds.
    """

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._say = say
        self._clock = clock
        self._process = realos.getpid()
        self._next = 0.0
        self._stuck: dict[str, tuple[int, float]] = {}
        self._told: set[tuple[str, str]] = set()

    def look(self, deliveries: Iterable[RelayProcess]) -> None:
        """Look at the relays, if it is time to."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + LOOK
        if realos.getpid() == self._process:  # and not the child of a test that forked
            for delivery in deliveries:
                self._look(delivery.url, delivery.cursor(), now)

    def _look(self, url: str, cursor: Cursor, now: float) -> None:
        if cursor.refused:
            self._tell(url, "refused", _refused(url, cursor.refused, cursor.refusal))
        if not cursor.problem:
            self._stuck.pop(url, None)
        elif self._seconds_stuck(url, cursor.sent + cursor.refused, now) >= UNREACHED:
            line = f"publish: nothing gets through to {redact_url(url)} ({cursor.problem})"
            self._tell(url, "unreached", f"{line}; it goes on trying")

    def _seconds_stuck(self, url: str, done: int, now: float) -> float:
        """Return for how long there has been trouble at each look, and no success."""
        before, since = self._stuck.setdefault(url, (done, now))
        if before != done:
            self._stuck[url] = (done, since := now)
        return now - since

    def _tell(self, url: str, what: str, line: str) -> None:
        if (url, what) not in self._told:
            self._told.add((url, what))
            self._say(line)


class Progress:
    """Shows, while the session waits for a relay, how many results are to be sent.

    ``grace`` is the seconds without success after which a relay gives up. With
    ``is_quiet`` only a long wait is shown.
    """

    def __init__(
        self,
        screen: Screen | None,
        clock: Callable[[], float],
        grace: float,
        *,
        is_quiet: bool = False,
    ) -> None:
        self._screen = screen
        self._clock = clock
        self._grace = grace
        self._waits: tuple[str, int] | None = None
        self._since = clock()
        self._next = self._since + (REPEAT if is_quiet else PATIENCE)
        self._is_open = False

    def show(self, url: str, waiting: int) -> None:
        """Show how many results wait for a URL, and how long at most, if it is time to."""
        now = self._clock()
        if self._waits != (url, waiting):
            if self._waits is not None:
                self._since = now
            self._waits = (url, waiting)
        if self._screen is None or waiting <= 0 or now < self._next:
            return
        if not self._is_open:
            self._screen.begin_line()
            self._is_open = True
        left = max(0.0, self._since + self._grace - now)
        self._next = now + self._write(self._screen, redact_url(url), waiting, left)

    def _write(self, screen: Screen, url: str, waiting: int, left: float) -> float:
        if screen.isatty:
            # What is cut off where there is no room is the URL.
            limit = f"gives up in {left:.0f} s (Ctrl-C: now)"
            screen.rewrite(f"publish: {waiting} to send, {limit}: {url}")
            return 0.2
        count = _counted(waiting, "result")
        limit = f"gives up in {left:.0f} s if none arrives"
        screen.say(f"publish: {count} to be sent to {url}; {limit}")
        return REPEAT

    def close(self) -> None:
        """End the line that was written over."""
        if self._is_open and self._screen is not None and self._screen.isatty:
            self._screen.begin_line()


def totals(settings: Settings, written: int, sent: list[tuple[str, DeliveryReport]]) -> list[str]:
    """Return how many results went where, a line for each goal."""
    lines = [f"{_counted(found.sent, 'result')} sent to {redact_url(url)}" for url, found in sent]
    if settings.pubdir is not None:
        lines.append(f"{_counted(written, 'result')} written to {settings.shown_pubdir}")
    return lines


def undelivered(delivery: RelayProcess, delivered: DeliveryReport, folder: Path) -> Iterator[str]:
    """Yield what an endpoint refused, and what is still to be sent, with the commands.

    ``folder`` is where the user called pytest, and will call the commands.
    """
    url = delivery.url
    goal = url if url == redact_url(url) else "URL"
    if delivered.refused:
        refused = _refused(url, delivered.refused, delivered.refusal)
        yield f"{refused} and set aside; send with:"
        yield _command(short(delivery.outbox.refused.path, folder), goal)
    if delivered.waiting:
        count = _counted(delivered.waiting, "result waits", "results wait")
        yield f"publish: {count} to be sent to {redact_url(url)} ({delivered.reason}); send with:"
        yield _command(short(delivery.path, folder), goal)


def strictly_failed(undelivered: int) -> str:
    """Return why ``--publish-strict`` fails a run whose tests did not."""
    if undelivered:
        return f"publish: {_counted(undelivered, 'result')} not delivered (--publish-strict)"
    return "publish: something went wrong, see above (--publish-strict)"


def _refused(url: str, count: int, reason: str) -> str:
    counted = _counted(count, "result was", "results were")
    return f"publish: {counted} refused by {redact_url(url)} ({reason})"


def _command(path: str, url: str, every: str = "") -> str:
    """Return what sends what waits; ``every`` is for the shell, which may not see it quoted."""
    return f"{_INDENT}{_quoted(['pytest-publish', 'send', path])}{every} {_quoted(['--to', url])}"


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
