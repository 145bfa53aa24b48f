"""What can be POSTed to the board, and what it answers."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from boards import Board
from published import key
from published import Object
from published import Session
from pytest_publish.board.ingest import MAX_BYTES


NODEIDS = [f"test_shop.py::TestSell::test_sell[{fruit}]" for fruit in ("apples", "pears", "plums")]


def whole(session: Session) -> list[Object]:
    """A session of three tests, of which one is run again, and one fails."""
    one, two, three = NODEIDS
    return [
        session.start(),
        session.collected(NODEIDS),
        session.test_start(one, "gw0"),
        session.test_start(two, "gw1"),
        session.result(one, "rerun", "gw0"),
        session.test_start(one, "gw0", 2),
        session.result(two, "failed", "gw1"),
        session.result(one, "passed", "gw0", attempt=2),
        session.test_start(three, "gw1"),
        session.result(three, "skipped", "gw1"),
        session.finish(),
    ]


def test_what_was_posted_comes_back_byte_for_byte(board: Board) -> None:
    session = Session()
    alone, first, second = (session.result(nodeid) for nodeid in NODEIDS)
    spaced = json.dumps(alone, indent=1).encode()
    assert board.send(spaced, path="/any/path?at=all").status_code == 204
    packed = gzip.compress(json.dumps([first, second], separators=(",", ":")).encode())
    assert board.send(packed, Content_Encoding="gzip").status_code == 204
    found = {
        result["seq"]: board.session.get(f"{board.url}/api/results/{key(result)}").content
        for result in (alone, first, second)
    }
    assert found[0] == spaced
    assert found[1] == json.dumps(first, separators=(",", ":")).encode()
    assert json.loads(found[2]) == second


@pytest.mark.parametrize(
    ("content", "headers", "status", "reason"),
    [
        (b"{}", {"Content_Type": "text/plain"}, 415, "application/json"),
        (b"a=b", {"Content_Type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        (b"[]", {"Content_Encoding": "br"}, 415, "'br'"),
        (b"{", {}, 400, "not JSON"),
        (b"[" * 100_000, {}, 400, "not JSON"),
        (b"\xff", {}, 400, "not JSON"),
        (b"3", {}, 400, "neither an object nor an array"),
        (b"[3]", {}, 400, "object 0 of the array is no object"),
        (b"[]", {"Content_Encoding": "gzip"}, 400, "not gzip"),
        (gzip.compress(b"[]" * 999, mtime=0)[:20], {"Content_Encoding": "gzip"}, 400, "cut short"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
def test_what_is_no_json_object_is_refused_with_one_line(
    board: Board, content: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    answer = board.send(content, **headers)
    assert (answer.status_code, answer.text.count("\n")) == (status, 1)
    assert reason in answer.text


def test_what_unpacks_to_more_than_may_be_sent_is_refused_with_one_line(board: Board) -> None:
    packed = gzip.compress(b" " * (MAX_BYTES + 1), compresslevel=1)
    answer = board.send(packed, Content_Encoding="gzip")
    assert (answer.status_code, answer.text.count("\n")) == (413, 1)
    assert "more than" in answer.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": None},
        {"session_id": 3},
        {"run_id": None},
        {"seq": "1"},
        {"seq": -1},
        {"seq": 1 << 63},
        {"nodeid": ["a"]},
        {"outcome": None},
        {"start_time": "now"},
        {"xdist_worker": {"a": 1}},
        {"attempt": 1 << 63},
        {"excinfo": "text"},
        {"phases": {"when": "call"}},
        {"phases": ["call"]},
        {"file": 3},
    ],
    ids=str,
)
def test_an_object_that_is_no_result_is_refused_and_named(board: Board, wrong: Object) -> None:
    session = Session()
    good = session.result(NODEIDS[0])
    answer = board.send(json.dumps([good, {**session.result(NODEIDS[1]), **wrong}]).encode())
    assert (answer.status_code, answer.text.count("\n")) == (400, 1)
    assert "object 1 of the array" in answer.text
    assert next(iter(wrong)) in answer.text
    # All of a POST is taken, or nothing.
    assert board.session.get(f"{board.url}/api/results/{key(good)}").status_code == 404


def test_unknown_types_and_fields_are_kept_and_ignored(board: Board) -> None:
    session = Session()
    odd = {**session.start(), "type": "coffee", "time": "noon"}
    board.post(odd, session.result(NODEIDS[0], colour="blue"))
    assert board.get(f"/api/results/{key(odd)}") == odd
    assert board.run(session.run_id)["done"] == 1


def test_nothing_is_posted_below_api_and_nothing_is_read_elsewhere(board: Board) -> None:
    assert board.send(b"[]", path="/api").status_code == 404
    assert board.send(b"[]", path="/api/runs").status_code in {404, 405}
    assert "the page is at /" in board.session.get(f"{board.url}/test-update").text


def test_a_run_is_told_as_a_whole(board: Board) -> None:
    session = Session()
    board.post(*whole(session))
    newest = board.get("/api/runs", limit="1")[0]
    run = board.run(session.run_id)
    assert run.pop("running") == []
    assert newest == run
    assert run["state"] == "finished"
    assert (run["total"], run["done"]) == (3, 3)
    assert run["outcomes"] == {"rerun": 1, "failed": 1, "passed": 1, "skipped": 1}
    assert (run["started"], run["stopped"]) == (session.begin, session.now)
    (told,) = run["sessions"]
    assert told["exitstatus"] == 1
    assert told["metadata"]["commit"] == "3f2c1a"


def test_results_that_come_twice_late_or_out_of_order_change_nothing(board: Board) -> None:
    ordered = Session()
    board.post(*whole(ordered))
    expected = stable(board.run(ordered.run_id))
    for seed in range(5):
        session = Session(begin=ordered.begin)
        objects = whole(session)
        random.Random(seed).shuffle(objects)
        for one in itertools.chain(objects, objects):
            board.post(one)
        assert stable(board.run(session.run_id)) == expected


def stable(run: Any) -> Any:
    """Return of a run what does not depend on when and as what it ran."""
    (session,) = run["sessions"]
    for told in (run, session):
        for name in ("id", "run_id", "session_id", "progress"):
            told.pop(name, None)
    return run


def test_what_runs_is_told_with_its_worker_and_since_when(board: Board) -> None:
    session = Session()
    objects = whole(session)
    board.post(*objects[:5])
    run = board.run(session.run_id)
    assert run["state"] == "running"
    assert [(one["worker"], one["nodeid"]) for one in run["running"]] == [("gw1", NODEIDS[1])]
    board.post(*objects[5:7])
    (running,) = board.run(session.run_id)["running"]
    assert (running["worker"], running["attempt"]) == ("gw0", 2)
    assert running["since"] == objects[5]["start_time"]


def test_how_far_a_run_is_goes_by_earlier_durations(board: Board) -> None:
    project = "progress"
    before = Session(project)
    long, short, _other = NODEIDS
    board.post(before.result(long, duration=9.0), before.result(short, duration=1.0))
    session = Session(project)
    board.post(session.start(), session.collected([long, short]))
    assert board.run(session.run_id)["progress"] == 0
    board.post(session.result(long, duration=8.0))
    assert board.run(session.run_id)["progress"] == pytest.approx(0.9)
    board.post(session.result(short))
    assert board.run(session.run_id)["progress"] == 1


def test_a_run_says_how_it_ended_and_what_did_not_run(board: Board) -> None:
    for reason, exitstatus in (("killed", None), ("interrupted", 2)):
        session = Session()
        start = [session.start(), session.collected(NODEIDS), session.result(NODEIDS[0])]
        board.post(*start, session.test_start(NODEIDS[1]), session.finish(reason, exitstatus))
        run = board.run(session.run_id)
        assert run["state"] == reason
        # What ran when it died is what people look for.
        assert [one["nodeid"] for one in run["running"]] == [NODEIDS[1]]
        assert board.get(f"/api/runs/{session.run_id}/not-run") == NODEIDS[1:]


def test_a_run_without_an_end_is_silent_after_a_while(board: Board) -> None:
    session = Session(begin=time.time() - 9000)
    board.post(session.start(), session.result(NODEIDS[0]))
    assert board.run(session.run_id)["state"] == "silent"
    board.post({**session.finish(), "time": session.now})
    assert board.run(session.run_id)["state"] == "finished"


def test_shards_of_a_run_are_joined_and_projects_told_apart(board: Board) -> None:
    run_id = "ci/main 7"
    one, two, other = Session("a", run_id), Session("a", run_id), Session("b", run_id)
    for session, nodeid in zip((one, two, other), NODEIDS, strict=True):
        board.post(session.start(), session.collected([nodeid]), session.result(nodeid))
    board.post(one.finish())
    shards = board.run(run_id, project="a")
    assert (shards["total"], shards["done"], len(shards["sessions"])) == (2, 2, 2)
    assert shards["state"] == "running"
    assert board.run(run_id, project="b")["done"] == 1
    assert [row["nodeid"] for row in board.results(run_id, project="a")] == NODEIDS[:2]


def test_what_comes_before_its_project_is_told_ends_up_in_its_run(board: Board) -> None:
    run_id = "told late"
    first, second = Session("late", run_id), Session("late", run_id)
    collected = [session.collected(NODEIDS) for session in (first, second)]
    board.post(*collected)
    board.post(first.start())
    board.post(second.start(), second.result(NODEIDS[0]))
    runs = [run for run in board.get("/api/runs") if run["run_id"] == run_id]
    assert [(run["project"], run["total"]) for run in runs] == [("late", 6)]


def test_rows_are_found_by_outcome_worker_scope_and_text(board: Board) -> None:
    session = Session()
    objects = whole(session)
    scoped = session.result("test_a.py::test_%_[']", "error", None, xdist_scope="data")
    board.post(*objects, scoped)

    def found(**asked: str) -> list[str]:
        return [row["nodeid"] for row in board.results(session.run_id, **asked)]

    one, two, three = NODEIDS
    assert found() == [one, two, one, three, scoped["nodeid"]]
    assert found(outcome="failed,skipped") == [two, three]
    assert found(worker="gw0") == [one, one]
    assert found(worker="") == [scoped["nodeid"]]
    assert found(scope="data") == [scoped["nodeid"]]
    assert found(text="PEARS") == [two]
    assert found(text="%_['") == [scoped["nodeid"]]
    assert found(text="sold more", outcome="failed") == [two]
    first = board.get(f"/api/runs/{session.run_id}/results", limit="2")
    rest = board.results(session.run_id, after=str(first["next"]))
    assert [row["nodeid"] for row in rest] == [one, three, scoped["nodeid"]]


@pytest.mark.parametrize(
    "path",
    [
        "/api/runs?limit=²&before=0",
        f"/api/runs?limit={'9' * 5000}",
        "/api/runs/none",
        "/api/runs/none/results?after=-1&limit=x",
        f"/api/runs/none/results?after={'9' * 30}",
        "/api/results/none-3",
        f"/api/results/none-{'9' * 30}",
        "/api/results/none",
        "/api/runs?before=soon",
        f"/api/runs/{quote('../../etc/passwd', safe='')}",
    ],
    ids=lambda path: path[:40],
)
def test_a_question_that_makes_no_sense_is_no_fault_of_the_board(board: Board, path: str) -> None:
    assert board.session.get(board.url + path).status_code < 500


def test_the_stream_tells_what_changes_and_catches_up(board: Board) -> None:
    session, other = Session(), Session()
    board.post(session.result(NODEIDS[0]), other.result(NODEIDS[0]))
    with board.stream(run=session.run_id) as events:
        assert abs(next(events).data["now"] - time.time()) < 60
        assert next(events).data[0]["run_id"] == session.run_id
        rows = next(events)
        assert [row[2] for row in rows.data] == NODEIDS[:1]
        board.post(session.result(NODEIDS[1]), other.result(NODEIDS[1]))
        assert {run["run_id"] for run in next(events).data} == {session.run_id, other.run_id}
        # Only what is new, and only of the run that is shown.
        assert [row[2] for row in next(events).data] == NODEIDS[1:2]
    board.post(session.result(NODEIDS[2]))
    with board.stream(run=session.run_id, after=int(rows.id or 0)) as events:
        missed = list(itertools.islice(events, 3))[-1]
        assert [row[2] for row in missed.data] == NODEIDS[1:]


def test_a_page_that_missed_too_much_is_told_to_load_anew(board: Board) -> None:
    session = Session()
    first = session.result("test_a.py::test")
    board.post(*({**first, "seq": seq} for seq in range(5_001)))
    with board.stream(run=session.run_id) as events:
        assert [next(events).name for _ in range(2)] == ["hello", "reset"]


def test_a_stop_is_told_and_all_is_there_after_a_restart(
    start_board: Callable[..., Board],
) -> None:
    board = start_board()
    session = Session()
    board.post(*whole(session))
    run = board.run(session.run_id)
    with board.stream(run=session.run_id) as events:
        next(events)
        assert board.stop() == 0
        assert [event.name for event in events][-1] == "bye"
    again = start_board(port=board.port)
    assert again.run(session.run_id) == run
    assert len(again.results(session.run_id)) == 4
