from __future__ import annotations

import random
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from published import body
from published import Object
from published import Session
from pytest_publish.board.recent import unpack
from pytest_publish.board.store import Published
from pytest_publish.board.store import Store


NODEIDS = [f"test_a.py::test_{number}" for number in range(4)]
OUTCOMES = ("passed", "failed", "rerun", "skipped", "error")


@pytest.fixture
def make_store(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Make stores that are closed at the end."""
    made: list[Store] = []

    def make() -> Store:
        made.append(Store(tmp_path / f"{len(made)}.sqlite3"))
        return made[-1]

    yield make
    for store in made:
        store.close()


def random_runs(chance: random.Random, project: str | None = "shop") -> list[Object]:
    """Return the objects of some runs, of which a few have several sessions."""
    objects = []
    for number in range(8):
        begin = 1e9 + 100.0 * number
        for shard in range(chance.choice((1, 1, 2))):
            session = Session(project, f"run {number}", begin=begin + 40 * shard)
            objects.append(session.start())
            for nodeid in chance.sample(NODEIDS, 3):
                for attempt in range(chance.choice((1, 1, 3))):
                    outcome = chance.choice(OUTCOMES)
                    objects.append(session.result(nodeid, outcome, attempt=attempt + 1))
    return objects


def add(store: Store, objects: list[Object]) -> None:
    for one in objects:
        store.add([Published(body(one)[1:-1], one)], 1e9)


def letters(store: Store) -> dict[str, str]:
    """Return how each test ended in its last runs."""
    rows = store.reader.execute("SELECT nodeid, runs FROM tests JOIN recent ON test = tests.id")
    return {nodeid: "".join(one.letter for one in unpack(runs)) for nodeid, runs in rows}


@pytest.mark.parametrize("seed", range(5))
def test_the_last_runs_are_those_of_the_results(seed: int, make_store: Callable[[], Store]) -> None:
    chance = random.Random(seed)
    objects = random_runs(chance)
    ordered, shuffled = make_store(), make_store()
    add(ordered, objects)
    add(shuffled, [*chance.sample(objects, len(objects)), *objects[:20]])
    assert letters(shuffled) == letters(ordered)
    with shuffled.transaction() as connection:
        for (test,) in connection.execute("SELECT id FROM tests").fetchall():
            shuffled.recall(test)
    assert letters(shuffled) == letters(ordered)


def test_a_session_that_is_moved_takes_its_last_runs_along(
    make_store: Callable[[], Store],
) -> None:
    store = make_store()
    nameless, named = Session(None, "run"), Session("shop", "run")
    add(store, [nameless.result(NODEIDS[0], "failed")])
    add(store, [named.result(NODEIDS[1])])
    add(store, [{**nameless.result(NODEIDS[1]), "project": "shop"}])
    (run,) = store.run_ids(limit=9, before=2e9)
    rows = store.reader.execute("SELECT runs FROM recent").fetchall()
    assert [entry.run for (runs,) in rows for entry in unpack(runs)] == [run, run]


def test_a_start_that_is_told_before_the_last_result_counts(
    make_store: Callable[[], Store],
) -> None:
    store = make_store()
    nodeids = [f"test_a.py::test_{number}" for number in range(4)]
    before = Session("shop", begin=1e9)
    add(store, [before.result(one, duration=10.0) for one in nodeids])
    session = Session("shop", "now", begin=2e9)
    objects = [session.start(), session.collected(nodeids)]
    objects += [session.test_start(nodeids[0], "gw0"), session.test_start(nodeids[1], "gw1")]
    session.now += 10
    objects.append(session.test_start(nodeids[2], "gw0"))
    session.now -= 10
    objects.append(session.result(nodeids[0], worker="gw0", duration=10.0))
    store.add([Published(body(one)[1:-1], one) for one in objects], 2e9 + 10)
    run = store.run(store.find_run("now") or 0, 2e9 + 15)
    # Both workers share the twenty seconds that are left.
    assert run is not None
    assert run["left"] == pytest.approx(10.0)
