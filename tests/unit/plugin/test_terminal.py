from __future__ import annotations

from pathlib import Path

import pytest

from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.cursor import Cursor
from pytest_publish.delivery.cursor import CursorFile
from pytest_publish.delivery.process import DeliveryReport
from pytest_publish.delivery.process import RelayProcess
from pytest_publish.plugin.problems import Problems
from pytest_publish.plugin.settings import Settings
from pytest_publish.plugin.terminal import header
from pytest_publish.plugin.terminal import LOOK
from pytest_publish.plugin.terminal import PATIENCE
from pytest_publish.plugin.terminal import Progress
from pytest_publish.plugin.terminal import REPEAT
from pytest_publish.plugin.terminal import Screen
from pytest_publish.plugin.terminal import totals
from pytest_publish.plugin.terminal import undelivered
from pytest_publish.plugin.terminal import UNREACHED
from pytest_publish.plugin.terminal import Watch


class FakeTerminal:
    """Keeps what is written; stands in for pytest's reporter and its writer."""

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

    @property
    def screen(self) -> Screen:
        return Screen(self, self)


URL = "http://user:hunter2@host/hook?token=hunter2"


def settings_for(folder: Path, *urls: str, pubdir: Path | None = None) -> Settings:
    return Settings(
        pubdir=pubdir,
        shown_pubdir="" if pubdir is None else pubdir.name,
        scheme="name",
        which="all",
        deliveries=tuple(DeliveryConfig(url) for url in urls),
        outbox_folder=folder,
        run_id=None,
        strict=False,
        warning=None,
    )


def delivery_in(folder: Path, url: str = URL) -> RelayProcess:
    return RelayProcess(folder, "a", DeliveryConfig(url))


def test_each_kind_of_trouble_is_one_line_with_its_count_and_its_first_case() -> None:
    problems = Problems()
    assert not problems
    problems.add("can't write", OSError(28, "No space left on device"))
    problems.add("can't write", OSError(13, "Permission denied"))
    problems.add("a hook raised", ValueError("oh"))
    assert problems
    assert list(problems.lines()) == [
        "publish: can't write (2 times): No space left on device",
        "publish: a hook raised: ValueError: oh",
    ]


def test_the_totals_name_each_goal_and_no_secret(tmp_path: Path) -> None:
    outcome = DeliveryReport(sent=1, refused=0, waiting=0, reason="", refusal="")
    read = settings_for(tmp_path, URL, pubdir=tmp_path / "tree")
    assert totals(read, 2, [(URL, outcome)]) == [
        "1 result sent to http://host/hook?…",
        "2 results written to tree",
    ]


def test_the_totals_are_a_title_where_there_is_room() -> None:
    terminal = FakeTerminal(fullwidth=40)
    terminal.screen.title(["1 result sent to h", "2 written"])
    assert terminal.text == "publish: 1 result sent to h\npublish: 2 written\n"
    terminal = FakeTerminal(fullwidth=42)
    terminal.screen.title(["1 result sent to h", "2 written"])
    assert terminal.text == "- publish: 1 result sent to h, 2 written -\n"


def test_what_waits_and_what_was_refused_is_told_with_the_command_that_sends_it(
    tmp_path: Path,
) -> None:
    found = DeliveryReport(0, refused=1, waiting=2, reason="Connection refused", refusal="401 No")
    delivery = delivery_in(tmp_path / "my cache", "http://host/")
    assert list(undelivered(delivery, found, tmp_path)) == [
        "publish: 1 result was refused by http://host/ (401 No) and set aside; send with:",
        "  pytest-publish send 'my cache/a.refused.jsonl' --to http://host/",
        "publish: 2 results wait to be sent to http://host/ (Connection refused); send with:",
        "  pytest-publish send 'my cache/a.jsonl' --to http://host/",
    ]


