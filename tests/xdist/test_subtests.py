from __future__ import annotations

from pathlib import Path

import pytest

from support import by_name
from support import Result
from support import RunPytest
from support import tree_results


pytestmark = [pytest.mark.one_worker, pytest.mark.in_process]


def _plugin() -> tuple[str, ...]:
    """Return the arguments that load a ``subtests`` fixture; skip if there is none."""
    if pytest.version_tuple >= (9, 0):
        return ()
    pytest.importorskip("pytest_subtests", reason="pytest before 9.0 has no subtests")
    return ("-p", "subtests")


@pytest.fixture(params=["terminal", "no terminal"])
def terminal(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return () if request.param == "terminal" else ("-p", "no:terminal")


def children(result: Result) -> list[tuple[str, str]]:
    return [(child["description"], child["outcome"]) for child in result["subtests"]]


def test_a_failed_subtest_makes_its_parent_fail(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    pubdir: Path,
    mode: tuple[str, ...],
    terminal: tuple[str, ...],
) -> None:
    plugin = _plugin()
    pytester.makepyfile(
        """
        import pytest

        def test_a(subtests):
            for i in range(3):
                with subtests.test("step", i=i):
                    print(f"in {i}")
                    if i == 1:
                        raise KeyError(i)
            with subtests.test():
                pytest.skip("not here")
            print("after")

        def test_b(subtests):
            with subtests.test(msg="fine"):
                pass
        """
    )
    run = run_pytest(*plugin, *terminal, "--pubdir", pubdir, *mode)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    results = by_name(tree_results(pubdir))
    parent = results["test_a"]
    assert (parent["result"], parent["outcome"]) == ("fail", "failed")
    assert parent["excinfo"] == {
        "type": "Failed",
        "value": "contains 1 failed subtest",
        "traceback": [],
    }
    assert children(parent) == [
        ("[step] (i=0)", "passed"),
        ("[step] (i=1)", "failed"),
        ("[step] (i=2)", "passed"),
        ("(<subtest>)", "skipped"),
    ]
    assert parent["subtests"][1]["excinfo"]["type"] == "KeyError"
    assert "raise KeyError(i)" in parent["subtests"][1]["excinfo"]["traceback"][-1]
    assert parent["stdout"] == "in 0\nin 1\nin 2\nafter\n"
    assert [phase["when"] for phase in parent["phases"]] == ["setup", "call", "teardown"]
    assert (results["test_b"]["result"], children(results["test_b"])) == (
        "pass",
        [("[fine]", "passed")],
    )


def test_unittests_subtests_are_children_too(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    plugin = _plugin()
    pytester.makepyfile(
        """
        import unittest

        class TestC(unittest.TestCase):
            def test_a(self):
                for i in range(3):
                    with self.subTest("step", i=i):
                        self.assertNotEqual(i, 1)
        """
    )
    run = run_pytest(*plugin, "--pubdir", pubdir, *mode)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    (parent,) = tree_results(pubdir)
    assert (parent["result"], parent["excinfo"]["value"]) == ("fail", "contains 1 failed subtest")
    # Whether those that passed are told of depends on the versions.
    assert ("[step] (i=1)", "failed") in children(parent)
    (failed,) = [child for child in parent["subtests"] if child["outcome"] == "failed"]
    assert failed["excinfo"]["type"] == "AssertionError"


def test_a_later_failure_shows_its_own_exception(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    plugin = _plugin()
    pytester.makepyfile(
        """
        def test_a(subtests):
            with subtests.test():
                assert 0
            raise KeyError("mine")
        """
    )
    run_pytest(*plugin, "--pubdir", pubdir, *mode)
    (result,) = tree_results(pubdir)
    assert (result["excinfo"]["type"], children(result)) == (
        "KeyError",
        [("(<subtest>)", "failed")],
    )


def test_a_skip_after_a_failed_subtest_is_a_fail(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    plugin = _plugin()
    pytester.makepyfile(
        """
        import pytest

        def test_a(subtests):
            with subtests.test():
                assert 0
            pytest.skip("rest")
        """
    )
    run_pytest(*plugin, "--pubdir", pubdir, *mode)
    (result,) = tree_results(pubdir)
    assert (result["result"], result["excinfo"]["value"]) == ("fail", "contains 1 failed subtest")


def test_arguments_that_can_not_cross_are_described(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    plugin = _plugin()
    pytester.makepyfile(
        r"""
        def test_a(subtests):
            with subtests.test("\udc80", name="x", odd=object):
                pass
        """
    )
    run = run_pytest(*plugin, "--pubdir", pubdir, *mode)
    assert run.ret == pytest.ExitCode.OK
    (result,) = tree_results(pubdir)
    (child,) = result["subtests"]
    assert child["description"] == "[\\udc80] (name='x', odd=<class 'object'>)"


def test_the_subtests_of_an_attempt_are_its_own(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    plugin = _plugin()
    pytest.importorskip("pytest_rerunfailures")
    pytester.makepyfile(
        """
        tries = []

        def test_a(subtests):
            tries.append(1)
            with subtests.test(number=len(tries)):
                assert len(tries) > 1
            assert len(tries) > 1
        """
    )
    reruns = ("-p", "rerunfailures", "--reruns", "1")
    run = run_pytest(*plugin, *reruns, "--pubdir", pubdir, *mode)
    first, second = tree_results(pubdir)
    assert (first["outcome"], children(first)) == ("rerun", [("(number=1)", "failed")])
    assert (second["outcome"], children(second)) == ("passed", [("(number=2)", "passed")])
    assert second["attempt"] == 2
    assert run.ret in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)  # as its version judges
