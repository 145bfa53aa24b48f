"""The hooks that users may implement, in a conftest.py or a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest


if TYPE_CHECKING:  # a run that publishes nothing loads nothing but the hooks' names
    from pytest_publish.results.events import Event
    from pytest_publish.results.result import TestResult


@pytest.hookspec
def pytest_publish_result(config: pytest.Config, result: TestResult) -> bool | None:
    """Controller: called with each result before it is published.

    The result may be changed in place: mask a secret with ``result.mask(secret)``,
    add data to ``result.properties``. Return False to withhold it; it then has no
    number, no index, and is in neither the tree nor the outbox. Nothing but ``False``
    itself withholds.

    A hook that raises, ``sys.exit()`` and ``pytest.exit()`` too, is reported once in the
    summary. Then nobody knows what is still secret: the result is published with its
    names, verdict and times, and with a text that says why in place of output,
    exceptions, properties and details. A hook that puts into a field what the field can't
    hold is reported too: a text is made of it, or the field is as it was.
    """


@pytest.hookspec
def pytest_publish_event(config: pytest.Config, event: Event) -> bool | None:
    """Controller: called with each event before it is published (``--publish-events``).

    ``event.type`` tells which it is: ``session_start``, ``collected``, ``test_start`` or
    ``session_finish``; the fields are those of its JSON. The event may be changed in
    place. Return False to withhold it; it then has no number. Nothing but ``False``
    itself withholds.

    Under xdist it may be called for a ``test_start`` in another thread, but never twice at
    the same time, nor at the same time as ``pytest_publish_result``. Before the session
    starts, it is called with the ``session_finish`` that is sent if pytest is killed
    (``event.reason`` is "killed").

    A hook that raises is reported once in the summary, and the event is published all the
    same. A ``session_start`` then has a text that says why in place of its arguments and
    metadata, of which nobody knows what is still secret. What a field can't hold is
    reported too, and the field is as it was.
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
