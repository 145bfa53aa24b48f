"""The hooks that users may implement, in a conftest.py or a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest


if TYPE_CHECKING:
    from .result import TestResult


@pytest.hookspec
def pytest_publish_result(config: pytest.Config, result: TestResult) -> bool | None:
    """Controller: called with each result before it is published.

    The result may be changed in place: mask a secret with ``result.mask(secret)``,
    add data to ``result.properties``. Return False to withhold it; it then has no
    number, no index, and is in neither the tree nor the outbox.

    A hook that raises is reported once in the summary; the result is published as
    it is then.
    """


@pytest.hookspec
def pytest_publish_properties(item: pytest.Item) -> dict[str, object] | None:
    """Worker: called where a test runs, at the end of each of its phases.

    Return names and values to add to ``properties`` of the test's result, as
    ``record_property`` does; None adds nothing.
    """
