from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_publish.delivery.outbox import Header
from pytest_publish.delivery.outbox import Outbox
from pytest_publish.delivery.outbox import OutboxWriter
from pytest_publish.delivery.will import append_will
from pytest_publish.delivery.will import executed


WILL: dict[str, Any] = {"type": "the_end", "session_id": "s", "seq": 0, "time": 10.0, "why": "dead"}


def line(seq: int, kind: str = "result", padding: int = 0) -> bytes:
    told = {"type": kind, "session_id": "s", "seq": seq, "text": "x" * padding}
    return json.dumps(told).encode()


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "20260102T030405Z-01234567.jsonl")


@pytest.fixture
def writer(outbox: Outbox) -> OutboxWriter:
    return OutboxWriter(outbox, Header("u", True, WILL))


def last_of(path: Path) -> dict[str, Any]:
    last: dict[str, Any] = json.loads(path.read_bytes().splitlines()[-1])
    return last


@pytest.mark.parametrize("padding", [0, 70_000, 400_000])
@pytest.mark.parametrize("end", [b"", b"\n", b'{"type":"resu'])
def test_a_will_follows_the_last_whole_line(
    outbox: Outbox, writer: OutboxWriter, padding: int, end: bytes
) -> None:
    for seq in range(3):
        writer.append(line(seq, padding=padding))
    with outbox.path.open("ab") as file:
        file.write(end)
    for now in (12.5, 99.0):  # whoever comes second finds it done
        append_will(outbox, now)
    assert outbox.path.read_bytes().count(b'"the_end","session_id":"s","seq":3') == 1
    last = last_of(outbox.path)
    assert last == WILL | {"seq": 3, "time": 12.5, "duration": 2.5}
    assert executed(outbox, 100.0) is None


@pytest.mark.usefixtures("writer")
def test_a_will_of_a_run_that_published_nothing_is_the_first(outbox: Outbox) -> None:
    told = executed(outbox, WILL["time"])
    assert told is not None
    assert json.loads(told) == WILL | {"duration": 0.0}
    append_will(outbox, 5.0)  # a clock that went back
    assert (last_of(outbox.path)["seq"], last_of(outbox.path)["duration"]) == (0, 0.0)


def test_a_run_that_ended_leaves_no_will(outbox: Outbox, writer: OutboxWriter) -> None:
    writer.append(line(0, "the_end"))
    writer.end()
    before = outbox.path.read_bytes()
    append_will(outbox, 12.0)
    assert outbox.path.read_bytes() == before


@pytest.mark.parametrize("will", [None, {}, {"type": 1, "time": 1}, {"type": "x", "time": "1"}, 7])
def test_what_is_no_will_is_none(outbox: Outbox, will: Any) -> None:
    OutboxWriter(outbox, Header("u", True, will))
    append_will(outbox, 1.0)
    assert outbox.path.read_bytes().count(b"\n") == 1


@pytest.mark.usefixtures("writer")
def test_refused_results_have_no_will(outbox: Outbox) -> None:
    outbox.set_aside(line(0))
    header = outbox.refused.header()
    assert header is not None
    assert (header.url, header.will) == ("u", None)


@given(st.binary())
def test_whatever_a_dying_run_wrote_stays_and_the_will_follows_it_once(tail: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outbox = Outbox(Path(folder, "20260102T030405Z-01234567.jsonl"))
        OutboxWriter(outbox, Header("u", True, WILL)).append(line(0))
        with outbox.path.open("ab") as file:
            file.write(tail)
        before = outbox.path.read_bytes()
        append_will(outbox, 12.0)
        after = outbox.path.read_bytes()
        append_will(outbox, 13.0)
        assert outbox.path.read_bytes() == after
    assert after.startswith(before)
    assert after[len(before) :].lstrip(b"\n").startswith(b'{"type":"the_end",')
