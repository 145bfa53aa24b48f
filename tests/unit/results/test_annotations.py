from __future__ import annotations

from types import SimpleNamespace

from pytest_publish.results.annotations import annotations_of
from pytest_publish.results.annotations import ATTRIBUTE


def test_a_report_may_have_annotations() -> None:
    report = SimpleNamespace(**{ATTRIBUTE: {"nodeid": "m.py::test_a"}})
    assert annotations_of(report) == {"nodeid": "m.py::test_a"}
    assert annotations_of(SimpleNamespace()) == {}