def test_a_command_holds_no_secret(tmp_path: Path) -> None:
    found = DeliveryReport(0, refused=1, waiting=2, reason="no", refusal="no")
    lines = list(undelivered(delivery_in(tmp_path), found, tmp_path))
    assert lines[1::2] == [
        "  pytest-publish send a.refused.jsonl --to URL",
        "  pytest-publish send a.jsonl --to URL",
    ]
    assert "hunter2" not in "".join(lines)


@pytest.mark.parametrize("count", [1, 2])
def test_the_header_tells_what_earlier_runs_left_and_how_to_send_it(
    tmp_path: Path, count: int
) -> None:
    folder = tmp_path / "my cache"
    waiting = [folder / f"{number}.jsonl" for number in range(count)]
    refused = [folder / f"{number}.refused.jsonl" for number in range(count)]
    goals, *left = header(settings_for(folder, URL), waiting, refused, tmp_path)
    assert goals == "publish: http://host/hook?…"
    if count == 1:
        assert left == [
            "publish: 1 outbox of an earlier run waits to be sent; send with:",
            "  pytest-publish send 'my cache/0.jsonl' --to URL",
            "publish: 1 file of refused results waits to be sent or deleted; send with:",
            "  pytest-publish send 'my cache/0.refused.jsonl' --to URL",
        ]
    else:
        assert left == [
            "publish: 2 outboxes of earlier runs wait to be sent; send with:",
            "  pytest-publish send 'my cache' --to URL",
            "publish: 2 files of refused results wait to be sent or deleted; send with:",
            "  pytest-publish send 'my cache'/*.refused.jsonl --to URL",
        ]


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
    progress = Progress(terminal.screen, lambda: now, grace=10.0)
    progress.show(URL, 5)
    assert not terminal.text
    now = PATIENCE
    progress.show(URL, 0)
    assert not terminal.text
    progress.show(URL, 5)
    progress.show(URL, 4)
    told = "http://host/hook?…"
    if isatty:
        assert f"publish: 5 to send, gives up in 10 s (Ctrl-C: now): {told}" in terminal.text
    else:
        limit = "gives up in 10 s if none arrives"
        assert terminal.text == f"publish: 5 results to be sent to {told}; {limit}\n"
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
    progress = Progress(terminal.screen, lambda: now, grace=10.0)
    now = PATIENCE
    progress.show(URL + "/long" * 20, 5)
    assert len(terminal.text.strip("\r")) == 59
    assert "gives up in 9 s (Ctrl-C: now)" in terminal.text


def test_under_q_only_a_long_wait_is_told() -> None:
    now = 0.0
    terminal = FakeTerminal()
    progress = Progress(terminal.screen, lambda: now, grace=10.0, is_quiet=True)
    now = REPEAT - 1
    progress.show(URL, 5)
    assert not terminal.text
    now = REPEAT
    progress.show(URL, 5)
    assert "5 results to be sent" in terminal.text


class Watched:
    """A watch over one relay, whose mark and clock a test sets."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.now = 100.0
        self._delivery = delivery_in(folder)
        self._marks = CursorFile(self._delivery.outbox)
        self._watch = Watch(self.lines.append, lambda: self.now)

    def look(self, cursor: Cursor | None = None, after: float = LOOK) -> None:
        self.now += after
        if cursor is not None:
            self._marks.write(cursor)
        self._watch.look([self._delivery])


def test_a_refusal_is_told_at_once_and_once(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.look()
    watched.look(Cursor(refused=2, refusal="401 No"), after=LOOK / 2)
    assert not watched.lines, "looked at too often"
    watched.look(after=LOOK / 2)
    watched.look(Cursor(refused=3, refusal="401 No"))
    assert watched.lines == ["publish: 2 results were refused by http://host/hook?… (401 No)"]


def test_an_endpoint_that_can_not_be_reached_is_told_once_when_it_has_lasted(
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
        "publish: nothing gets through to http://host/hook?… (timed out); it goes on trying"
    ]


def test_a_relay_that_gets_on_is_not_told_of(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    for sent in range(3):
        watched.look(Cursor(sent=sent), after=UNREACHED)
    watched.look(after=UNREACHED)
    assert not watched.lines
