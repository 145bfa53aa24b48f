"""What the board tells of real runs that come one after another."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from typing import Final

import pytest

from boards import Board
from boards import Event
from published import Object
from published import Session


PUBLISHED: Final = ("--publish-events", "--publish-project", "shop", "-q")
#: The second test fails where the file says so, the third one the first time in each run.
SUITE: Final = """
import pathlib, pytest

here = pathlib.Path(__file__).parent

def checked(number):
    assert number < 3, f"{number} is too much for {here / 'shop.py'}"

def test_good(): pass

def test_mended():
    checked(int((here / "number").read_text()))

@pytest.mark.flaky(reruns=1)
def test_unsteady(tmp_path_factory):
    mark = here / "mark"
    was_there = mark.exists()
    mark.unlink() if was_there else mark.touch()
    assert was_there, "not yet"
"""
#: Three seconds of tests in unequal parts.
SLEEPS: Final = (0.8, *(0.1,) * 14, 0.4, 0.4)
SLEEPING: Final = """
import time, pytest

@pytest.mark.parametrize("number", range(len({sleeps})))
def test_sleeping(number):
    time.sleep({sleeps}[number])
"""
#: As files for two workers, of which one is done long before the other.
UNEVEN: Final = {"long": (0.2,) * 10, "short": (0.1,) * 5}


@pytest.mark.in_process
def test_runs_tell_what_broke_and_why(
    start_board: Callable[..., Board],
    run_pytest: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
) -> None:
    board = start_board()
    pytester.makepyfile(test_shop=SUITE)

    def run(run_id: str, number: int) -> None:
        (pytester.path / "number").write_text(str(number), "utf-8")
        run_pytest(
            *("-p", "rerunfailures", "--publish", board.url, *PUBLISHED),
            *("--publish-run-id", run_id, "--publish-metadata", f"commit=c{number}"),
        )

    for run_id, number in (("one", 1), ("two", 4), ("three", 15), ("four", 1)):
        run(run_id, number)
    three = board.get("/api/runs/three/changes")
    marks = {
        nodeid.partition("::")[2]: (told["mark"], told["since"] and told["since"]["run_id"])
        for nodeid, told in three["failures"].items()
    }
    assert marks == {"test_mended": ("failing", "two"), "test_unsteady": ("flaky", None)}
    four = board.get("/api/runs/four/changes")
    mended = [(one["nodeid"], one["since"]["run_id"]) for one in four["mended"]]
    assert mended == [("test_shop.py::test_mended", "two")]
    causes = {one["frame"]: one for one in board.get("/api/causes")["causes"]}
    assert causes["test_shop.py:checked"]["number"] == 2
    assert causes["test_shop.py:checked"]["message"] == "… is too much for …"
    assert causes["test_shop.py:test_unsteady"]["number"] == 4
    (flaky,) = board.get("/api/flaky", project="shop")["tests"]
    assert (flaky["name"], flaky["outcomes"], flaky["reruns"]) == ("test_unsteady", "rrrr", 4)
    assert board.run("four")["metadata"]["commit"] == "c1"


def uneven_before(project: str) -> list[Object]:
    """Return what a session published in which each worker had one of the uneven files."""
    session = Session(project, begin=time.time() - 86_400)
    nodeids = {
        name: [f"test_{name}.py::test_sleeping[{number}]" for number in range(len(sleeps))]
        for name, sleeps in UNEVEN.items()
    }
    objects = [
        {**session.start(), "xdist_dist": "loadfile"},
        session.collected([*nodeids["long"], *nodeids["short"]]),
    ]
    for worker, name in (("gw1", "short"), ("gw0", "long")):
        session.now = session.begin
        objects += [
            session.result(nodeid, worker=worker, duration=seconds)
            for nodeid, seconds in zip(nodeids[name], UNEVEN[name], strict=True)
        ]
    return [*objects, session.finish()]


def newest(board: Board, project: str) -> Any:
    """Return a project's newest run."""
    return board.get("/api/runs", project=project, limit="1")[0]


def watched(
    board: Board,
    run_pytest: Callable[..., pytest.RunResult],
    run_id: str,
    project: str,
    arguments: tuple[str, ...],
) -> tuple[list[tuple[float, float]], float, float]:
    """Run tests; return when the board told how much is left, and when they began and ended."""
    told: list[tuple[float, float]] = []

    def watch(events: Iterator[Event]) -> None:
        shown = newest(board, project)
        while shown["run_id"] != run_id or shown["state"] != "finished":
            next(events)
            shown = newest(board, project)
            # From the first result on: nobody knows how long workers take to start.
            if shown["run_id"] == run_id and shown["done"] and shown["left"]:
                told.append((time.time(), shown["left"]))

    with board.stream() as events, ThreadPoolExecutor(1) as threads:
        watching = threads.submit(watch, events)
        names = ("--publish-run-id", run_id, "--publish-project", project)
        run_pytest("--publish", board.url, *PUBLISHED, *names, *arguments)
        watching.result()
    rows = board.results(run_id)
    end = max(row["start_time"] + row["duration"] for row in rows)
    return told, min(row["start_time"] for row in rows), end


@pytest.mark.in_process
@pytest.mark.parametrize(
    ("seconds", "arguments"),
    [
        (3.0, ("test_shop.py",)),
        (1.5, ("-n", "2", "test_shop.py")),
        (2.0, ("-n", "2", "--dist", "loadfile", "test_long.py", "test_short.py")),
    ],
    ids=["serial", "two", "uneven"],
)
def test_what_is_left_is_told_within_a_fifth(
    board: Board,
    run_pytest: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
    seconds: float,
    arguments: tuple[str, ...],
) -> None:
    pytester.makepyfile(
        test_shop=SLEEPING.format(sleeps=SLEEPS),
        **{f"test_{name}": SLEEPING.format(sleeps=sleeps) for name, sleeps in UNEVEN.items()},
    )
    # A machine that is too busy to run the tests in their time is given another try, as
    # another project, which knows nothing of the slow one.
    for number in range(5):
        run_id = project = f"shop-{arguments[-1]}-{number}"
        before = Session(project, begin=time.time() - 86_400)
        results = [
            before.result(f"test_shop.py::test_sleeping[{one}]", duration=seconds)
            for one, seconds in enumerate(SLEEPS)
        ]
        board.post(before.start(), *results, before.finish(), *uneven_before(project))
        told, begin, end = watched(board, run_pytest, run_id, project, arguments)
        whole = end - begin
        if whole < 1.2 * seconds:
            break
    early = [(end - at, left) for at, left in told if at < end - whole / 2]
    assert early
    for real, left in early:
        assert real == pytest.approx(left, abs=whole / 5)
    assert board.run(run_id)["left"] is None
