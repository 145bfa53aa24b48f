"""The hooks that users may implement, in a conftest.py or a plugin."""

from __future__ import annotations

from typing import Final
from typing import TYPE_CHECKING

import pytest


if TYPE_CHECKING:
    from .result import TestResult


#: What a user's hook may raise without harm; pytest's outcomes are no Exceptions.
ERRORS: Final = (Exception, pytest.fail.Exception, pytest.skip.Exception)


@pytest.hookspec
def pytest_publish_result(config: pytest.Config, result: TestResult) -> bool | None:
    """Controller: called with each result before it is published.

    The result may be changed in place: mask a secret with ``result.mask(secret)``,
    add data to ``result.properties``. Return False to withhold it; it then has no
    number, no index, and is in neither the tree nor the outbox.

    A hook that raises is reported once in the summary. Then nobody knows what is still
    secret: the result is published with its names, verdict and times, and with a text
    that says why in place of output, exceptions, properties and details.
    """


@pytest.hookspec
def pytest_publish_properties(
    item: pytest.Item, report: pytest.TestReport
) -> dict[str, object] | None:
    """Worker: called where a test runs, at the end of each of its phases.

    ``report.when`` tells which phase it is, ``report.outcome`` how it ended; a
    subtest of pytest's ``subtests`` or unittest's ``subTest`` calls it too, as one
    more ``call``. Return names and values to add to ``properties`` of the test's
    result; None adds nothing. A name that comes again has its last value.

    A hook that raises is reported once in the summary and does no harm to the test.
    """
