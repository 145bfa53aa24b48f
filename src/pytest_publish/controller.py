"""Reports → aggregate → sinks, in the one process of a run that publishes."""

from __future__ import annotations

import collections
import contextlib
import functools
import os
import time
import uuid
from collections.abc import Generator
from collections.abc import Iterable
from typing import Any
from typing import Final

import pytest

from . import outbox
from . import summary
from .aggregate import Aggregator
from .aggregate import Location
from .delivery import Delivery
from .delivery import Outcome
from .directory import Directory
from .directory import Slot
from .forward import ATTRIBUTE
from .forward import Forwarder
from .forward import safe_str
from .hookspec import ERRORS
from .plugin import WORKERINPUT
from .realos import realos
from .result import TestResult
from .settings import Settings


_PATH_OPTIONS: Final = ("--pubdir", "--publish-outbox")


class Controller:
    """The hooks of the process that publishes: xdist's controller, or a serial run."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._session_id = uuid.uuid4().hex
        self._run_id = settings.run_id
        self._seq = 0
        self._written = 0
        self._troubles = summary.Troubles()
        self._outcomes: list[tuple[Delivery, Outcome]] = []
        self._deliveries: list[Delivery] = []
        self._directory = None
        if settings.pubdir is not None:
            self._directory = Directory(
                settings.pubdir, scheme=settings.scheme, which=settings.which
            )
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
        for number, orders in enumerate(self._settings.orders):
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(realos.now()))
            name = f"{stamp}-{self._session_id[:8]}" + (f"-{number}" if number else "")
            assert self._settings.outbox_folder is not None
            try:
                delivery = Delivery(self._settings.outbox_folder, name, orders)
                self._deliveries.append(delivery)
                delivery.start()
            except OSError as error:
                self._troubles.add("sending can't be started", error)

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
        self._run_id = self._run_id or node.workerinput["testrunuid"]

    def pytest_runtest_logstart(self, nodeid: str, location: Location) -> None:
        """Controller: take note of a test that may crash before its first report."""
        self._aggregator.start(nodeid, location)

    # Last, because other plugins change the report, pytest's subtests among them.
    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Controller: take in a report, publish what it completes."""
        node = getattr(report, "node", None)
        worker = None if node is None else node.gateway.id
        self._check(report)
        self._publish(self._aggregator.add(report, worker))

    @pytest.hookimpl(trylast=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Controller: publish a file that failed or skipped while it was collected."""
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
            self._publish(self._aggregator.add_collected(self._collected.popleft()))

    # Last, when all other plugins' tests and fixtures are done.
    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Controller: publish what is still open, wait for the relays, judge the run."""
        self._publish_collected()
        self._publish(self._aggregator.finish())
        self._finish_deliveries()
        failed = self._troubles or any(
            outcome.waiting or outcome.refused for _delivery, outcome in self._outcomes
        )
        if failed and self._settings.strict and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: summary.Terminal) -> None:
        """Controller: tell how many results went where, and of any trouble."""
        if self._config.get_verbosity() >= 0:
            sent = [(delivery.url, outcome) for delivery, outcome in self._outcomes]
            line = summary.totals(self._written, self._settings.pubdir, sent)
            terminalreporter.write_sep("-", line)
        colour = "red" if self._settings.strict else "yellow"
        for line in self._trouble_lines():
            terminalreporter.write_line(line, **{colour: True})

    def _trouble_lines(self) -> Iterable[str]:
        if self._settings.warning is not None:
            yield f"publish: {self._settings.warning}"
        yield from self._troubles.lines()
        for delivery, outcome in self._outcomes:
            refused = outbox.refused_of(delivery.path)
            yield from summary.undelivered(delivery.url, outcome, delivery.path, refused)
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
        if "trouble" in forwarded:
            self._troubles.add(*forwarded["trouble"])
        if forwarded.get("group") is not None:
            self._ignores_groups |= report.nodeid == forwarded["nodeid"]

    def _publish(self, results: Iterable[TestResult]) -> None:
        try:
            for result in results:
                if self._is_withheld(result):
                    continue
                self._run_id = self._run_id or uuid.uuid4().hex
                result.run_id = self._run_id
                result.session_id = self._session_id
                result.seq = self._seq
                self._seq += 1
                self._hand_out(result)
        except Exception as error:
            # Promise 1: whatever it is, the run goes on.
            self._troubles.add("a result was lost by an error of pytest-publish", error)

    def _is_withheld(self, result: TestResult) -> bool:
        try:
            answers = self._config.hook.pytest_publish_result(config=self._config, result=result)
        except ERRORS as error:
            text = f"{type(error).__name__}: {safe_str(error)}"
            self._troubles.add("a pytest_publish_result hook raised", text)
            return False
        return False in answers

    def _hand_out(self, result: TestResult) -> None:
        """Give a result to all sinks, the same bytes to each."""
        slot = self._reserve(result)
        body = result.to_json()
        if slot is not None and not self._write(slot, result, body):
            result.pubdir_path = None
            body = result.to_json()
        for delivery in self._deliveries:
            try:
                delivery.append(body)
            except OSError as error:
                self._troubles.add(f"can't write to the outbox {delivery.path}", error)

    def _reserve(self, result: TestResult) -> Slot | None:
        if self._directory is None:
            return None
        try:
            slot = self._directory.reserve(result)
        except OSError as error:
            self._troubles.add(f"can't write below {self._settings.pubdir}", error)
            return None
        if slot is not None:
            result.pubdir_path = slot.path
        return slot

    def _write(self, slot: Slot, result: TestResult, body: bytes) -> bool:
        assert self._directory is not None
        try:
            self._directory.write(slot, result, body)
        except OSError as error:
            self._troubles.add(f"can't write below {self._settings.pubdir}", error)
            return False
        self._written += 1
        return True

    def _finish_deliveries(self) -> None:
        progress = summary.Progress(
            self._config.pluginmanager.getplugin("terminalreporter"), realos.monotonic
        )
        # All are told first, so that they finish at the same time.
        for delivery in self._deliveries:
            delivery.end()
        for delivery in self._deliveries:
            outcome = delivery.wait(functools.partial(progress.show, delivery.url))
            self._outcomes.append((delivery, outcome))
        progress.close()
        if self._settings.outbox_folder is not None:
            with contextlib.suppress(OSError):  # it is not empty
                self._settings.outbox_folder.rmdir()


def joined(arguments: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return a command line's arguments with each of our paths joined to its option."""
    result: list[str] = []
    for argument in map(str, arguments):
        if result and result[-1] in _PATH_OPTIONS:
            result[-1] += f"={argument}"
        else:
            result.append(argument)
    return result
