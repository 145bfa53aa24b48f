from __future__ import annotations

from pathlib import Path

import pytest

from pytest_publish import summary
from pytest_publish.delivery import Delivered


class FakeTerminal:
    """Keeps what is written, as a terminal or as a file."""

    def __init__(self, *, isatty: bool) -> None:
        self.isatty = isatty
        self.text = ""

    def write(self, content: str, *, flush: bool = False, **markup: bool) -> None:
        self.text += content

    def write_line(self, line: str, **markup: bool) -> None:
        self.text += f"{line}\n"

    def write_sep(self, sep: str, title: str, **markup: bool) -> None:
        self.text += f"{sep} {title} {sep}\n"


URL = "http://user:hunter2@host/hook?token=hunter2"


def test_each_kind_of_trouble_is_one_line_with_its_count_and_its_first_case() -> None:
    troubles = summary.Troubles()
    assert not troubles
    troubles.add("can't write", OSError(28, "No space left on device"))
    troubles.add("can't write", OSError(13, "Permission denied"))
    troubles.add("a hook raised", ValueError("oh"))
    assert troubles
    assert list(troubles.lines()) == [
        "publish: can't write (2 times): No space left on device",
        "publish: a hook raised: ValueError: oh",
    ]


def test_the_totals_name_each_goal_and_no_secret() -> None:
    outcome = Delivered(sent=1, refused=0, waiting=0, reason="", refusal="")
    assert summary.totals(2, Path("/tree"), [(URL, outcome)]) == (
        "publish: 1 result sent to http://host/hook?…, 2 results written to /tree"
    )


def test_what_waits_is_told_with_the_command_that_sends_it() -> None:
    outcome = Delivered(sent=0, refused=0, waiting=2, reason="Connection refused", refusal="")
    outbox, refused = Path("/my cache/a.jsonl"), Path("/my cache/a.refused.jsonl")
    (line,) = summary.undelivered("http://host/", outcome, outbox, refused)
    waiting, command = line.split("; send with: ")
    assert waiting == "publish: 2 results wait to be sent to http://host/ (Connection refused)"
    assert command == "pytest-publish send '/my cache/a.jsonl' --to http://host/"


def test_what_was_refused_is_told_with_the_reason_and_the_file() -> None:
    outcome = Delivered(sent=0, refused=1, waiting=0, reason="", refusal="401 Unauthorized")
    outbox, refused = Path("/a.jsonl"), Path("/a.refused.jsonl")
    (line,) = summary.undelivered("http://host/", outcome, outbox, refused)
    assert line.startswith("publish: 1 result was refused by http://host/ (401 Unauthorized)")
    assert line.endswith("set aside in /a.refused.jsonl")


@pytest.mark.parametrize("isatty", [True, False])
def test_progress_is_shown_only_to_who_waits(isatty: bool) -> None:
    now = 0.0
    terminal = FakeTerminal(isatty=isatty)
    progress = summary.Progress(terminal, lambda: now)
    progress.show(URL, 5)
    assert not terminal.text
    now = summary.PATIENCE
    progress.show(URL, 0)
    assert not terminal.text
    progress.show(URL, 5)
    progress.show(URL, 4)
    assert terminal.text.count("results to be sent to http://host/hook?…") == 1
    now += summary.REPEAT
    progress.show(URL, 1)
    progress.close()
    assert "1 result to be sent" in terminal.text
    assert ("\r" in terminal.text) == isatty
    assert terminal.text.endswith("\n")
