from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_publish.results.annotations import annotations_of
from pytest_publish.results.annotations import ATTRIBUTE
from pytest_publish.results.annotations import packed
from pytest_publish.results.annotations import unpack
from pytest_publish.results.annotations import WorkerAnnotations


NODEID = "test_a.py::Test::test[x::y]"
NAME = "test[x::y]"


def test_a_report_may_have_annotations() -> None:
    report = SimpleNamespace(**{ATTRIBUTE: {"nodeid": "m.py::test_a"}})
    assert annotations_of(report) == {"nodeid": "m.py::test_a"}
    assert annotations_of(SimpleNamespace()) == {}


@pytest.mark.parametrize(
    ("nodeid", "carried"),
    [
        (NODEID, {"attempt": 1}),
        (f"{NODEID}@group", {"nodeid": NODEID, "name": NAME, "attempt": 1}),
    ],
)
def test_what_the_node_id_tells_is_not_carried(nodeid: str, carried: WorkerAnnotations) -> None:
    told: WorkerAnnotations = {"nodeid": NODEID, "name": NAME, "attempt": 1}
    assert packed(told, nodeid) == carried
    unpack(carried, nodeid)
    assert carried == told


def test_a_name_that_is_not_in_the_node_id_is_carried() -> None:
    told: WorkerAnnotations = {"nodeid": NODEID, "name": "another", "attempt": 1}
    carried = packed(told, NODEID)
    assert carried == {"name": "another", "attempt": 1}
    unpack(carried, NODEID)
    assert carried == told


def test_what_is_missing_stays_so() -> None:
    for told in (WorkerAnnotations(), WorkerAnnotations(problem=("a report", "error"))):
        carried = packed(told, NODEID)
        unpack(carried, NODEID)
        assert carried == told
