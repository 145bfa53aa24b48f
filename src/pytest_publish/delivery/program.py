"""The program of a relay, started in a process of its own before it is told what to send."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from json import dumps
from pathlib import Path
from typing import Final
from typing import TYPE_CHECKING

from pytest_publish._os import Descriptor


if TYPE_CHECKING:
    from .config import RelayConfig


# Variables that would make a relay measure or report itself as a test does, and those with
# secrets, which it gets through its standard input.
_WITHHELD: Final = (
    *("COV_CORE_", "COVERAGE_PROCESS_", "PYTHONWARNINGS", "PYTHONDEVMODE"),
    "PYTEST_PUBLISH_",
)
# Where requests and OpenSSL look for files.
_PATHS: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC")
# As it was before a conftest could patch it.
_popen: Final = subprocess.Popen
# Seconds to wait for a relay that was killed; it may hang at its disk.
_ENDING: Final = 1.0
# Starts a relay that can import what this process can. The folders come through its
# standard input, because they may be too many for a command line or a variable. A new
# interpreter's own come first: the path of a test session has the folders of conftests,
# where a file may have the name of a module that the relay needs.
_CODE: Final = """
import json, os, sys
sys.path[:] = [entry for entry in sys.path if entry]
if line := sys.stdin.buffer.readline():
    known = set(sys.path)
    sys.path += [entry for entry in json.loads(line) if entry not in known]
    try:
        import pytest_publish.delivery.relay
    except Exception:
        pass  # raised again below, where it is kept
    if line := sys.stdin.buffer.readline():
        order = json.loads(line)
        os.dup2(os.open(order["errors"], os.O_WRONLY), sys.stderr.fileno())
        os.environ.clear()
        os.environ.update(order["environment"])
        from pytest_publish.delivery.relay import main
        main()
"""


class RelayProgram:
    """A process that has loaded, or still loads, what a relay needs."""

    def __init__(self) -> None:
        """Start it. Raises OSError if no process can be started."""
        theirs, ours = os.pipe()
        # Kept open in case no end mark can be written.
        self._input = Descriptor(ours)
        try:
            self._process = _popen(
                # Without the warnings that the tests' environment may turn into errors.
                [sys.executable, "-W", "ignore", "-c", _CODE],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=_environment(),
                # A terminal's Ctrl-C is not for the relay, which sends on.
                start_new_session=True,
            )
        except BaseException:
            self._input.close()
            raise
        finally:
            os.close(theirs)
        folders = [entry for entry in sys.path if entry and os.path.isabs(entry)]
        self._tell(dumps(folders).encode() + b"\n")

    @property
    def status(self) -> int | None:
        """The exit status; None as long as it runs."""
        return self._process.poll()

    def begin(self, config: RelayConfig, errors: Path) -> None:
        """Have it send, in the environment of now; its errors go to a file that exists."""
        order = {"errors": str(errors), "environment": _environment()}
        self._tell(dumps(order).encode() + b"\n" + config.to_json())

    def _tell(self, lines: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # it died at once, which its status tells
            self._input.write(lines)

    def tell_end(self) -> bool:
        """Tell it that no more results will come; return whether that was possible."""
        try:
            self._input.write(b"\n")
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Kill it, if it still runs."""
        # This process may run as another user by now. Then the relay goes on sending.
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait(_ENDING)

    def close(self) -> None:
        """Close its standard input: it is told nothing more."""
        self._input.close()


def _environment() -> dict[str, str]:
    """Return the environment of a relay, whose current folder is another one."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD)
    }
    for name in _PATHS:
        if environment.get(name):
            environment[name] = os.path.abspath(environment[name])
    return environment
