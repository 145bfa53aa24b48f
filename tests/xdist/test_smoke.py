from __future__ import annotations

from pathlib import Path

import pytest

from support import by_name
from support import Endpoint
from support import RunPytest
from support import tree_results


def test_the_tree_and_the_endpoint_get_the_same_results(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    pytester.makepyfile(
        """
        def test_a(): print("x")
        def test_b(): assert 0
        """
    )
    run = run_pytest("--pubdir", pubdir, "--publish", endpoint.url, *mode)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert by_name(endpoint.results) == by_name(tree_results(pubdir))
