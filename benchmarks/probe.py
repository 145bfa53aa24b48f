"""A pytest plugin that tells of a run what can't be seen from outside.

It writes the seconds from the first test's start to the last one's end, and the most memory
that the process had in MB, into the file that the variable ``BENCHMARK_PROBE`` names.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest


class Probe:
    """Listens in the process that reports."""

    def __init__(self) -> None:
        self._first = self._last = 0.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        """Note when the first test starts."""
        self._first = self._first or time.time()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        """Note when a test has ended, with all that listens to it."""
        self._last = time.time()

    def pytest_unconfigure(self) -> None:
        """Write it down."""
        # Not by rusage, which begins with the memory of the process that forked.
        status = Path("/proc/self/status").read_text("utf-8")
        peak = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        told = (self._last - self._first, int(peak[1]) / 1024 if peak else 0)
        Path(os.environ["BENCHMARK_PROBE"]).write_text(json.dumps(told), "utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Listen, but not in a worker."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Probe())
