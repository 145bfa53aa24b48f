"""What pytest itself counts of each report, written down at the end of its session.

A plugin that verdicts.py loads with ``-p``. It asks the terminal reporter, whose
statistics make pytest's last line, and nothing of pytest-publish.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest


class Recorder:
    """Remembers the order of the reports, and looks up at the end what each counted as."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self._config = config
        self._path = path
        self._reports: list[pytest.TestReport | pytest.CollectReport] = []
        self._exit_code = -1

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Controller: remember a report of a test, which the statistics are to have too."""
        self._reports.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Controller: remember a report of a file, folder or class."""
        self._reports.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Controller: remember what the run came to before anybody changed it."""
        self._exit_code = int(exitstatus)

    def pytest_unconfigure(self) -> None:
        """Controller: write down what pytest counts."""
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        categories = {
            id(report): category for category, found in terminal.stats.items() for report in found
        }
        reports = [
            {
                "nodeid": report.nodeid,
                "when": report.when,
                "worker": node.gateway.id if (node := getattr(report, "node", None)) else None,
                "category": categories.get(id(report), ""),
                "subtest": hasattr(report, "context"),
            }
            for report in self._reports
        ]
        self._path.write_text(json.dumps({"exit_code": self._exit_code, "reports": reports}))


def pytest_configure(config: pytest.Config) -> None:
    """Controller: record, if told where to."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config, Path(os.environ["FUZZ_RECORD"])))
