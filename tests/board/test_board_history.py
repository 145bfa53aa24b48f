"""What the board tells across runs, asked over HTTP."""

from __future__ import annotations

import itertools
import random
import time
import uuid
from typing import Any

import pytest

from boards import Board
from published import key
from published import Object
from published import Session


NODEIDS = [f"test_shop.py::test_{name}" for name in ("buy", "sell", "ship", "pay")]
BUY, SELL, SHIP, PAY = NODEIDS
DAY = 86_400.0


@pytest.fixture
def project() -> str:
    return f"history-{uuid.uuid4().hex}"


class Runs:
    """Makes runs of one project, each a day after the one before."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.begin = time.time() - 40 * DAY
        self.sessions: list[Session] = []

    def run(self, commit: str | None = None, **outcomes: str) -> list[Object]:
        """Return the objects of a run; several outcomes of a test are its attempts."""
        begin = self.begin + DAY * len(self.sessions)
        session = Session(self.project, begin=begin)
        self.sessions.append(session)
        objects = [{**session.start(), "metadata": {"commit": commit or session.run_id}}]
        objects.append(session.collected([f"test_shop.py::test_{name}" for name in outcomes]))
        for name, attempts in outcomes.items():
            for attempt, outcome in enumerate(attempts.split(), 1):
                nodeid = f"test_shop.py::test_{name}"
                objects.append(session.result(nodeid, outcome, attempt=attempt))
        return [*objects, session.finish()]

    def __getitem__(self, number: int) -> Session:
        return self.sessions[number]


def changes(board: Board, session: Session) -> Any:
    return board.get(f"/api/runs/{session.run_id}/changes")


def marks(board: Board, session: Session) -> dict[str, tuple[str, str | None]]:
    """Return each failure's mark, and the run since which it fails."""
    failures = changes(board, session)["failures"]
    return {
        nodeid.rpartition("_")[2]: (told["mark"], told["since"] and told["since"]["run_id"])
        for nodeid, told in failures.items()
    }


def test_failures_are_new_old_or_flaky(board: Board, project: str) -> None:
    runs = Runs(project)
    for objects in (
        runs.run(buy="passed", sell="passed", ship="failed", pay="passed"),
        runs.run(buy="passed", sell="failed", ship="failed", pay="passed"),
        runs.run(buy="failed", sell="error", ship="skipped", pay="rerun passed"),
        runs.run(buy="passed", sell="failed", ship="failed", pay="passed"),
    ):
        board.post(*objects)
    first, second, third, fourth = (session.run_id for session in runs.sessions)
    assert marks(board, runs[0]) == {"ship": ("new", None)}
    assert marks(board, runs[1]) == {"sell": ("new", None), "ship": ("failing", first)}
    assert marks(board, runs[2]) == {
        "buy": ("new", None),
        "sell": ("failing", second),
        "pay": ("flaky", None),
    }
    # A skip neither mends nor breaks.
    assert marks(board, runs[3]) == {"sell": ("failing", second), "ship": ("failing", first)}
    told = changes(board, runs[3])
    assert [(one["nodeid"], one["since"]["run_id"]) for one in told["mended"]] == [(BUY, third)]
    passed = board.get(f"/api/results/{told['mended'][0]['key']}")
    assert (passed["nodeid"], passed["outcome"], passed["run_id"]) == (BUY, "passed", fourth)
    assert told["before"]["run_id"] == third
    assert changes(board, runs[0])["before"] is None


def test_what_changes_within_a_commit_is_flaky(board: Board, project: str) -> None:
    runs = Runs(project)
    board.post(*runs.run("3f2c", buy="passed", sell="passed"))
    board.post(*runs.run("3f2c", buy="failed", sell="passed"))
    board.post(*runs.run("77aa", buy="passed", sell="failed"))
    assert marks(board, runs[1])["buy"][0] == "flaky"
    assert marks(board, runs[2])["sell"][0] == "new"
    (flaky,) = board.get("/api/flaky", project=project)["tests"]
    assert (flaky["nodeid"], flaky["changed"], flaky["reruns"]) == (BUY, 1, 0)
    assert (flaky["outcomes"], flaky["flips"], flaky["runs"]) == ("pfp", 2, 3)
    assert flaky["last"]["run_id"] == runs[2].run_id
    assert board.get(f"/api/results/{flaky['last']['key']}")["nodeid"] == BUY


