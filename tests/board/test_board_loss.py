"""What was answered 204 is in the store, whatever happens next."""

from __future__ import annotations

import random
import resource
import signal
import threading
from collections.abc import Callable

import pytest
import requests

from boards import Board
from boards import restarted
from published import body
from published import Session


ROUNDS = 4
POSTERS = 3


def test_a_killed_board_has_lost_nothing_that_it_had_answered(
    start_board: Callable[..., Board],
) -> None:
    board = start_board()
    sessions = [Session("loss", "all of it") for _ in range(POSTERS)]
    answered: list[set[int]] = [set() for _ in range(POSTERS)]
    chance = random.Random(1)
    for _ in range(ROUNDS):
        killed = threading.Event()
        posters = [
            threading.Thread(target=post_until, args=(killed, board.url, *one))
            for one in zip(sessions, answered, strict=True)
        ]
        before = total(answered)
        for poster in posters:
            poster.start()
        # At another moment of its work each time.
        enough = before + chance.randrange(1, 300)
        while total(answered) < enough:
            killed.wait(0.001)
        board.process.send_signal(signal.SIGKILL)
        killed.set()
        for poster in posters:
            poster.join()
        board.stop()
        board = restarted(board)
        for session, seqs in zip(sessions, answered, strict=True):
            assert seqs <= kept(board, session)
    run = board.run("all of it")
    assert run["done"] == sum(len(kept(board, session)) for session in sessions)
    assert run["done"] >= total(answered) >= ROUNDS
    board.stop()


def post_until(killed: threading.Event, url: str, session: Session, answered: set[int]) -> None:
    with requests.Session() as client:
        client.trust_env = False
        client.headers["Content-Type"] = "application/json"
        while not killed.is_set():
            results = [session.result("test_a.py::test", stdout="x" * 2000) for _ in range(10)]
            try:
                answer = client.post(url, data=body(*results), timeout=10)
            except requests.RequestException:
                return
            if answer.status_code == 204:
                answered.update(result["seq"] for result in results)


def total(answered: list[set[int]]) -> int:
    return sum(len(seqs) for seqs in answered)


def kept(board: Board, session: Session) -> set[int]:
    rows = board.results("all of it", limit="20000")
    keys = (row["key"].rpartition("-") for row in rows)
    return {int(seq) for session_id, _dash, seq in keys if session_id == session.session_id}


def test_a_full_disk_is_answered_503_and_all_is_well_when_there_is_room(
    start_board: Callable[..., Board],
) -> None:
    board = start_board()
    session = Session()
    board.post(session.result("test_a.py::test_before"))
    pid = board.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    # A file that must not grow any more fails as a full disk does.
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
    text = random.Random(1).randbytes(20_000).hex()
    waiting = [session.result(f"test_a.py::test_{one}", stdout=text) for one in range(5)]
    refused = board.send(body(*waiting))
    assert (refused.status_code, refused.text.count("\n")) == (503, 1)
    assert int(refused.headers["Retry-After"]) > 0
    assert board.run(session.run_id)["done"] == 1  # it still answers
    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    board.post(*waiting)
    assert board.run(session.run_id)["done"] == 6


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_board_ends_at_once_though_pages_are_open(
    start_board: Callable[..., Board], sig: signal.Signals
) -> None:
    board = start_board()
    with board.stream() as events:
        next(events)
        assert board.stop(sig) == 0
        assert [event.name for event in events] == ["bye"]
