"""A pytest plugin by which a measured process tells about itself, loaded in all alike.

It writes one JSON file a process, when that process is about to end, into the folder
that the environment variable ``BENCHMARK_PROBE`` names.
"""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path
from typing import Final

import pytest


FOLDER: Final = "BENCHMARK_PROBE"


class Probe:
    """Takes the time and the CPU time at the first test's start and at the last one's end."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._tests = 0
        self._started: tuple[float, float] | None = None
        self._stopped: tuple[float, float] | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        """Note when the first test starts."""
        if self._started is None:
            self._started = (time.time(), time.process_time())

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        """Note when the last test has ended, and all that listens to it."""
        self._tests += 1
        self._stopped = (time.time(), time.process_time())

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Write down what this process and the children that it waited for have used."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = {
            "role": self._role,
            "tests": self._tests,
            "started": self._started,
            "stopped": self._stopped,
            "cpu": own.ru_utime + own.ru_stime,
            "cpu_children": children.ru_utime + children.ru_stime,
            "status": Path("/proc/self/status").read_text("utf-8"),
        }
        path = Path(os.environ[FOLDER]) / f"{os.getpid()}.json"
        path.write_text(json.dumps(told), "utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Register the probe of this process."""
    role = "worker" if hasattr(config, "workerinput") else "session"
    config.pluginmanager.register(Probe(role), "benchmark_probe_of_process")
