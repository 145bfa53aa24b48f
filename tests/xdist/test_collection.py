from __future__ import annotations

from pathlib import Path

import pytest

from support import by_name
from support import Result
from support import RunPytest
from support import tree_results


pytestmark = pytest.mark.in_process


def collected(pubdir: Path, nodeid: str) -> Result:
    """Return the one result of a file, which has no worker, however many collect it."""
    (result,) = [result for result in tree_results(pubdir) if result["nodeid"] == nodeid]
    assert result["xdist_worker"] is None
    assert result["file"] == nodeid
    assert [phase["when"] for phase in result["phases"]] == ["collect"]
    assert 0 < result["start_time"] <= result["stop_time"]
    return result


FILES = {
    "test_good": "def test_good(): pass",
    "test_import": """
        print("before")
        import no_such_module
        def test_never(): pass
        """,
    "test_syntax": "def test_a(:",
    "test_skip": "import pytest; pytest.skip('not today', allow_module_level=True)",
    "test_importorskip": "import pytest; pytest.importorskip('no_such_module')",
    "needs": "import pytest; pytest.skip('no device', allow_module_level=True)",
    "test_needs_one": "import needs",
    "test_needs_two": "import needs",
    "test_differs": "import os; raise ValueError(os.getpid())",
    "sub/conftest": "raise KeyError('early')",
    "sub/test_a": "",
    "classes/test_class": """
        import pytest

        class TestC:
            @pytest.mark.parametrize("missing", [1])
            def test_a(self): pass
        """,
}
#: By node id: the outcome, the type of the exception, and what its text has in it.
COLLECTED = {
    "test_import.py": ("error", "ModuleNotFoundError", "No module named 'no_such_module'"),
    "test_syntax.py": ("error", "SyntaxError", "test_syntax.py"),
    "test_skip.py": ("skipped", "Skipped", "not today"),
    "test_importorskip.py": ("skipped", "Skipped", "no_such_module"),
    # pytest reports both at the helper's line.
    "test_needs_one.py": ("skipped", "Skipped", "no device"),
    "test_needs_two.py": ("skipped", "Skipped", "no device"),
    # Which reads differently on each worker.
    "test_differs.py": ("error", "ValueError", ""),
    "sub": ("error", "KeyError", "'early'"),
}


def test_what_can_not_be_collected_has_one_result(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(**FILES)
    run = run_pytest("--pubdir", pubdir, "--continue-on-collection-errors", *mode)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    for nodeid, (outcome, kind, text) in COLLECTED.items():
        result = collected(pubdir, nodeid)
        assert result["outcome"] == outcome, nodeid
        assert result["result"] == {"error": "fail", "skipped": "skip"}[outcome], nodeid
        assert result["name"] == nodeid
        assert result["excinfo"]["type"] == kind, nodeid
        assert text in result["excinfo"]["value"], nodeid
    imported = collected(pubdir, "test_import.py")
    assert imported["stdout"] == "before\n"
    assert "import no_such_module" in imported["excinfo"]["traceback"][-1]
    results = by_name(tree_results(pubdir))
    assert results.keys() == {*COLLECTED, "test_good", "TestC"}
    of_class = results["TestC"]
    assert of_class["nodeid"] == "classes/test_class.py::TestC"
    assert (of_class["file"], of_class["outcome"]) == ("classes/test_class.py", "error")
    assert "missing" in of_class["excinfo"]["value"]


@pytest.mark.one_worker
def test_a_hook_that_raises_fails_its_file_once(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makeconftest("def pytest_pycollect_makeitem(name): raise LookupError(name)")
    pytester.makepyfile(test_a="def test_never(): pass")
    run = run_pytest("--pubdir", pubdir, *mode)
    assert run.ret != pytest.ExitCode.OK
    assert collected(pubdir, "test_a.py")["excinfo"]["type"] == "LookupError"


def test_where_workers_differ_a_failure_is_told(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makepyfile(
        test_a="""
        import os
        import pytest

        if os.environ["PYTEST_XDIST_WORKER"] == "gw0":
            pytest.skip("not here", allow_module_level=True)
        raise LookupError("no")
        """
    )
    run = run_pytest("--pubdir", pubdir, "-n", "2")
    assert run.ret != pytest.ExitCode.OK
    # Whoever is first: no failure is hidden, and after it no skip tells anything.
    *earlier, last = [(r["result"], r["attempt"]) for r in tree_results(pubdir)]
    assert last == ("fail", 1 + len(earlier))
    assert earlier in ([], [("skip", 1)])
