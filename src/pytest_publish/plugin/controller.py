"""Reports → aggregate → sinks, in the one process of a run that publishes."""

from __future__ import annotations

import collections
import contextlib
import sys
from collections.abc import Generator
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pytest_publish._os import realos
from pytest_publish.delivery.leftovers import refused_in
from pytest_publish.delivery.leftovers import waiting_in
from pytest_publish.results.aggregate import Aggregator
from pytest_publish.results.annotations import ATTRIBUTE
from pytest_publish.results.guard import guarded
from pytest_publish.results.repair import copied
from pytest_publish.results.repair import repaired
from pytest_publish.results.report import as_text
from pytest_publish.results.report import Location
from pytest_publish.results.result import TestResult

from .arguments import join_paths
from .exceptions import error_text
from .ignored import hide_from_git
from .ignored import Ignored
from .ignored import ignored_folders
from .problems import Problems
from .publisher import LOST
from .publisher import Publisher
from .settings import folders
from .settings import Settings
from .terminal import header
from .terminal import Progress
from .terminal import Screen
from .terminal import strictly_failed
from .terminal import totals
from .terminal import undelivered
from .terminal import Watch
from .worker import LOGGED
from .worker import ReportAnnotator
from .workerinput import IgnoredFolders
from .workerinput import KEY
from .workerinput import WorkerInput


