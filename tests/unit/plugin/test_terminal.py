from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.cursor import Cursor
from pytest_publish.delivery.cursor import CursorFile
from pytest_publish.delivery.process import RelayProcess
from pytest_publish.plugin.settings import Settings
from pytest_publish.plugin.terminal import LOOK
from pytest_publish.plugin.terminal import PATIENCE
from pytest_publish.plugin.terminal import Progress
from pytest_publish.plugin.terminal import REPEAT
from pytest_publish.plugin.terminal import Screen
from pytest_publish.plugin.terminal import UNREACHED
from pytest_publish.plugin.terminal import Watch


class FakeTerminal:
    """Keeps what is written; stands in for pytest's reporter, its writer, and its config."""

    def __init__(self, *, isatty: bool = False, fullwidth: int = 80) -> None:
        self.isatty = isatty
        self.fullwidth = fullwidth
        self.text = ""

    @property
    def width_of_current_line(self) -> int:
        return len(self.text.rpartition("\n")[2])

    def ensure_newline(self) -> None:
        """Do as pytest's does for the dots of xdist's workers: nothing."""

    def write(self, content: str, *, flush: bool = False, **markup: bool) -> None:
        self.text += content

    def write_line(self, line: str, **markup: bool) -> None:
        self.text += f"{line}\n"

    def write_sep(self, sep: str, title: str, **markup: bool) -> None:
        self.text += f"{sep} {title} {sep}\n"

    def get_terminal_writer(self) -> FakeTerminal:
        return self

    @property
    def screen(self) -> Screen:
        return Screen(cast("pytest.TerminalReporter", self), cast("pytest.Config", self))


URL = "http://user:hunter2@host/hook?token=hunter2"
SETTINGS = Settings(Path(), deliveries=(DeliveryConfig(URL, grace=10.0),))


def relay_in(folder: Path, url: str = URL) -> RelayProcess:
    return RelayProcess(folder, "a", DeliveryConfig(url))


def test_the_totals_are_a_title_where_there_is_room() -> None:
    terminal = FakeTerminal(fullwidth=40)
    terminal.screen.title(["1 result sent to h", "2 written"])
    assert terminal.text == "publish: 1 result sent to h\npublish: 2 written\n"
    terminal = FakeTerminal(fullwidth=42)
    terminal.screen.title(["1 result sent to h", "2 written"])
    assert terminal.text == "- publish: 1 result sent to h, 2 written -\n"


def test_a_message_is_broken_between_words_on_a_terminal_only_and_a_command_never() -> None:
    message, command = "publish: " + "word " * 20 + "end", "  send " + "x" * 90
    terminal = FakeTerminal(isatty=True, fullwidth=60)
    terminal.text = "..."
    terminal.screen.say(message)
    terminal.screen.say(command)
    dots, *lines = terminal.text.splitlines()
    assert dots == "..."
    assert lines.pop() == command
    assert len(lines) > 1
    assert all(len(line) < 60 for line in lines)
    assert " ".join(map(str.strip, lines)) == message
    file = FakeTerminal(fullwidth=60)
    file.screen.say(message)
    assert file.text == f"{message}\n"


@pytest.mark.parametrize("isatty", [True, False])
def test_progress_is_shown_only_to_who_waits_and_for_how_long_at_most(*, isatty: bool) -> None:
    now = 0.0
    terminal = FakeTerminal(isatty=isatty, fullwidth=100)
    progress = Progress(SETTINGS, terminal.screen, lambda: now)
    progress.show(URL, 5)
    assert not terminal.text
    now = PATIENCE
    progress.show(URL, 0)
    assert not terminal.text
    progress.show(URL, 5)
    progress.show(URL, 4)
    shown = "http://host/hook?…"
    if isatty:
        assert f"publish: 5 to send, gives up in 10 s (Ctrl-C: now): {shown}" in terminal.text
    else:
        limit = "gives up in 10 s if none arrives"
        assert terminal.text == f"publish: 5 results to be sent to {shown}; {limit}\n"
    now += REPEAT - 3
    progress.show(URL, 4)
    now += 3
    progress.show(URL, 4)
    progress.close()
    assert "in 0 s" in terminal.text
    assert ("\r" in terminal.text) == isatty
    assert terminal.text.endswith("\n")


def test_progress_is_never_wider_than_the_terminal() -> None:
    now = 0.0
    terminal = FakeTerminal(isatty=True, fullwidth=60)
    progress = Progress(SETTINGS, terminal.screen, lambda: now)
    now = PATIENCE
    progress.show(URL + "/long" * 20, 5)
    assert len(terminal.text.strip("\r")) == 59
    assert "gives up in 9 s (Ctrl-C: now)" in terminal.text


def test_under_q_only_a_long_wait_is_shown() -> None:
    now = 0.0
    terminal = FakeTerminal()
    progress = Progress(SETTINGS, terminal.screen, lambda: now, is_quiet=True)
    now = REPEAT - 1
    progress.show(URL, 5)
    assert not terminal.text
    now = REPEAT
    progress.show(URL, 5)
    assert "5 results to be sent" in terminal.text


class Watched:
    """A watch over one relay, whose cursor and clock a test sets."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.now = 100.0
        self._relay = relay_in(folder)
        self._cursor_file = CursorFile(self._relay.outbox)
        self._watch = Watch(SETTINGS, self.lines.append, lambda: self.now)

    def look(self, cursor: Cursor | None = None, after: float = LOOK) -> None:
        self.now += after
        if cursor is not None:
            self._cursor_file.write(cursor)
        self._watch.look([self._relay])


def test_a_refusal_is_said_at_once_and_once(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.look()
    watched.look(Cursor(refused=2, refusal="401 No"), after=LOOK / 2)
    assert not watched.lines, "looked at too often"
    watched.look(after=LOOK / 2)
    watched.look(Cursor(refused=3, refusal="401 No"))
    assert watched.lines == ["publish: 2 results were refused by http://host/hook?… (401 No)"]


def test_an_endpoint_that_can_not_be_reached_is_said_once_when_it_has_lasted(
    tmp_path: Path,
) -> None:
    watched = Watched(tmp_path)
    watched.look(after=UNREACHED)
    watched.look(Cursor(problem="timed out"))
    watched.look(after=UNREACHED - 1)
    assert not watched.lines
    watched.look(Cursor(sent=1, refused=1, refusal="413", problem="timed out"))
    assert watched.lines.pop().startswith("publish: 1 result was refused"), "one got through"
    assert not watched.lines
    watched.look(after=UNREACHED)
    watched.look(after=UNREACHED)
    assert watched.lines == [
        "publish: nothing gets through to http://host/hook?… (timed out); it keeps trying"
    ]


def test_nothing_is_said_of_a_relay_that_gets_on(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    for sent in range(3):
        watched.look(Cursor(sent=sent), after=UNREACHED)
    watched.look(after=UNREACHED)
    assert not watched.lines
