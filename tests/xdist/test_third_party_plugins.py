from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from support import by_name
from support import Endpoint
from support import eventually
from support import RunPytest
from support import tree_results


#: Plugins beside this one, by the names of their entry points.
COMPANY = {
    "asyncio": "pytest_asyncio",
    "timeout": "pytest_timeout",
    "repeat": "pytest_repeat",
    "randomly": "pytest_randomly",
    "pytest_cov": "pytest_cov",
    "pytest_reportlog": "pytest_reportlog",
    "metadata": "pytest_metadata",
    "html": "pytest_html",
}

pytestmark = pytest.mark.one_worker


SUITE = """
import asyncio
import random
import time

import pytest

@pytest.mark.asyncio
async def test_async():
    await asyncio.sleep(0)

@pytest.mark.asyncio
async def test_async_fails():
    await asyncio.sleep(0)
    raise LookupError("awaited")

@pytest.mark.timeout(0.2, method="signal")
def test_slow(): time.sleep(30)

@pytest.mark.repeat(3)
def test_repeated(): assert random.random() < 2

@pytest.mark.skip(reason="why")
def test_skipped(): pass

@pytest.mark.xfail
def test_expected(): assert 0

@pytest.fixture
def broken():
    yield
    raise OSError("teardown")

def test_teardown(broken): pass

@pytest.fixture
def unready(): raise OSError("setup")

def test_setup(unready): pass
"""


def test_eight_other_plugins_agree_on_the_counts(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    for module in COMPANY.values():
        pytest.importorskip(module)
    pytester.makepyfile(test_suite=SUITE)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    run = run_pytest(
        *(argument for name in COMPANY for argument in ("-p", name)),
        *("--cov", "test_suite", "--cov-report", "json:coverage.json"),
        *("--report-log", "log.jsonl", "--html", "report.html", "--junitxml", "junit.xml"),
        *("--pubdir", pubdir, "--publish", endpoint.url),
        *mode,
    )
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    results = tree_results(pubdir)
    outcomes = {name: result["outcome"] for name, result in by_name(results).items()}
    assert outcomes == {
        "test_async": "passed",
        "test_async_fails": "failed",
        "test_slow": "failed",
        "test_repeated[1-3]": "passed",
        "test_repeated[2-3]": "passed",
        "test_repeated[3-3]": "passed",
        "test_skipped": "skipped",
        "test_expected": "xfailed",
        "test_teardown": "error",
        "test_setup": "error",
    }
    assert by_name(endpoint.results) == by_name(results)
    slow = by_name(results)["test_slow"]
    assert "Timeout" in slow["excinfo"]["value"]

    # The terminal and JUnit XML count a test that fails in its teardown twice.
    counts = run.parseoutcomes()
    counts.pop("warnings", None)
    assert counts == {
        "passed": 5,
        "failed": 2,
        "skipped": 1,
        "xfailed": 1,
        "errors": 2,
    }
    (suite,) = ET.parse(pytester.path / "junit.xml").getroot()
    totals = [int(suite.attrib[name]) for name in ("failures", "errors", "skipped")]
    assert totals == [2, 2, 2]
    lines = (pytester.path / "log.jsonl").read_text("utf-8").splitlines()
    reported = {
        line["nodeid"]
        for line in map(json.loads, lines)
        if line["$report_type"] == "TestReport" and line["when"] == "teardown"
    }
    assert reported == {result["nodeid"] for result in results}
    html = (pytester.path / "report.html").read_text("utf-8")
    assert all(result["nodeid"] in html for result in results)
    covered = json.loads((pytester.path / "coverage.json").read_text("utf-8"))
    assert covered["totals"]["covered_lines"] > 10


def test_a_time_out_of_the_process_loses_nothing(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    pytest.importorskip("pytest_timeout")
    pytester.makepyfile(
        """
        import time
        import pytest

        def test_before(): pass

        @pytest.mark.timeout(0.2, method="thread")
        def test_slow(): time.sleep(30)

        def test_after(): pass
        """
    )
    arguments = ("-p", "timeout", "--pubdir", pubdir, "--publish", endpoint.url)
    run_pytest(*arguments, *mode)
    outcomes = {name: r["outcome"] for name, r in by_name(tree_results(pubdir)).items()}
    if mode:
        assert outcomes == {"test_before": "passed", "test_slow": "crashed", "test_after": "passed"}
    else:
        assert outcomes == {"test_before": "passed"}
    # The relay outlives a serial session that ended like this.
    eventually(lambda: len(endpoint.posts) == len(outcomes))
    assert by_name(endpoint.results).keys() == outcomes.keys()
    folder = pytester.path / ".pytest_cache/publish"
    eventually(lambda: not list(folder.glob("*.jsonl")), "the relay to tidy up")
