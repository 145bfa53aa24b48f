"""What a process that runs tests tells at once, because a report would come too late.

xdist calls ``pytest_runtest_logstart`` on the controller without naming the worker, and does
not pass on how many tests a worker has deselected. So each worker gets a channel of its own
beside xdist's, on the same connection. A serial run makes the same messages and hands them
over by a call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from typing import TypeAlias
from typing import TypedDict

import pytest

from pytest_publish._os import HOST
from pytest_publish._os import realos
from pytest_publish.results.annotations import WorkerAnnotations
from pytest_publish.results.guard import guarded
from pytest_publish.results.report import location_of
from pytest_publish.results.values import escape

from .groups import split_group


class Starting(TypedDict):
    """The setup of a test begins; ``told`` is what each of its reports tells too."""

    kind: Literal["start"]
    told: WorkerAnnotations
    file: str
    line: int | None
    time: float


class CollectionDone(TypedDict):
    """The collection is done. ``clean`` maps node ids to those without a group."""

    kind: Literal["collected"]
    host: str
    deselected: int
    clean: dict[str, str]


Message: TypeAlias = Starting | CollectionDone


class Teller:
    """Tells the publishing process by ``send`` what this one does; it raises nothing."""

    def __init__(self, send: Callable[[Message], object], *, loadgroup: bool) -> None:
        self._send = send
        self._loadgroup = loadgroup
        self._process = realos.getpid()
        self._deselected = 0

    def start(self, item: pytest.Item, told: WorkerAnnotations) -> None:
        """Tell that an item's setup begins."""
        file, line, _domain = location_of(item.location)
        self._tell(
            Starting(
                kind="start",
                told=told,
                file=file,
                line=None if line is None else line + 1,
                time=realos.now(),
            )
        )

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Worker, or a serial run: count what is not going to run."""
        self._deselected += guarded(lambda: len(items), lambda _error: 0)

    # First, because xdist's own tells the controller that the collection is done.
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Worker, or a serial run: tell of the collection."""
        guarded(self._tell_collection, lambda _error: None, session.items)

    def _tell_collection(self, items: list[pytest.Item]) -> None:
        clean = {}
        for item in items:
            nodeid = escape(split_group(item)[0] if self._loadgroup else item.nodeid)
            if nodeid != item.nodeid:
                clean[item.nodeid] = nodeid
        deselected = self._deselected
        self._tell(CollectionDone(kind="collected", host=HOST, deselected=deselected, clean=clean))

    def _tell(self, message: Message) -> None:
        # A test may fork, and its child come back to pytest: that one must tell nothing.
        if realos.getpid() != self._process:
            return
        try:
            self._send(message)
        except (OSError, EOFError):  # the channel, the gateway or the connection is closed
            return
