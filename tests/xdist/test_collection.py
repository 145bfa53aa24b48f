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


def test_a_file_that_can_not_be_imported_fails_once(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        test_import="""
        print("before")
        import no_such_module
        def test_never(): pass
        """,
        test_good="def test_good(): pass",
    )
    run = run_pytest("--pubdir", pubdir, "--continue-on-collection-errors", *mode)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    result = collected(pubdir, "test_import.py")
    assert (result["result"], result["outcome"], result["name"]) == (
        "fail",
        "error",
        "test_import.py",
    )
    assert result["excinfo"]["type"] == "ModuleNotFoundError"
    assert result["excinfo"]["value"] == "No module named 'no_such_module'"
    assert "import no_such_module" in result["excinfo"]["traceback"][-1]
    assert result["stdout"] == "before\n"
    assert by_name(tree_results(pubdir)).keys() == {"test_import.py", "test_good"}


def test_a_syntax_error_fails_its_file_once(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_syntax="def test_a(:\n")
    run = run_pytest("--pubdir", pubdir, *mode)
    assert run.ret != pytest.ExitCode.OK
    result = collected(pubdir, "test_syntax.py")
    assert (result["result"], result["excinfo"]["type"]) == ("fail", "SyntaxError")
    assert "test_syntax.py" in result["excinfo"]["value"]


def test_a_file_that_skips_itself_is_skipped_once(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        test_one="import pytest; pytest.skip('not today', allow_module_level=True)",
        test_two="import pytest; pytest.importorskip('no_such_module')",
    )
    run_pytest("--pubdir", pubdir, *mode)
    one, two = (collected(pubdir, f"test_{name}.py") for name in ("one", "two"))
    assert (one["result"], one["outcome"]) == ("skip", "skipped")
    assert one["excinfo"]["value"] == "not today"
    assert (two["result"], two["outcome"]) == ("skip", "skipped")
    assert "no_such_module" in two["excinfo"]["value"]


def test_files_that_are_skipped_by_the_same_helper_are_all_there(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        needs="import pytest; pytest.skip('no device', allow_module_level=True)",
        test_one="import needs",
        test_two="import needs",
    )
    run_pytest("--pubdir", pubdir, *mode)
    for name in ("one", "two"):
        assert collected(pubdir, f"test_{name}.py")["excinfo"]["value"] == "no device"


def test_a_conftest_that_can_not_be_imported_fails_its_folder_once(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(**{"sub/conftest": "raise KeyError('early')", "sub/test_a": ""})
    pytester.makepyfile(test_good="def test_good(): pass")
    run = run_pytest("--pubdir", pubdir, "--continue-on-collection-errors", *mode)
    assert run.ret != pytest.ExitCode.OK
    result = collected(pubdir, "sub")
    assert (result["result"], result["excinfo"]["value"]) == ("fail", "'early'")
    assert result["excinfo"]["type"] == "KeyError"
    assert by_name(tree_results(pubdir)).keys() == {"sub", "test_good"}


def test_an_error_that_reads_differently_on_each_worker_is_one_result(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_a="import os; raise ValueError(os.getpid())")
    run_pytest("--pubdir", pubdir, *mode)
    assert collected(pubdir, "test_a.py")["excinfo"]["type"] == "ValueError"


def test_a_hook_that_raises_while_a_file_is_collected_fails_it_once(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makeconftest("def pytest_pycollect_makeitem(name): raise LookupError(name)")
    pytester.makepyfile(test_a="def test_never(): pass")
    run = run_pytest("--pubdir", pubdir, *mode)
    assert run.ret != pytest.ExitCode.OK
    assert collected(pubdir, "test_a.py")["excinfo"]["type"] == "LookupError"


def test_a_class_that_can_not_be_collected_fails_once(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        **{
            "sub/test_a": """
            import pytest

            class TestC:
                @pytest.mark.parametrize("missing", [1])
                def test_a(self): pass
            """
        }
    )
    run_pytest("--pubdir", pubdir, *mode)
    (result,) = tree_results(pubdir)
    assert (result["nodeid"], result["name"]) == ("sub/test_a.py::TestC", "TestC")
    assert (result["file"], result["outcome"]) == ("sub/test_a.py", "error")
    assert "missing" in result["excinfo"]["value"]


def test_a_file_that_fails_on_another_worker_than_skips_it_has_both_results(
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
