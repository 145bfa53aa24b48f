from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_publish.delivery.locks import WriterLock
from pytest_publish.delivery.outbox import Header
from pytest_publish.delivery.outbox import Outbox
from pytest_publish.delivery.outbox import OutboxWriter
from pytest_publish.delivery.published import lines_in
from pytest_publish.delivery.published import published_in


WILL = {"type": "session_finish", "reason": "killed", "session_id": "0a1b2c3d", "time": 1.0}


def result(seq: int, stop_time: float = 2.0) -> dict[str, Any]:
    return {"type": "result", "session_id": "0a1b2c3d", "seq": seq, "stop_time": stop_time}


def seqs(path: Path) -> list[int]:
    return [json.loads(body)["seq"] for body in published_in(path)]


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    outbox = Outbox(tmp_path / "20261123T010203Z-0a1b2c3d.jsonl")
    writer = OutboxWriter(outbox, Header.for_url("http://localhost/", WILL))
    writer.append(json.dumps(result(0)).encode())
    return outbox


def test_a_dead_runs_end_is_told_and_nothing_is_changed(outbox: Outbox) -> None:
    before = outbox.path.read_bytes()
    *others, end = published_in(outbox.path)
    assert len(others) == 1
    ended = outbox.path.stat().st_mtime
    assert json.loads(end) == {**WILL, "seq": 1, "time": ended, "duration": ended - 1}
    assert outbox.path.read_bytes() == before
    assert list(outbox.path.parent.iterdir()) == [outbox.path]


def test_a_run_that_still_writes_has_no_end(outbox: Outbox) -> None:
    lock = WriterLock(outbox)
    assert seqs(outbox.path) == [0]
    lock.release()
    assert seqs(outbox.path) == [0, 1]


def test_an_outbox_that_was_moved_is_read_as_it_is(outbox: Outbox, tmp_path: Path) -> None:
    moved = outbox.path.rename(tmp_path / "log")
    assert seqs(moved) == [0, 1]
    moved.write_bytes(moved.read_bytes() + b'{"type": "session_fin')
    assert seqs(moved) == [0, 1]


def test_a_folder_has_its_outboxes_and_then_its_results_by_time(
    outbox: Outbox, tmp_path: Path
) -> None:
    for name, number, time in (("a/0.pass", 3, 9.0), ("b/0.pass", 2, 5.0), ("b/.1.tmp", 4, 1.0)):
        folder = tmp_path / "tree" / name
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps(result(number, time), indent=1), "utf-8")
    assert seqs(tmp_path) == [0, 1, 2, 3]
    assert seqs(tmp_path / "tree/a/0.pass/result.json") == [3]


@pytest.mark.parametrize("separators", [(",\n", ":"), (",", ":\n")])
def test_a_result_of_several_lines_is_one_however_they_are_broken(
    tmp_path: Path, separators: tuple[str, str]
) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result(3), separators=separators), "utf-8")
    ((body, key),) = lines_in(path)
    assert (json.loads(body), key) == (result(3), "0a1b2c3d-3")
    assert b"\n" not in body
