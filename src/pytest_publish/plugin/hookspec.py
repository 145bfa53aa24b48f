"""The hooks that users may implement, in a conftest.py or a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest


if TYPE_CHECKING:  # a run that publishes nothing imports only the hooks' names
    from pytest_publish.results.events import Event
    from pytest_publish.results.result import TestResult


@pytest.hookspec
def pytest_publish_result(config: pytest.Config, result: TestResult) -> bool | None:
    """Controller: called with each result before it is published.

    The hook may change the result in place: mask a secret with ``result.mask(secret)``,
    or add data to ``result.properties``. Return False to withhold the result; it then gets
    no ``seq`` and no number in the tree, and is neither written nor sent. Only ``False``
    withholds a result; ``None`` and ``0`` do not.

    If a hook raises an exception (also with ``sys.exit()`` or ``pytest.exit()``), the
    summary reports it once. The hook may have failed before it masked a secret, so the
    result is published with its names, outcome and times only; output, exceptions,
    properties and details are replaced by a text that gives the reason. If a hook sets a
    field to an invalid value, the summary reports that too; the value is converted to
    text, or the field gets its previous value back.
    """


@pytest.hookspec
def pytest_publish_event(config: pytest.Config, event: Event) -> bool | None:
    """Controller: called with each event before it is published (``--publish-events``).

    ``event.type`` is ``session_start``, ``collected``, ``test_start`` or ``session_finish``;
    the fields are those of the JSON. The hook may change the event in place. Return False
    to withhold the event; it then gets no ``seq``. Only ``False`` withholds an event;
    ``None`` and ``0`` do not.

    Under xdist, the hook may be called with a ``test_start`` in another thread, but calls of
    this hook and of ``pytest_publish_result`` never overlap. Before the session starts, the
    hook is called with the ``session_finish`` that is sent if pytest is killed
    (``event.reason`` is "killed").

    If a hook raises an exception, the summary reports it once, and the event is still
    published. In a ``session_start``, the arguments and metadata are then replaced by a
    text that gives the reason, because they may still contain secrets. If a hook sets a
    field to an invalid value, the summary reports that too, and the field gets its
    previous value back.
    """


@pytest.hookspec
def pytest_publish_properties(
    item: pytest.Item, report: pytest.TestReport
) -> dict[str, object] | None:
    """Worker: called where a test runs, at the end of each of its phases.

    ``report.when`` is the phase, ``report.outcome`` its outcome. The hook is also called for
    each subtest of pytest's ``subtests`` or unittest's ``subTest``, with ``report.when``
    ``call``. Return names and values to add to the ``properties`` of the test's result, or
    None to add nothing. If a name is returned several times, its last value counts.

    If a hook raises an exception, the summary reports it once; the test is not affected.
    """
