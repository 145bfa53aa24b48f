"""Writing on the terminal: lines between pytest's dots, progress, and news of the relays."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from collections.abc import Iterable
from typing import Final
from typing import TYPE_CHECKING

import pytest

from pytest_publish._os import realos
from pytest_publish.delivery.config import redact_url

from .messages import INDENT
from .messages import published
from .messages import refused_by
from .settings import Settings


if TYPE_CHECKING:  # a run without a URL does not load them
    from pytest_publish.delivery.cursor import Cursor
    from pytest_publish.delivery.process import RelayProcess


#: Seconds to wait at a run's end before progress is shown, and seconds between two lines of
#: progress where a line can't be overwritten.
PATIENCE: Final = 1.0
REPEAT: Final = 10.0
#: Seconds between two looks at the relays' cursors, and seconds without any success
#: after which the user reads that an endpoint can't be reached.
LOOK: Final = 1.0
UNREACHED: Final = 5.0


class Screen:
    """The terminal, through pytest's own reporter, so that its dots stay whole."""

    def __init__(self, reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        self._reporter = reporter
        self._writer = config.get_terminal_writer()
        self.isatty = bool(reporter.isatty)

    def begin_line(self) -> None:
        """End the line of the tests' dots, if there is one."""
        self._reporter.ensure_newline()
        # The reporter does not count the dots that xdist writes for its workers.
        if self._writer.width_of_current_line:
            self._reporter.write("\n")

    def say(self, line: str, **markup: bool) -> None:
        """Write a line; on a terminal, break it between words unless it is a command."""
        self.begin_line()
        parts = [line]
        if self.isatty and not line.startswith(INDENT):
            parts = textwrap.wrap(
                line,
                self._writer.fullwidth - 1,
                subsequent_indent=INDENT,
                break_long_words=False,
                break_on_hyphens=False,
            )
        for part in parts:
            self._reporter.write_line(part, **markup)

    def title(self, lines: list[str]) -> None:
        """Write lines as one title in pytest's style if they fit; else one by one."""
        title = ", ".join(lines)
        if len(f"- publish: {title} -") <= self._writer.fullwidth:
            self._reporter.write_sep("-", f"publish: {title}")
            return
        for line in lines:
            self.say(f"publish: {line}")

    def rewrite(self, text: str) -> None:
        """Overwrite what the last call wrote, with as much of a text as fits."""
        room = self._writer.fullwidth - 1
        cut = text if len(text) <= room else f"{text[: room - 1]}…"
        self._reporter.write(f"\r{cut:{room}}", flush=True)


def screen_of(config: pytest.Config) -> Screen | None:
    """Return the screen, which another plugin may replace at any time; None without one."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    return None if reporter is None else Screen(reporter, config)


class Watch:
    """Says while the tests run that an endpoint takes no results, once for each endpoint."""

    def __init__(
        self, settings: Settings, say: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._say = say
        self._clock = clock
        self._process = realos.getpid()
        self._next = 0.0
        self._stuck: dict[str, tuple[int, float]] = {}
        self._said: set[tuple[str, str]] = set()

    def look(self, relays: Iterable[RelayProcess]) -> None:
        """Look at the relays, if it is time to."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + LOOK
        if realos.getpid() == self._process:  # else a test has forked
            for relay in relays:
                self._look(relay.url, relay.cursor(), now)

    def _look(self, url: str, cursor: Cursor, now: float) -> None:
        if cursor.refused:
            line = refused_by(url, cursor.refused, cursor.refusal, self._settings)
            self._say_once(url, "refused", line)
        if not cursor.problem:
            self._stuck.pop(url, None)
        elif self._seconds_stuck(url, cursor.sent + cursor.refused, now) >= UNREACHED:
            line = f"publish: nothing gets through to {redact_url(url)} ({cursor.problem})"
            self._say_once(url, "unreached", f"{line}; it keeps trying")

    def _seconds_stuck(self, url: str, done: int, now: float) -> float:
        """Return for how long each look has found a problem and no success."""
        before, since = self._stuck.setdefault(url, (done, now))
        if before != done:
            self._stuck[url] = (done, since := now)
        return now - since

    def _say_once(self, url: str, what: str, line: str) -> None:
        if (url, what) not in self._said:
            self._said.add((url, what))
            self._say(line)


class Progress:
    """Shows how many results are still to be sent while the session waits for a relay.

    With ``is_quiet`` only a long wait is shown.
    """

    def __init__(
        self,
        settings: Settings,
        screen: Screen | None,
        clock: Callable[[], float],
        *,
        is_quiet: bool = False,
    ) -> None:
        self._settings = settings
        self._screen = screen
        self._clock = clock
        # The seconds without success after which a relay gives up.
        self._grace = max((delivery.grace for delivery in settings.deliveries), default=0.0)
        self._waits: tuple[str, int] | None = None
        self._since = clock()
        self._next = self._since + (REPEAT if is_quiet else PATIENCE)
        self._is_open = False

    def show(self, url: str, waiting: int) -> None:
        """Show, if it is time to, how many results wait for a URL and for how long at most."""
        now = self._clock()
        if self._waits != (url, waiting):
            if self._waits is not None:
                self._since = now
            self._waits = (url, waiting)
        if self._screen is None or waiting <= 0 or now < self._next:
            return
        left = max(0.0, self._since + self._grace - now)
        limit = f"gives up in {left:.0f} s"
        if self._screen.isatty:
            self._next = now + 0.2
            if not self._is_open:
                self._screen.begin_line()
                self._is_open = True
            # The URL comes last, because what does not fit is cut off.
            what = f"publish: {waiting} to send, {limit} (Ctrl-C: now)"
            self._screen.rewrite(f"{what}: {redact_url(url)}")
        else:
            self._next = now + REPEAT
            what = f"publish: {published(waiting, self._settings)} to be sent to {redact_url(url)}"
            self._screen.say(f"{what}; {limit} if none arrives")

    def close(self) -> None:
        """End the line that was overwritten."""
        if self._screen is not None and self._is_open:
            self._screen.begin_line()
