"""A pytest plugin that measures what can't be measured from outside the process.

It writes the seconds from the start of the first test to the end of the last one, and the
peak memory of the process in MB, into the file in the variable ``BENCHMARK_PROBE``.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest


class Probe:
    """Measures in the process that reports."""

    def __init__(self) -> None:
        self._first = self._last = 0.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        """Record when the first test starts."""
        self._first = self._first or time.time()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        """Record when a test has ended and all other plugins have handled its end."""
        self._last = time.time()

    def pytest_unconfigure(self) -> None:
        """Write the file."""
        # Not from rusage, which starts with the memory of the parent process.
        status = Path("/proc/self/status").read_text("utf-8")
        peak = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        told = (self._last - self._first, int(peak[1]) / 1024 if peak else 0)
        Path(os.environ["BENCHMARK_PROBE"]).write_text(json.dumps(told), "utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Register the probe, but not in a worker."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Probe())
