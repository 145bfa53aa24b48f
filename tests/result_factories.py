"""Results as they are published, made without a run."""

from __future__ import annotations

import json
from typing import Any

from pytest_publish.results.encoding import to_json
from pytest_publish.results.result import ExcInfo
from pytest_publish.results.result import Phase
from pytest_publish.results.result import Subtest
from pytest_publish.results.result import TestResult


def make_result(**changed: Any) -> TestResult:
    fields: dict[str, Any] = {
        "result": "fail",
        "outcome": "failed",
        "nodeid": "tests/test_mod.py::test_a[1]",
        "name": "test_a[1]",
        "start_time": 1.5,
        "stop_time": 2.0,
        "duration": 0.5,
        "excinfo": ExcInfo("ValueError", "no", ["  File ...\n"]),
        "run_id": "run",
        "session_id": "5e55",
    }
    return TestResult(**(fields | changed))


def full_result(text: str = "text") -> TestResult:
    """Return a result that has ``text`` wherever text may stand that tests make."""
    excinfo = ExcInfo("ValueError", f"value {text}", [f"frame {text}\n"])
    setup = ExcInfo("KeyError", f"setup {text}", [f"setup frame {text}\n"])
    subtest = ExcInfo("OSError", f"subtest {text}", [f"subtest frame {text}\n"])
    return make_result(
        stdout=f"out {text}",
        stderr=f"err {text}",
        log=f"log {text}",
        excinfo=excinfo,
        phases=[
            Phase("setup", "failed", 1.0, 1.5, 0.5, setup, f"setup text {text}"),
            Phase("call", "failed", 1.5, 2.0, 0.5, excinfo),
        ],
        subtests=[Subtest(f"[{text}]", "failed", 0.1, subtest, f"subtest text {text}")],
        properties={"a": text, f"b {text}": [{"c": [text]}]},
        _details=[(f"subtest [{text}]", f"details {text}")],
    )


def parsed(result: TestResult) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(to_json(result))
    return data