class Controller:
    """The hooks of the process that publishes: xdist's controller, or a serial run."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._problems = Problems()
        self._publisher = Publisher(settings, self._is_wanted, self._problems)
        self._aggregator = Aggregator(dist=None, clock=realos.now)
        self._collected: collections.deque[pytest.CollectReport] = collections.deque()
        self._ignores_groups = False
        self._watch = Watch(self._warn, realos.monotonic)
        self._process = realos.getpid()
        self._is_over = False
        self._is_told = False
        self._failures: list[str] = []
        self._ignored = self._hide(folders(config))
        folder = settings.outbox_folder
        self._left_behind = [found.path for found in waiting_in(folder)] if folder else []
        self._refused_before = [found.path for found in refused_in(folder)] if folder else []

    def _hide(self, named: list[Path]) -> IgnoredFolders:
        """Keep others out of the folders; return what those that collect are to be told."""
        rootdir = self._config.rootpath
        for folder in named:
            hide_from_git(folder, rootdir)
        outboxes = self._settings.outbox_folder
        return ignored_folders([*named, *([outboxes] if outboxes else [])], rootdir)

    def pytest_report_header(self) -> list[str]:
        """Controller: tell what goes where."""
        left = self._left_behind, self._refused_before
        return list(header(self._settings, *left, self._config.invocation_params.dir))

    # Before xdist starts its workers, in its own sessionstart.
    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Controller: learn how the run is distributed, and start the relays."""
        if self._config.pluginmanager.hasplugin("dsession"):
            self._aggregator.dist = self._config.getoption("dist")
            self._share_run_id()
        else:
            register = self._config.pluginmanager.register
            register(ReportAnnotator(loadgroup=False), "publish_worker")
            register(Ignored(self._config.rootpath, self._ignored), "publish_ignored")
        self._publisher.start()

    def _share_run_id(self) -> None:
        """Have one id for the run, ours and xdist's, unless the user named either."""
        if self._settings.run_id is not None:
            return
        # xdist would make one with what a conftest may have patched by now.
        option = self._config.option
        option.testrunuid = option.testrunuid or self._publisher.run_id
        self._publisher.run_id = as_text(option.testrunuid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self) -> None:
        """Controller: keep xdist from taking our paths for tests that it has to copy.

        For workers elsewhere xdist (3.6 to 3.8) looks at each argument by itself, and
        a path that exists outside of what it copies is an internal error.
        """
        params = self._config.invocation_params
        self._config.invocation_params = type(params)(
            args=join_paths(params.args), plugins=params.plugins, dir=params.dir
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Controller: tell a worker, before it starts, to forward."""
        loadgroup = self._aggregator.dist == "loadgroup"
        node.workerinput[KEY] = WorkerInput(loadgroup=loadgroup, ignored=self._ignored)

    # Before pytest's "collecting ...".
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Controller: with -v, tell the run's name."""
        if self._config.get_verbosity() > 0:
            self._say(f"publish: run_id {self._publisher.run_id}")

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
        self._publisher.publish(guarded(self._aggregator.add, self._lost, report, worker))
        # The terminal reporter keeps all reports to the end, and need not keep this.
        vars(report).pop(ATTRIBUTE, None)
        if report.when == "teardown":
            self._watch.look(self._publisher.deliveries)

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
            report = self._collected[0]
            self._publisher.publish(guarded(self._aggregator.add_collected, self._lost, report))
            self._collected.popleft()

    # Last, when all other plugins' tests and fixtures are done.
    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Controller: publish what is still open, wait for the relays, judge the run."""
        self._finish()
        if self._settings.strict and session.exitstatus == pytest.ExitCode.OK:
            self._fail_if_unpublished(session)

    def _lost(self, error: BaseException) -> collections.deque[TestResult]:
        """Count an error of our own, which must not end the run."""
        self._problems.add(LOST, error)
        return collections.deque()

    def _finish(self) -> None:
        self._publish_collected()
        self._publisher.publish(guarded(self._aggregator.finish, self._lost))
        self._wait_for_relays()
        self._is_over = True

    def _fail_if_unpublished(self, session: pytest.Session) -> None:
        undelivered = sum(
            found.waiting + found.refused for _delivery, found in self._publisher.delivered
        )
        if undelivered or self._problems:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            # pytest tells it just before its last line (8.2 to 9.2).
            session.shouldfail = strictly_failed(undelivered)
            self._failures.append(session.shouldfail)

    def pytest_terminal_summary(self) -> None:
        """Controller: tell how many results went where, and of any trouble."""
        screen = self._screen()
        if screen is None:
            return
        if self._config.get_verbosity() >= 0:
            sent = [(delivery.url, found) for delivery, found in self._publisher.delivered]
            if sent or self._settings.pubdir is not None:
                screen.title(totals(self._settings, self._publisher.written, sent))
        for line in self._trouble_lines():
            screen.say(line, **self._colour)
        self._is_told = True

    def pytest_unconfigure(self) -> None:
        """Controller: do what has not been done, where an error has ended the session.

        pytest calls no pytest_sessionfinish after a pytest_sessionstart that raised, and
        not all of them if one raises. There is no summary with -p no:terminal, after an
        internal error, and with a plugin that puts another reporter in the place of
        pytest's.
        """
        if not self._is_over:
            self._finish()
        if self._is_told or realos.getpid() != self._process or sys.__stderr__ is None:
            return
        with contextlib.suppress(OSError, ValueError):  # it is closed
            for line in (*self._trouble_lines(), *self._failures):
                print(line, file=sys.__stderr__)
            sys.__stderr__.flush()

    def _trouble_lines(self) -> Iterable[str]:
        if self._settings.warning is not None:
            yield f"publish: {self._settings.warning}"
        yield from self._problems.lines()
        for delivery, found in self._publisher.delivered:
            yield from undelivered(delivery, found, self._config.invocation_params.dir)
        if self._ignores_groups:
            yield (
                "publish: xdist_scope and the tree follow the xdist_group marks, but this "
                "pytest-xdist does not schedule by them with this pytest (pytest-xdist issue 1386)"
            )

    def _screen(self) -> Screen | None:
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter is None:
            return None
        return Screen(reporter, self._config.get_terminal_writer())

    @property
    def _colour(self) -> dict[str, bool]:
        return {"red" if self._settings.strict else "yellow": True}

    def _warn(self, line: str) -> None:
        self._say(line, **self._colour)

    def _say(self, line: str, **markup: bool) -> None:
        screen = self._screen()
        if screen is not None:
            screen.say(line, **markup)

    def _check(self, report: pytest.TestReport) -> None:
        """Take note of what a report tells of trouble.

        That is a hook that raised, and a group that is not in the node id by which
        xdist schedules.
        """
        annotations: dict[str, Any] = getattr(report, ATTRIBUTE, {})
        annotations[LOGGED] = True
        if "trouble" in annotations:
            self._problems.add(*annotations["trouble"])
        if annotations.get("group") is not None:
            self._ignores_groups |= report.nodeid == annotations["nodeid"]

    def _is_wanted(self, result: TestResult) -> bool:
        ask = self._config.hook.pytest_publish_result
        if not ask.get_hookimpls():  # costs far less than to ask nobody
            return True
        before = copied(result)

        def tell(error: BaseException) -> list[object]:
            self._problems.add("a pytest_publish_result hook raised", error_text(error))
            # Perhaps before it had masked a secret; its message may hold one too.
            kind = type(error).__name__
            result.withhold(f"withheld, because a pytest_publish_result hook raised {kind}")
            return []

        answers = guarded(lambda: list(ask(config=self._config, result=result)), tell)
        unfit = repaired(result, before)
        if unfit:
            self._problems.add(
                "a pytest_publish_result hook set what a result can't hold", ", ".join(unfit)
            )
        return not any(answer is False for answer in answers)

    def _wait_for_relays(self) -> None:
        progress = Progress(
            self._screen(),
            realos.monotonic,
            max((delivery.grace for delivery in self._settings.deliveries), default=0.0),
            is_quiet=self._config.get_verbosity() < 0,
        )
        self._publisher.finish(progress.show)
        progress.close()


def _worker_of(report: Any) -> str | None:
    return as_text(report.node.gateway.id)
