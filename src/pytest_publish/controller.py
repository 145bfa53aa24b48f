"""Reports → aggregate → sinks, in the one process of a run that publishes."""

from __future__ import annotations

import collections
from collections.abc import Generator
from collections.abc import Iterable
from typing import Any

import pytest

from . import outbox
from . import summary
from .aggregate import Aggregator
from .arguments import joined
from .forward import ATTRIBUTE
from .forward import error_text
from .forward import Forwarder
from .forward import LOGGED
from .guard import guarded
from .plugin import WORKERINPUT
from .publisher import Publisher
from .realos import realos
from .repair import copied
from .repair import repaired
from .reports import Location
from .reports import plain
from .result import TestResult
from .settings import Settings


class Controller:
    """The hooks of the process that publishes: xdist's controller, or a serial run."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._troubles = summary.Troubles()
        self._publisher = Publisher(settings, self._is_wanted, self._troubles)
        self._aggregator = Aggregator(dist=None, clock=realos.now)
        self._collected: collections.deque[pytest.CollectReport] = collections.deque()
        self._ignores_groups = False
        self._left_behind = (
            outbox.waiting_in(settings.outbox_folder) if settings.outbox_folder else []
        )

    def pytest_report_header(self) -> list[str]:
        """Controller: tell what goes where."""
        return summary.header(self._settings, self._left_behind)

    # Before xdist starts its workers, in its own sessionstart.
    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Controller: learn how the run is distributed, and start the relays."""
        if self._config.pluginmanager.hasplugin("dsession"):
            self._aggregator.dist = self._config.getoption("dist")
        else:
            self._config.pluginmanager.register(Forwarder(loadgroup=False), "publish_forward")
        self._publisher.start()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self) -> None:
        """Controller: keep xdist from taking our paths for tests that it has to copy.

        For workers elsewhere xdist (3.6 to 3.8) looks at each argument by itself, and
        a path that exists outside of what it copies is an internal error.
        """
        params = self._config.invocation_params
        self._config.invocation_params = type(params)(
            args=joined(params.args), plugins=params.plugins, dir=params.dir
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Controller: tell a worker, before it starts, to forward."""
        loadgroup = self._aggregator.dist == "loadgroup"
        node.workerinput[WORKERINPUT] = {"loadgroup": loadgroup}
        self._publisher.run_id = self._publisher.run_id or plain(node.workerinput["testrunuid"])

    def pytest_runtest_logstart(self, nodeid: str, location: Location) -> None:
        """Controller: take note of a test that may crash before its first report."""
        self._aggregator.start(nodeid, location)

    # Last, because other plugins change the report, pytest's subtests among them.
    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Controller: take in a report, publish what it completes."""
        worker = None
        if self._aggregator.dist is not None:  # else it is not xdist's
            worker = guarded(_worker_of, lambda _error: None, report)
        self._check(report)
        self._publisher.publish(self._aggregator.add, report, worker)
        # The terminal reporter keeps all reports to the end, and need not keep this.
        vars(report).pop(ATTRIBUTE, None)

    @pytest.hookimpl(trylast=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Controller: publish a file that failed or skipped while it was collected."""
        if not report.passed:
            self._collected.append(report)
            self._publish_collected()

    @pytest.hookimpl(wrapper=True)
    def pytest_report_from_serializable(self) -> Generator[None, object, object]:
        """Controller: see what workers tell of files, in one of execnet's threads.

        xdist (3.6 to 3.8) passes on only the first of the reports that read alike,
        such as those of two files which are skipped by a module that both import.
        """
        report = yield
        if isinstance(report, pytest.CollectReport):
            self._collected.append(report)
        return report

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Controller: publish the files of which xdist told nothing."""
        self._publish_collected()

    def _publish_collected(self) -> None:
        while self._collected:
            self._publisher.publish(self._aggregator.add_collected, self._collected[0])
            self._collected.popleft()

    # Last, when all other plugins' tests and fixtures are done.
    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Controller: publish what is still open, wait for the relays, judge the run."""
        self._publish_collected()
        self._publisher.publish(self._aggregator.finish)
        self._wait_for_relays()
        failed = self._troubles or any(
            found.waiting or found.refused for _delivery, found in self._publisher.delivered
        )
        if failed and self._settings.strict and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: summary.Terminal) -> None:
        """Controller: tell how many results went where, and of any trouble."""
        if self._config.get_verbosity() >= 0:
            sent = [(delivery.url, found) for delivery, found in self._publisher.delivered]
            line = summary.totals(self._publisher.written, self._settings.pubdir, sent)
            terminalreporter.write_sep("-", line)
        colour = "red" if self._settings.strict else "yellow"
        for line in self._trouble_lines():
            terminalreporter.write_line(line, **{colour: True})

    def _trouble_lines(self) -> Iterable[str]:
        if self._settings.warning is not None:
            yield f"publish: {self._settings.warning}"
        yield from self._troubles.lines()
        for delivery, found in self._publisher.delivered:
            refused = outbox.refused_of(delivery.path)
            yield from summary.undelivered(delivery.url, found, delivery.path, refused)
        if self._ignores_groups:
            yield (
                "publish: xdist_scope and the tree follow the xdist_group marks, but this "
                "pytest-xdist does not schedule by them with this pytest (pytest-xdist issue 1386)"
            )

    def _check(self, report: pytest.TestReport) -> None:
        """Take note of what a report tells of trouble.

        That is a hook that raised, and a group that is not in the node id by which
        xdist schedules.
        """
        forwarded: dict[str, Any] = getattr(report, ATTRIBUTE, {})
        forwarded[LOGGED] = True
        if "trouble" in forwarded:
            self._troubles.add(*forwarded["trouble"])
        if forwarded.get("group") is not None:
            self._ignores_groups |= report.nodeid == forwarded["nodeid"]

    def _is_wanted(self, result: TestResult) -> bool:
        ask = self._config.hook.pytest_publish_result
        if not ask.get_hookimpls():  # costs far less than to ask nobody
            return True
        before = copied(result)

        def tell(error: BaseException) -> list[object]:
            self._troubles.add("a pytest_publish_result hook raised", error_text(error))
            return []

        answers = guarded(lambda: list(ask(config=self._config, result=result)), tell)
        unfit = repaired(result, before)
        if unfit:
            self._troubles.add(
                "a pytest_publish_result hook set what a result can't hold", ", ".join(unfit)
            )
        return not any(answer is False for answer in answers)

    def _wait_for_relays(self) -> None:
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        progress = summary.Progress(terminal, realos.monotonic)
        self._publisher.finish(progress.show)
        progress.close()


def _worker_of(report: Any) -> str | None:
    return plain(report.node.gateway.id)