def test_order_of_arrival_changes_nothing(board: Board, project: str) -> None:
    answers = []
    for seed in range(3):
        runs = Runs(f"{project}-{seed}")
        objects = [
            runs.run("1", buy="passed", sell="rerun passed", ship="failed"),
            runs.run("2", buy="failed", sell="passed", ship="failed"),
            runs.run("2", buy="passed", sell="failed", pay="passed"),
            runs.run("3", buy="failed", sell="passed", ship="passed"),
        ]
        sent = list(itertools.chain.from_iterable(objects))
        if seed:
            random.Random(seed).shuffle(sent)
        board.post(*sent, *sent[:5])
        names = {session.run_id: number for number, session in enumerate(runs.sessions)}
        flaky = board.get("/api/flaky", project=runs.project)["tests"]
        answers.append(
            (
                [
                    {
                        (name, mark, names.get(since or ""))
                        for name, (mark, since) in marks(board, session).items()
                    }
                    for session in runs.sessions
                ],
                [(one["nodeid"], one["outcomes"], one["changed"]) for one in flaky],
            )
        )
    assert answers[1] == answers[0]
    assert answers[2] == answers[0]


def test_a_test_has_a_page_of_its_runs(board: Board, project: str) -> None:
    runs = Runs(project)
    for outcomes in ("passed", "rerun passed", "failed"):
        board.post(*runs.run(sell=outcomes))
    told = board.get("/api/tests", project=project, nodeid=SELL)
    assert (told["name"], told["file"], told["median"]) == ("test_sell", "test_shop.py", 0.1)
    assert [one["outcome"] for one in told["results"]] == ["failed", "passed", "rerun", "passed"]
    assert [one["attempt"] for one in told["results"]] == [1, 2, 1, 1]
    assert told["results"][0]["commit"] == runs[2].run_id
    (cause,) = told["causes"]
    assert (cause["type"], cause["message"]) == ("AssertionError", "sold more than we have")
    assert (cause["frame"], cause["number"], cause["tests"]) == ("test_shop.py:test_sell", 2, 1)
    assert cause["first"]["run_id"] == runs[1].run_id
    assert cause["last"]["key"] == told["results"][0]["key"]
    limited = board.get("/api/tests", project=project, nodeid=SELL, limit="1")
    assert limited["results"] == told["results"][:1]


def test_failures_of_one_cause_are_told_together(board: Board, project: str) -> None:
    runs = Runs(project)
    runs.begin = time.time() - 3 * DAY
    frame = '  File "/ci/1/test_shop.py", line 3, in checked\n    assert x\n'
    for number in range(3):
        objects = runs.run(buy="failed", sell="failed", ship="passed")
        for one in objects:
            if one["type"] == "result" and one["outcome"] == "failed":
                value = f"order {number} of 0x7f{number}: no '/tmp/{number}/x'"
                one["excinfo"] = {"type": "KeyError", "value": value, "traceback": [frame]}
        board.post(*objects)
    (cause,) = board.get("/api/causes", project=project)["causes"]
    assert cause["message"] == "order … of …: no '…'"
    assert (cause["frame"], cause["number"], cause["tests"]) == ("test_shop.py:checked", 6, 2)
    assert cause["first"]["run_id"] == runs[0].run_id
    assert cause["last"]["run_id"] == runs[2].run_id
    (recent,) = board.get("/api/causes", project=project, days="1.5")["causes"]
    assert (recent["number"], recent["first"]) == (2, cause["first"])
    found = board.results(runs[2].run_id, cause=str(cause["id"]))
    assert [row["nodeid"] for row in found] == [BUY, SELL]
    (told,) = changes(board, runs[2])["causes"]
    assert (told["id"], told["number"], told["tests"]) == (cause["id"], 2, 2)


