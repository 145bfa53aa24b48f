from __future__ import annotations

import json
import math
from copy import deepcopy
from typing import Any

import pytest

import pytest_publish
from pytest_publish.results.encoding import to_json
from pytest_publish.results.events import Collected
from pytest_publish.results.events import Event
from pytest_publish.results.events import repaired_event
from pytest_publish.results.events import SessionFinish
from pytest_publish.results.events import SessionStart
from pytest_publish.results.events import TestStart
from support import valid


IDS: dict[str, Any] = {"time": 1.5, "run_id": "r", "session_id": "s", "seq": 3}
EVENTS: dict[str, Event] = {
    "session_start": SessionStart(
        **IDS,
        project="shop",
        versions={"python": "3.11"},
        platform="Linux",
        host="here",
        rootdir="/shop",
        args=["-q"],
        xdist_dist=None,
        workers=None,
        metadata={"a": 1},
    ),
    "collected": Collected(**IDS, total=1, deselected=0, first=0, nodeids=["test_it.py::test_a"]),
    "test_start": TestStart(
        **IDS,
        nodeid="test_it.py::test_a",
        name="test_a",
        file="test_it.py",
        line=1,
        attempt=1,
        xdist_dist="load",
        xdist_worker="gw0",
        xdist_scope=None,
        start_time=1.5,
    ),
    "session_finish": SessionFinish(
        **IDS, exitstatus=0, reason="finished", duration=2.0, results=1, outcomes={"passed": 1}
    ),
}


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_is_as_the_schema_says(kind: str) -> None:
    told = valid(json.loads(to_json(EVENTS[kind])))
    assert list(told)[:5] == ["type", "time", "run_id", "session_id", "seq"]
    assert told["type"] == kind


@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize("value", [object(), math.nan, [object()], {1: 2}, "\ud800"])
def test_whatever_a_hook_sets_the_event_stays_valid(kind: str, value: object) -> None:
    before = EVENTS[kind]
    for name in json.loads(to_json(before)):
        event = deepcopy(before)
        setattr(event, name, value)
        unfit = repaired_event(event, before)
        assert unfit in ([name], [])
        valid(json.loads(to_json(event)))
        del event
    event = deepcopy(before)
    del event.time
    assert repaired_event(event, before) == ["time"]


def test_a_copy_has_containers_of_its_own() -> None:
    event = EVENTS["session_start"]
    assert isinstance(event, SessionStart)
    copy = deepcopy(event)
    copy.metadata["b"] = 2
    copy.args.append("x")
    assert (event.metadata, event.args) == ({"a": 1}, ["-q"])


@pytest.mark.parametrize("kind", EVENTS)
def test_the_schema_has_each_field_of_an_event(kind: str) -> None:
    fields = json.loads(to_json(EVENTS[kind]))
    schema = pytest_publish.schema()
    described = schema["$defs"][kind]
    assert list(fields) == described["required"] == list(described["properties"])
    assert {"$ref": f"#/$defs/{kind}"} in schema["oneOf"]
