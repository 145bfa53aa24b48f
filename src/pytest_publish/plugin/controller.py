"""The hooks of the one process of a run that publishes: xdist's controller, or a serial run."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_publish._os import HOST
from pytest_publish._os import realos
from pytest_publish.results.report import as_text

from .arguments import join_paths
from .ignored import hide_from_git
from .ignored import ignored_folders
from .messages import header
from .session import PublishSession
from .session import StartNotes
from .settings import named_paths
from .settings import Settings
from .terminal import Progress
from .terminal import screen_of
from .terminal import Watch
from .worker import register_where_tests_run
from .workerinput import KEY
from .workerinput import WorkerInput


class Controller:
    """Begins and ends a :class:`PublishSession`, and says on the terminal what became of it."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        # Of a line about a problem: red if problems fail the run.
        self._colour = {"red" if settings.strict else "yellow": True}
        watch = Watch(settings, self._warn, realos.monotonic)
        self._session = PublishSession(config, settings, watch)
        config.pluginmanager.register(self._session, "publish_session")
        self._process = realos.getpid()
        self._failure: str | None = None
        self._has_summary = False
        ours = named_paths(config, "folder")
        # The outboxes' own folder, if nobody named it, is in pytest's cache, which git ignores,
        # or outside of the project.
        for folder in ours:
            hide_from_git(folder, config.rootpath)
        self._left: tuple[list[Path], list[Path]] = [], []
        if settings.outbox_folder is not None:
            # A run without a URL does not load it.
            from pytest_publish.delivery.leftovers import left_in

            ours.append(settings.outbox_folder)
            self._left = left_in(settings.outbox_folder)
        self._ignored = ignored_folders(ours, config.rootpath)

    def pytest_report_header(self) -> list[str]:
        """Controller: say where results go, and what earlier runs left."""
        return list(header(self._settings, *self._left))

    # First, because xdist starts its workers in its own sessionstart.
    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Controller: learn how the run is distributed, and start the relays."""
        is_distributed = self._config.pluginmanager.hasplugin("dsession")
        if is_distributed:
            self._session.aggregator.dist = self._config.getoption("dist")
            self._share_run_id()
        else:
            events = self._session.events
            send = None if events is None else events.receive_serially
            register_where_tests_run(self._config, self._worker_input(), send)
        if is_distributed or self._config.getoption("forked", default=False):
            notes = StartNotes(self._session.aggregator)
            self._config.pluginmanager.register(notes, "publish_start_notes")
        self._session.start(session)

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
        """Controller: tell a worker, before it starts, to annotate its reports."""
        events = self._session.events
        channel = None if events is None else events.open_channel(node)
        node.workerinput[KEY] = self._worker_input(channel)
        # Of a worker elsewhere, itself alone knows where it is.
        is_here = bool(getattr(node.gateway.spec, "popen", None))
        self._session.aggregator.hosts[node.gateway.id] = HOST if is_here else None

    # First, so that it stands before pytest's "collecting ...".
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Controller: with -v, say the run's id."""
        screen = screen_of(self._config)
        if screen is not None and self._verbosity > 0:
            screen.say(f"publish: run_id {self._session.publisher.run_id}")

    # Last, after the tests of all other plugins and the teardown of all fixtures.
    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Controller: publish what is still open, wait for the relays, judge the run."""
        self._finish()
        if session.exitstatus == pytest.ExitCode.OK:
            self._failure = self._session.strict_failure()
            if self._failure is not None:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
                # pytest prints it just before its last line (8.2 to 9.2).
                session.shouldfail = self._failure

    def pytest_terminal_summary(self) -> None:
        """Controller: say how many results went where, and what went wrong."""
        screen = screen_of(self._config)
        if screen is None:
            return
        if self._verbosity >= 0:
            lines = self._session.publisher.totals()
            if lines:
                screen.title(lines)
        for line in self._session.problem_lines():
            screen.say(line, **self._colour)
        self._has_summary = True

    def pytest_unconfigure(self) -> None:
        """Controller: do what an error that ended the session has left undone.

        pytest calls no pytest_sessionfinish after a pytest_sessionstart that raised, and
        not all of them if one raises. There is no summary with -p no:terminal, after an
        internal error, and with a plugin that replaces pytest's reporter by its own.
        """
        if not self._session.is_finished:
            self._finish()
        if not self._has_summary and realos.getpid() == self._process:
            self._print_problems()

    def _worker_input(self, channel: Any = None) -> WorkerInput:
        return WorkerInput(
            loadgroup=self._session.aggregator.dist == "loadgroup",
            ignored=self._ignored,
            host=HOST,
            channel=channel,
        )

    def _warn(self, line: str) -> None:
        screen = screen_of(self._config)
        if screen is not None:
            screen.say(line, **self._colour)

    @property
    def _verbosity(self) -> int:
        # The option is the terminal's, and get_verbosity() of pytest 8.2 raises without it.
        verbosity: int = self._config.getoption("verbose", 0)
        return verbosity

    def _share_run_id(self) -> None:
        """Use one id for the run, ours and xdist's, unless the user named either."""
        if self._settings.run_id is not None:
            return
        # xdist would make one by what a conftest may have patched by now.
        option = self._config.option
        option.testrunuid = option.testrunuid or self._session.publisher.run_id
        self._session.publisher.run_id = as_text(option.testrunuid)

    def _finish(self) -> None:
        screen, is_quiet = screen_of(self._config), self._verbosity < 0
        progress = Progress(self._settings, screen, realos.monotonic, is_quiet=is_quiet)
        self._session.finish(progress.show)
        progress.close()

    def _print_problems(self) -> None:
        """Print what went wrong, where no summary has said it."""
        if sys.__stderr__ is None:
            return
        with contextlib.suppress(OSError, ValueError):  # it is closed
            for line in self._session.problem_lines():
                print(line, file=sys.__stderr__)
            if self._failure is not None:
                print(self._failure, file=sys.__stderr__)
            sys.__stderr__.flush()
