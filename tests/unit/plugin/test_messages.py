from __future__ import annotations

from pathlib import Path
from shlex import split

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.process import DeliveryReport
from pytest_publish.delivery.process import RelayProcess
from pytest_publish.plugin.messages import header
from pytest_publish.plugin.messages import sent
from pytest_publish.plugin.messages import strictly_failed
from pytest_publish.plugin.messages import undelivered
from pytest_publish.plugin.settings import Settings


URL = "http://user:hunter2@host/hook?token=hunter2"


def settings_for(folder: Path, *urls: str) -> Settings:
    return Settings(
        folder,
        deliveries=tuple(DeliveryConfig(url) for url in urls),
        outbox_folder=folder,
    )


def relay_in(folder: Path, url: str = URL) -> RelayProcess:
    return RelayProcess(folder, "a", DeliveryConfig(url))


def test_what_was_sent_is_told_without_secrets(tmp_path: Path) -> None:
    outcome = DeliveryReport(sent=1, refused=0, waiting=0, reason="", refusal="")
    relay = relay_in(tmp_path)
    assert sent(relay, outcome, Settings(tmp_path)) == "1 result sent to http://host/hook?…"
    read = Settings(tmp_path, events=True)
    assert sent(relay, outcome, read) == "1 result or event sent to http://host/hook?…"


def test_what_is_counted_are_events_too(tmp_path: Path) -> None:
    found = DeliveryReport(0, refused=2, waiting=1, reason="no", refusal="401 No")
    read = Settings(tmp_path, events=True)
    lines = list(undelivered(relay_in(tmp_path), found, read))
    assert [line.partition(" (")[0] for line in lines[::2]] == [
        "publish: 2 results and events were refused by http://host/hook?…",
        "publish: 1 result or event waits to be sent to http://host/hook?…",
    ]
    assert strictly_failed(3, read) == (
        "publish: 3 results and events not delivered (--publish-strict)"
    )


def test_what_waits_and_what_was_refused_comes_with_the_command_that_sends_it(
    tmp_path: Path,
) -> None:
    found = DeliveryReport(0, refused=1, waiting=2, reason="Connection refused", refusal="401 No")
    relay = relay_in(tmp_path / "my cache", "http://host/")
    assert list(undelivered(relay, found, Settings(tmp_path))) == [
        "publish: 1 result was refused by http://host/ (401 No) and set aside; send with:",
        "  pytest-publish send 'my cache/a.refused.jsonl' --to http://host/",
        "publish: 2 results wait to be sent to http://host/ (Connection refused); send with:",
        "  pytest-publish send 'my cache/a.jsonl' --to http://host/",
    ]


def test_a_command_holds_no_secret(tmp_path: Path) -> None:
    found = DeliveryReport(0, refused=1, waiting=2, reason="no", refusal="no")
    lines = list(undelivered(relay_in(tmp_path), found, Settings(tmp_path)))
    assert lines[1::2] == [
        "  pytest-publish send a.refused.jsonl --to URL",
        "  pytest-publish send a.jsonl --to URL",
    ]
    assert "hunter2" not in "".join(lines)


@pytest.mark.parametrize("count", [1, 2])
def test_the_header_says_what_earlier_runs_left_and_how_to_send_it(
    tmp_path: Path, count: int
) -> None:
    folder = tmp_path / "my cache"
    waiting = [folder / f"{number}.jsonl" for number in range(count)]
    refused = [folder / f"{number}.refused.jsonl" for number in range(count)]
    places, *left = header(settings_for(tmp_path, URL), waiting, refused)
    assert places == "publish: http://host/hook?…"
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


@given(st.text(st.characters(exclude_characters="/.\0", exclude_categories=["Cs"]), min_size=1))
def test_a_command_is_read_by_a_shell_as_it_was_meant(name: str) -> None:
    folder = Path("/project")
    read = settings_for(folder)
    *_, command = header(read, [folder / "outbox" / name], [])
    assert split(command) == ["pytest-publish", "send", f"outbox/{name}", "--to", "URL"]
