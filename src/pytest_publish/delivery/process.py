"""The relay of one URL, as the process that publishes holds it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import Final
from typing import NamedTuple

from pytest_publish._os import OWNER_ONLY
from pytest_publish._os import realos

from .config import ALL_ACCEPTED
from .config import DeliveryConfig
from .config import printable
from .config import RelayConfig
from .cursor import Cursor
from .cursor import CursorFile
from .locks import WriterLock
from .outbox import Header
from .outbox import Outbox
from .outbox import OutboxWriter
from .outbox import SUFFIX
from .program import RelayProgram


_POLL: Final = 0.005
# Seconds that a relay may take to start on a busy machine.
_STARTING: Final = 10.0


class DeliveryReport(NamedTuple):
    """What became of the results of one URL. ``reason`` is "" if all arrived."""

    sent: int
    refused: int
    waiting: int
    reason: str
    refusal: str


class RelayProcess:
    """Hands results over to a relay process, by an outbox."""

    def __init__(
        self,
        folder: Path,
        name: str,
        config: DeliveryConfig,
        will: dict[str, Any] | None = None,
    ) -> None:
        """Create the outbox ``name`` in ``folder``. Raises OSError.

        ``will`` is what is to be sent if this process dies.
        """
        self.url = config.url
        self.outbox = Outbox(folder / f"{name}{SUFFIX}")
        self.path = self.outbox.path
        #: Whether a Ctrl-C ended the waiting.
        self.was_interrupted = False
        self._config = config
        self._writer_lock = WriterLock(self.outbox)
        try:
            self._writer = OutboxWriter(self.outbox, Header.for_url(self.url, will))
        except OSError:
            self._writer_lock.release()
            raise
        #: Hands over one result, as :meth:`OutboxWriter.append` does.
        self.append: Final = self._writer.append
        self._program: RelayProgram | None = None
        self._has_ended = False
        self._can_learn_of_end = True
        self._patience = config.grace + config.timeout + _STARTING

    def start(self, program: RelayProgram | None = None) -> None:
        """Have a program send what is in the outbox, by default a new one.

        Raises OSError if that can't be started.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        os.close(os.open(self.outbox.errors, flags, OWNER_ONLY))
        self._program = program or RelayProgram()
        relay_config = RelayConfig(self.path, realos.getpid(), self._config)
        self._program.begin(relay_config, self.outbox.errors)

    def cursor(self) -> Cursor:
        """Return how far the relay has got."""
        return CursorFile(self.outbox).read()

    def end(self) -> None:
        """Tell the relay that no more results will come."""
        if self._has_ended:
            return
        self._has_ended = True
        try:
            self._writer.end()
        except OSError:  # the disk is full, or the file must not be written any more
            if self._program is not None and self._program.status is None:
                self._can_learn_of_end = self._program.tell_end()

    def wait(self, on_progress: Callable[[int], None]) -> DeliveryReport:
        """Wait until the relay ends, which knows when to give up; then tidy up.

        ``on_progress`` is called again and again with the number of results that
        wait. A KeyboardInterrupt ends the waiting.
        """
        try:
            stopped = self._wait(on_progress)
        except KeyboardInterrupt:
            return self.interrupt()
        return self._finished(stopped)

    def interrupt(self) -> DeliveryReport:
        """Wait no longer; tidy up."""
        self.was_interrupted = True
        return self._finished("interrupted")

    def _finished(self, stopped: str) -> DeliveryReport:
        if self._program is not None:
            if stopped:
                self._program.stop()
            self._program.close()
        report = self._report(stopped)
        if not report.waiting:
            self.outbox.discard()
        with contextlib.suppress(OSError):
            realos.unlink(self.outbox.errors)
        self._writer_lock.release()
        return report

    def _wait(self, on_progress: Callable[[int], None]) -> str:
        """Wait for the relay's end; return why it is not waited for any longer."""
        waited = None
        progress_at = realos.monotonic()
        while self._program is not None and self._program.status is None:
            waiting = self._waiting(self.cursor())
            if waiting != waited:
                waited, progress_at = waiting, realos.monotonic()
            # It gives up by itself, unless it was stopped, or hangs at its disk.
            if realos.monotonic() - progress_at > self._patience:
                return "the relay hangs"
            if not waiting and not self._can_learn_of_end:
                return "it can't be told that the run is over"
            on_progress(waiting)
            realos.sleep(_POLL)
        return ""

    def _report(self, stopped: str) -> DeliveryReport:
        if self._program is not None and self._program.status == ALL_ACCEPTED:
            # The cursor may say less: its disk is full, or this process may not read it.
            return DeliveryReport(self._writer.appended, 0, 0, "", "")
        cursor = self.cursor()
        waiting = self._waiting(cursor)
        reason = (stopped or cursor.problem or self._relay_error()) if waiting else ""
        return DeliveryReport(cursor.sent, cursor.refused, waiting, reason, cursor.refusal)

    def _waiting(self, cursor: Cursor) -> int:
        return self._writer.appended - cursor.sent - cursor.refused

    def _relay_error(self) -> str:
        """Return why the relay ended, from what it wrote last on its standard error."""
        if self._program is None:
            return "the relay could not be started"
        with contextlib.suppress(OSError):
            text = realos.read_file(str(self.outbox.errors)).decode("utf-8", "replace")
            last = next((line for line in reversed(text.split("\n")) if line.strip()), None)
            if last is not None:
                return f"the relay ended: {printable(last)}"
        if self._program.status == 0:  # it gave up in the middle of its first try
            return "nothing got through"
        return f"the relay ended with status {self._program.status}"
