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


def test_each_way_to_have_subtests_has_its_verdict(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    pubdir: Path,
    mode: tuple[str, ...],
    terminal: tuple[str, ...],
) -> None:
    plugin = _plugin()
    pytester.makepyfile(
        r"""
        import unittest

        import pytest

        class TestC(unittest.TestCase):
            def test_unittest(self):
                for i in range(3):
                    with self.subTest("step", i=i):
                        self.assertNotEqual(i, 1)

        def test_own_failure(subtests):
            with subtests.test():
                assert 0
            raise KeyError("mine")

        def test_skip(subtests):
            with subtests.test():
                assert 0
            pytest.skip("rest")

        def test_odd_arguments(subtests):
            with subtests.test("\udc80", name="x", odd=object):
                pass

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
    check_a_failed_subtest(results)
    check_each_way(results)


def check_a_failed_subtest(results: dict[str, Result]) -> None:
    """Check that it makes its parent fail."""
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


def check_each_way(results: dict[str, Result]) -> None:
    """Check the verdict of what has its subtests in another way."""
    of_unittest = results["test_unittest"]
    contains_one = ("fail", "contains 1 failed subtest")
    assert (of_unittest["result"], of_unittest["excinfo"]["value"]) == contains_one
    # Whether those that passed are told of depends on the versions.
    assert ("[step] (i=1)", "failed") in children(of_unittest)
    (failed,) = [child for child in of_unittest["subtests"] if child["outcome"] == "failed"]
    assert failed["excinfo"]["type"] == "AssertionError"

    own = results["test_own_failure"]
    assert (own["excinfo"]["type"], children(own)) == ("KeyError", [("(<subtest>)", "failed")])

    # A skip after a failed subtest is a fail.
    skip = results["test_skip"]
    assert (skip["result"], skip["excinfo"]["value"]) == contains_one

    odd = results["test_odd_arguments"]
    assert odd["outcome"] == "passed"
    # Arguments that can't cross to the controller are described.
    (child,) = odd["subtests"]
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
