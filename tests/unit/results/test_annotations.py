from __future__ import annotations

from types import SimpleNamespace

from pytest_publish.results.annotations import annotate
from pytest_publish.results.annotations import annotations_of
from pytest_publish.results.annotations import take_annotations


def test_annotations_stay_on_a_report_until_they_are_taken() -> None:
    report = SimpleNamespace()
    annotate(report, {"nodeid": "m.py::test_a"})
    assert annotations_of(report) == take_annotations(report) == {"nodeid": "m.py::test_a"}
    assert vars(report) == {}


def test_a_report_of_a_process_without_the_plugin_has_none() -> None:
    assert annotations_of(SimpleNamespace()) == take_annotations(SimpleNamespace()) == {}