def test_what_got_slower_is_told_by_medians(board: Board, project: str) -> None:
    runs = Runs(project)
    for number in range(12):
        session = Session(project, begin=runs.begin + number * DAY)
        jump = 1.0 if number >= 7 else 0.1
        once = 5.0 if number == 11 else 0.5
        board.post(
            session.start(),
            session.result(BUY, duration=jump),
            session.result(SELL, duration=once),
            session.result(SHIP, "failed", duration=9.0),
            session.finish(),
        )
    told = board.get("/api/slow", project=project)
    assert [one["nodeid"] for one in told["slowest"]] == [BUY, SELL]
    (slower,) = told["slower"]
    assert (slower["nodeid"], slower["median"], slower["before"]) == (BUY, 1.0, 0.1)
    assert slower["ratio"] == pytest.approx(10)
    assert slower["last"]["outcome"] == "passed"


def test_two_runs_are_compared(board: Board, project: str) -> None:
    runs = Runs(project)
    first = runs.run(buy="passed", sell="failed", pay="passed", old="passed")
    second = runs.run(buy="failed", sell="rerun passed", pay="passed", new="skipped")
    slow = next(one for one in second if one.get("nodeid") == PAY)
    slow["duration"] = 2.0
    board.post(*first, *second)
    a, b = (session.run_id for session in runs.sessions)
    told = board.get("/api/compare", project=project, a=a, b=b)
    assert (told["a"]["run_id"], told["b"]["run_id"]) == (a, b)
    names = {
        name: [test["name"] for test in told[name]]
        for name in ("broken", "mended", "added", "removed", "slower", "faster")
    }
    assert names == {
        "broken": ["test_buy"],
        "mended": ["test_sell"],
        "added": ["test_new"],
        "removed": ["test_old"],
        "slower": ["test_pay"],
        "faster": [],
    }
    assert told["slower"][0]["b"] == ["passed", key(slow), 2.0]
    assert told["added"][0]["a"] is None


def test_shards_of_a_run_are_one_run(board: Board, project: str) -> None:
    runs = Runs(project)
    board.post(*runs.run(buy="failed", sell="failed"))
    board.post(*runs.run(buy="failed")[:-1], runs[1].finish("interrupted", 2))
    begin = runs.begin + 5 * DAY
    shards = [Session(project, "sharded", begin=begin + number) for number in range(2)]
    for shard, nodeid in zip(shards, (BUY, SELL), strict=True):
        board.post(shard.start(), shard.result(nodeid, "failed"), shard.finish())
    first = runs[0].run_id
    assert marks(board, shards[0]) == {"buy": ("failing", first), "sell": ("failing", first)}
    assert changes(board, shards[0])["before"]["run_id"] == runs[1].run_id
    assert board.get("/api/tests", project=project, nodeid=BUY)["flips"] == 0
    # A shard that is run again and passes shows a flaky test, not a mended one.
    again = Session(project, "sharded", begin=begin + 9)
    board.post(again.start(), again.result(SELL), again.finish())
    assert marks(board, again)["sell"] == ("flaky", None)


def test_projects_are_told_with_their_newest_run(board: Board, project: str) -> None:
    runs = Runs(project)
    board.post(*runs.run(buy="passed"))
    board.post(*runs.run(buy="passed"))
    newest, oldest = board.get("/api/runs", project=project)
    assert [newest["run_id"], oldest["run_id"]] == [runs[1].run_id, runs[0].run_id]
    before = str(newest["started"])
    assert board.get("/api/runs", project=project, before=before) == [oldest]
    (told,) = (one for one in board.get("/api/projects") if one["project"] == project)
    assert (told["runs"], told["last"]["run_id"]) == (2, runs[1].run_id)
    assert board.run(runs[1].run_id)["metadata"] == {"commit": runs[1].run_id}


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/api/tests", 400, "'nodeid'"),
        ("/api/tests?nodeid=none", 404, "no test 'none'"),
        ("/api/compare?a=1", 400, "'a' and 'b'"),
        ("/api/compare?a=none&b=none", 404, "no run 'none'"),
        ("/api/runs/none/changes", 404, "no run 'none'"),
        ("/api/causes?days=some", 400, "'days'"),
    ],
)
def test_a_wrong_question_is_answered_in_one_line(
    board: Board, path: str, status: int, reason: str
) -> None:
    answer = board.session.get(board.url + path)
    assert (answer.status_code, answer.text.count("\n")) == (status, 1)
    assert reason in answer.text
    assert board.get("/api/causes?days=nan&limit=x")["causes"] == []
