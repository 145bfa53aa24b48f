"""What holds of every session's stream of events and results."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable
from pathlib import Path

from support import Result
from support import valid


#: What tells which run of which test it is.
_OF_TEST = (
    "nodeid",
    "xdist_worker",
    "xdist_scope",
    "attempt",
    "xdist_dist",
    "name",
    "file",
    "line",
)


def logged(path: Path) -> list[Result]:
    """Return what --publish-log has appended."""
    return [valid(json.loads(line)) for line in path.read_bytes().splitlines()]


def of_type(kind: str, stream: Iterable[Result]) -> list[Result]:
    """Return the objects of a type."""
    return [told for told in stream if told["type"] == kind]


def checked(stream: list[Result]) -> list[Result]:
    """Return a session's objects by number, of which all that always holds has been checked.

    Each is valid by the schema: no test gets one from an endpoint or a log that is not.
    """
    stream = sorted(stream, key=lambda told: told["seq"])
    assert [told["seq"] for told in stream] == list(range(len(stream)))
    assert len({(told["session_id"], told["run_id"]) for told in stream}) == 1
    assert [told["type"] for told in stream].count("session_start") == 1
    assert [told["type"] for told in stream].count("session_finish") == 1
    assert stream[0]["type"] == "session_start"
    assert stream[-1]["type"] == "session_finish"
    is_open: collections.Counter[tuple[object, ...]] = collections.Counter()
    for told in stream:
        key = tuple(told.get(name) for name in _OF_TEST)
        if told["type"] == "test_start":
            assert (told["xdist_worker"] is None) == (told["xdist_dist"] is None)
            is_open[key] += 1
        elif (
            told["type"] == "result"
            and told["phases"][:1] != []
            and (told["phases"][0]["when"] != "collect")
        ):
            assert is_open[key] > 0, (key, is_open)
            is_open[key] -= 1
    _check_end(stream)
    return stream


def _check_end(stream: list[Result]) -> None:
    finish, results = stream[-1], of_type("result", stream)
    if finish["reason"] != "killed":
        assert finish["results"] == len(results)
        assert finish["outcomes"] == collections.Counter(told["outcome"] for told in results)


def nodeids_of(stream: list[Result]) -> list[str]:
    """Return the node ids that were collected, after checking that they follow on one another."""
    nodeids: list[str] = []
    for told in of_type("collected", stream):
        assert told["first"] == len(nodeids)
        nodeids += told["nodeids"]
    return nodeids
