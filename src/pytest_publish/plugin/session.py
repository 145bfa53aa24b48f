"""What one run publishes: reports in by hooks, results out to the sinks, problems counted."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterator
from typing import Any
from typing import TYPE_CHECKING

import pytest

from pytest_publish._os import HOST
from pytest_publish._os import realos
from pytest_publish.results.aggregate import Aggregator
from pytest_publish.results.annotations import annotations_of
from pytest_publish.results.annotations import ATTRIBUTE
from pytest_publish.results.annotations import unpack
from pytest_publish.results.annotations import WorkerAnnotations
from pytest_publish.results.guard import guarded
from pytest_publish.results.report import as_text
from pytest_publish.results.report import Location
from pytest_publish.results.result import TestResult

from .early_relay import take
from .groups import GroupNotice
from .messages import strictly_failed
from .messages import undelivered
from .problems import Problems
from .publisher import LOST
from .publisher import Publisher
from .settings import Settings
from .terminal import Watch
from .users_hooks import is_wanted


if TYPE_CHECKING:  # a run without events does not load them
    from .events import SessionEvents


class PublishSession:
    """The state of a run in the process that publishes; it raises nothing into the run."""

    def __init__(self, config: pytest.Config, settings: Settings, watch: Watch) -> None:
        self.problems = Problems()
        self.aggregator = Aggregator(dist=None, clock=realos.now)
        self.aggregator.hosts[None] = HOST
        asked = functools.partial(is_wanted, config, self.problems)
        self.publisher = Publisher(settings, asked, self.problems)
        self.events: SessionEvents | None = None
        if settings.events:
            from .events import SessionEvents

            self.events = SessionEvents(
                config, settings, self.publisher, self.aggregator, self.problems
            )
            config.pluginmanager.register(self.events, "publish_events")
        self.is_finished = False
        self._config = config
        self._settings = settings
        self._watch = watch
        self._collected: collections.deque[pytest.CollectReport] = collections.deque()
        self._groups = GroupNotice(config)

    def start(self, session: pytest.Session) -> None:
        """Open the sinks, and tell that the session begins."""
        if self.events is not None:
            self.events.lay_down_will()
        self.publisher.start(functools.partial(take, self._config))
        if self.events is not None:
            self.events.begin(session)

    # Last, because other plugins change the report, pytest's subtests among them.
    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Controller: publish the results that a report completes."""
        annotations: WorkerAnnotations = report.__dict__.pop(ATTRIBUTE, {})
        annotations["logged"] = True
        if "problem" in annotations:
            self.problems.add(*annotations["problem"])
        worker = None
        if self.aggregator.dist is not None:  # else it has neither a node nor a group
            worker = guarded(_worker_of, lambda _error: None, report)
            if "group" in annotations and report.nodeid == annotations["nodeid"]:
                self._groups.give()  # else xdist has added the group to the node id
        # In place of guarded(), which is one call more for each phase of each test.
        try:
            results = self.aggregator.add(report, annotations, worker)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            results = self._lost(error)
        if results:
            self.publisher.publish(results)
            if self.publisher.relays:
                self._watch.look(self.publisher.relays)

    @pytest.hookimpl(trylast=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Controller: publish a file that failed or skipped while it was collected."""
        if not report.passed:
            self._collected.append(report)
            self._publish_collected()

    @pytest.hookimpl(wrapper=True)
    def pytest_report_from_serializable(self) -> Generator[None, object, object]:
        """Controller, in one of execnet's threads: note what workers report of files.

        Of tests, restore what the channel did not carry, before a plugin changes the report.
        xdist (3.6 to 3.8) passes on only the first of the reports that read alike,
        such as those of two files which are skipped by a module that both import.
        """
        report = yield
        if isinstance(report, pytest.CollectReport):
            self._collected.append(report)
        elif isinstance(report, pytest.TestReport):
            unpack(annotations_of(report), report.nodeid)
        return report

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Controller: publish the files whose reports xdist did not pass on."""
        self._publish_collected()

    def _publish_collected(self) -> None:
        while self._collected:
            report = self._collected[0]
            annotations = annotations_of(report)
            self.publisher.publish(
                guarded(self.aggregator.add_collected, self._lost, report, annotations)
            )
            self._collected.popleft()

    def finish(self, on_progress: Callable[[str, int], None]) -> None:
        """Publish what is still open, and wait for the relays."""
        self._publish_collected()
        self.publisher.publish(guarded(self.aggregator.finish, self._lost))
        if self.events is not None:
            self.events.end()
        self.publisher.finish(on_progress)
        self.is_finished = True

    def strict_failure(self) -> str | None:
        """Return why ``--publish-strict`` fails the run; None if it does not."""
        if not self._settings.strict:
            return None
        count = sum(report.waiting + report.refused for _, report in self.publisher.delivered)
        if not count and not self.problems:
            return None
        return strictly_failed(count, self._settings)

    def problem_lines(self) -> Iterator[str]:
        """Yield what the user has to know at the end."""
        if self._settings.warning is not None:
            yield f"publish: {self._settings.warning}"
        yield from self.problems.lines()
        for relay, report in self.publisher.delivered:
            yield from undelivered(relay, report, self._settings)
        if self._groups.text is not None:
            yield self._groups.text

    def _lost(self, error: BaseException) -> collections.deque[TestResult]:
        self.problems.add(LOST, error)
        return collections.deque()


def _worker_of(report: Any) -> str | None:
    return as_text(report.node.gateway.id)


class StartNotes:
    """Notes which tests begin, if the process that publishes would survive a test's crash."""

    def __init__(self, aggregator: Aggregator) -> None:
        self._aggregator = aggregator

    def pytest_runtest_logstart(self, nodeid: str, location: Location) -> None:
        """Controller: note a test that may crash before its first report."""
        self._aggregator.start(nodeid, location)
