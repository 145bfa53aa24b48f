"""One URL's outbox and relay, as the controller holds them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from . import outbox
from .orders import Instructions
from .orders import Orders
from .orders import printable
from .realos import realos


# Of the environment, what would make a relay measure or report itself as a test does,
# and the secrets, which it is told in private.
_WITHHELD: Final = (
    *("COV_CORE_", "COVERAGE_PROCESS_", "PYTHONWARNINGS", "PYTHONDEVMODE"),
    "PYTEST_PUBLISH_",
)
# Where requests and OpenSSL look for files.
_PATHS: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC")
# As it was before a conftest could patch it.
_popen: Final = subprocess.Popen
_POLL: Final = 0.005
# Seconds that a relay may take to start on a busy machine.
_STARTING: Final = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class Delivered:
    """What became of the results of one URL. ``reason`` is "" if all arrived."""

    sent: int
    refused: int
    waiting: int
    reason: str
    refusal: str


class Delivery:
    """Hands results over to a relay process by way of an outbox file."""

    def __init__(self, folder: Path, name: str, orders: Orders) -> None:
        """Create the outbox ``name`` in ``folder``. Raises OSError."""
        self.url = orders.endpoint.url
        self.path = folder / f"{name}{outbox.SUFFIX}"
        #: Whether a Ctrl-C ended the waiting.
        self.was_interrupted = False
        self._orders = orders
        self._claim = outbox.Claim(self.path)
        try:
            self._writer = outbox.Writer(self.path)
        except OSError:
            self._claim.release()
            raise
        self._process: subprocess.Popen[bytes] | None = None
        self._errors = outbox.errors_of(self.path)
        self._patience = orders.grace + orders.endpoint.timeout + _STARTING

    def start(self) -> None:
        """Start the relay. Raises OSError if no process can be started."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self._errors, flags, 0o600), "wb") as errors:
            self._process = _popen(
                _command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=self.path.parent,
                env=_environment(),
                # Ctrl-C goes to all processes of the terminal's foreground group,
                # and the relay is to send on. Of these two each system heeds its own.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        stdin = self._process.stdin
        assert stdin is not None
        instructions = Instructions(self.path, realos.getpid(), self._orders)
        with contextlib.suppress(BrokenPipeError):  # it died at once; wait() tells
            stdin.write(instructions.to_json())
            stdin.flush()
        # On Windows its end tells the relay that this process has died.
        if os.name == "posix":
            stdin.close()

    def append(self, body: bytes) -> None:
        """Hand over one result. Raises OSError if the outbox can't be written."""
        self._writer.append(body)

    def end(self) -> None:
        """Tell the relay that no more results will come."""
        try:
            self._writer.end()
        except OSError:  # it would wait for the end for ever
            self._stop()

    def wait(self, on_progress: Callable[[int], None]) -> Delivered:
        """Wait until the relay ends, which knows when to give up; then tidy up.

        ``on_progress`` is called again and again with the number of results that
        wait. A KeyboardInterrupt ends the waiting.
        """
        try:
            stopped = self._wait(on_progress)
        except KeyboardInterrupt:
            return self.interrupt()
        return self._finished(stopped)

    def interrupt(self) -> Delivered:
        """Wait no longer; tidy up."""
        self.was_interrupted = True
        return self._finished("interrupted")

    def _finished(self, stopped: str) -> Delivered:
        if stopped:
            self._stop()
        delivered = self._delivered(stopped)
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if not delivered.waiting:
            outbox.discard(self.path)
        with contextlib.suppress(OSError):
            realos.unlink(self._errors)
        self._claim.release()
        return delivered

    def _wait(self, on_progress: Callable[[int], None]) -> str:
        """Wait for the relay's end; return why it is not waited for any longer."""
        marks = outbox.MarkFile(self.path)
        waiting = self._writer.appended
        progress_at = realos.monotonic()
        while self._process is not None and self._process.poll() is None:
            mark = marks.read()
            if waiting != (waiting := self._writer.appended - mark.sent - mark.refused):
                progress_at = realos.monotonic()
            # It gives up by itself, unless it was stopped, or hangs at its disk.
            if realos.monotonic() - progress_at > self._patience:
                return "the relay hangs"
            on_progress(waiting)
            realos.sleep(_POLL)
        return ""

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _delivered(self, stopped: str) -> Delivered:
        mark = outbox.MarkFile(self.path).read()
        waiting = self._writer.appended - mark.sent - mark.refused
        reason = ""
        if waiting:
            reason = stopped or mark.trouble or self._relay_error()
        return Delivered(mark.sent, mark.refused, waiting, reason, mark.refusal)

    def _relay_error(self) -> str:
        """Return why the relay ended, from what it wrote last on its standard error."""
        if self._process is None:
            return "the relay could not be started"
        with contextlib.suppress(OSError):
            text = realos.read_file(str(self._errors)).decode("utf-8", "replace")
            last = next((line for line in reversed(text.split("\n")) if line.strip()), None)
            if last is not None:
                return f"the relay ended: {printable(last)}"
        if self._process.returncode == 0:  # it gave up in the middle of its first try
            return "nothing got through"
        return f"the relay ended with status {self._process.returncode}"


def _environment() -> dict[str, str]:
    """Return the environment of a relay, whose current folder is another one."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD)
    }
    for name in _PATHS:
        if environment.get(name):
            environment[name] = os.path.abspath(environment[name])
    return environment


def _command() -> list[str]:
    """Return the command that starts a relay with the modules that this process has.

    A new interpreter's own import path comes first: on that of a test session is what
    lies beside a conftest, which may have the name of a module that the relay needs.
    """
    path = [entry for entry in sys.path if entry and os.path.isabs(entry)]
    code = (
        "import sys; sys.path[:] = [entry for entry in sys.path if entry];"
        f"sys.path += [entry for entry in {path!r} if entry not in sys.path];"
        "from pytest_publish.relay import main; main()"
    )
    # Without the warnings that the tests' environment may turn into errors.
    return [sys.executable, "-W", "ignore", "-c", code]
