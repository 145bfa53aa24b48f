"""What the controller knows of its session: its start, collection, tests and end."""

from __future__ import annotations

import contextlib
import platform
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from typing import Any
from typing import Final

import pytest

from pytest_publish._os import HOST
from pytest_publish._os import realos
from pytest_publish.results.aggregate import Aggregator
from pytest_publish.results.annotations import WorkerAnnotations
from pytest_publish.results.events import Collected
from pytest_publish.results.events import MOST_NODEIDS
from pytest_publish.results.events import SessionFinish
from pytest_publish.results.events import SessionStart
from pytest_publish.results.events import TestStart
from pytest_publish.results.guard import guarded
from pytest_publish.results.redact import redacted_args
from pytest_publish.results.redact import redacted_metadata
from pytest_publish.results.report import as_text
from pytest_publish.results.report import without_group
from pytest_publish.results.values import escape
from pytest_publish.results.values import jsonable

from .channel import CollectionDone
from .channel import Message
from .channel import Starting
from .problems import Problems
from .publisher import Publisher
from .settings import Settings


#: What is said of an event that an error of our own has lost.
LOST: Final = "an event was lost by an error of pytest-publish"
_PACKAGES: Final = ("pytest", "pytest-xdist", "pytest-publish")
_CUT_SHORT: Final = (
    pytest.ExitCode.INTERRUPTED,
    pytest.ExitCode.INTERNAL_ERROR,
    pytest.ExitCode.USAGE_ERROR,
)


class SessionEvents:
    """Publishes what happens in a session; it raises nothing into the run."""

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        publisher: Publisher,
        aggregator: Aggregator,
        problems: Problems,
    ) -> None:
        self._config = config
        self._settings = settings
        self._publisher = publisher
        self._aggregator = aggregator
        self._problems = problems
        self._session: pytest.Session | None = None
        self._begun_at = 0.0
        self._was_stopped = False
        self._collection = _Collection()
        # How many attempts of a test came before those that its present worker counts.
        self._earlier_attempts: dict[tuple[str | None, str], int] = {}
        # The worker's end closes when this one is forgotten.
        self._channels: list[Any] = []

    def lay_down_will(self) -> None:
        """Have others tell the session's end if this process dies; before the publisher starts."""
        will = SessionFinish(
            time=realos.now(),
            exitstatus=None,
            reason="killed",
            duration=0.0,
            results=None,
            outcomes=None,
        )
        self._guarded(self._publisher.lay_down, will)

    def begin(self, session: pytest.Session) -> None:
        """Tell that the session begins."""
        self._begun_at = realos.monotonic()
        self._session = session
        self._guarded(lambda: self._publisher.tell(self._session_start()))

    def _session_start(self) -> SessionStart:
        args = [as_text(arg) for arg in self._config.invocation_params.args]
        return SessionStart(
            time=realos.now(),
            project=self._settings.project,
            versions={"python": platform.python_version(), **_versions()},
            platform=platform.platform(),
            host=HOST,
            rootdir=escape(str(self._config.rootpath)),
            args=redacted_args(args),
            xdist_dist=self._aggregator.dist,
            workers=None if self._aggregator.dist is None else _workers(self._config),
            metadata=guarded(self._metadata, lambda _error: {}),
        )

    def _metadata(self) -> dict[str, Any]:
        # The public way in since pytest-metadata 3: a key of the stash.
        plugin = sys.modules.get("pytest_metadata.plugin")
        key = getattr(plugin, "metadata_key", None)
        known: dict[str, Any] = {} if key is None else self._config.stash.get(key, {})
        metadata: dict[str, Any] = jsonable({**known, **self._settings.metadata})
        return redacted_metadata(metadata)

    def open_channel(self, node: Any) -> Any:
        """Return the channel by which a worker tells what it does; None if there is none."""
        return self._guarded(self._open_channel, node)

    def _open_channel(self, node: Any) -> Any:
        worker = as_text(node.gateway.id)

        # Called in execnet's receiver thread of that worker, before anything that the worker
        # sends later arrives, a test's report among it.
        def receive(message: Message) -> None:
            try:
                self._receive(message, worker)
            except BaseException as error:  # whatever it is, it must not end execnet's thread
                self._lost(error)

        channel = node.gateway.newchannel()
        channel.setcallback(receive)
        self._channels.append(channel)
        return channel

    def receive_serially(self, message: Message) -> None:
        """Take in what this process itself tells, where it runs the tests."""
        self._guarded(self._receive, message, None)

    def _receive(self, message: Message, worker: str | None) -> None:
        if message["kind"] == "start":
            self._start(message, worker)
            return
        self._collection.told[worker] = message
        self._aggregator.hosts[worker] = message["host"]
        if worker is None:
            assert self._session is not None
            self._collection.ids[None] = [item.nodeid for item in self._session.items]
            self._publish_collection()

    def _start(self, message: Starting, worker: str | None) -> None:
        told = message["told"]
        nodeid = told["nodeid"]
        scheduled = told.get("scheduled", nodeid)
        tell = self._publisher.tell
        if worker is not None:  # else it can't die without this process
            tell = self._publisher.tell_from_thread
            self._aggregator.note_start(worker, scheduled, told)
        tell(
            TestStart(
                nodeid,
                told["name"],
                message["file"] or None,
                message["line"],
                self._attempt(told, worker),
                self._aggregator.dist,
                worker,
                self._aggregator.scope(nodeid, told.get("group"), scheduled),
                message["time"],
                time=realos.now(),
            )
        )

    def _attempt(self, told: WorkerAnnotations, worker: str | None) -> int:
        """Return a test's attempt over all workers.

        A worker counts the attempts that it makes. Those before it ended with a crash, so
        that they are known before another worker begins with the test.
        """
        key = worker, told["nodeid"]
        if told["attempt"] <= 1:
            before = self._aggregator.next_attempt(worker, told["nodeid"]) - 1
            if before:
                self._earlier_attempts[key] = before
            else:
                self._earlier_attempts.pop(key, None)
        return max(1, told["attempt"] + self._earlier_attempts.get(key, 0))

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Controller: tell of the collection when all is known of it."""
        collection = self._collection
        collection.ids.setdefault(node.gateway.id, list(ids))
        # With any other mode each worker has the same tests, or xdist runs none.
        if self._aggregator.dist != "each" or len(collection.ids) >= _workers(self._config):
            self._publish_collection()

    def _publish_collection(self) -> None:
        if self._collection.is_published:
            return
        self._collection.is_published = True
        for event in self._guarded(self._collection.events, self._aggregator.dist) or ():
            self._guarded(self._publisher.tell, event)

    def pytest_keyboard_interrupt(self) -> None:
        """Controller: note that the session was stopped, by Ctrl-C or pytest.exit."""
        self._was_stopped = True

    def end(self) -> None:
        """Tell that the session has ended; called again after an interrupt, go on."""
        session = self._session
        if session is not None:
            # The publisher takes only one such event.
            self._guarded(lambda: self._publisher.tell(self._session_finish(session)))

    def _session_finish(self, session: pytest.Session) -> SessionFinish:
        is_cut_short = (
            self._was_stopped
            or session.exitstatus in _CUT_SHORT
            or bool(session.shouldfail or session.shouldstop)
        )
        outcomes = self._publisher.outcomes
        return SessionFinish(
            time=realos.now(),
            exitstatus=int(session.exitstatus),
            reason="interrupted" if is_cut_short else "finished",
            duration=max(0.0, realos.monotonic() - self._begun_at),
            results=sum(outcomes.values()),
            outcomes=dict(outcomes),
        )

    def _guarded(self, call: Any, *args: Any) -> Any:
        return guarded(call, self._lost, *args)

    def _lost(self, error: BaseException) -> None:
        self._problems.add(LOST, error)


class _Collection:
    """What is known of the tests that are going to run, by worker."""

    def __init__(self) -> None:
        self.is_published = False
        self.ids: dict[str | None, list[str]] = {}
        self.told: dict[str | None, CollectionDone] = {}

    def events(self, dist: str | None) -> list[Collected]:
        """Return the events that tell it, each with as many node ids as one may have."""
        is_each = dist == "each"
        workers = list(self.ids) if is_each else list(self.ids)[:1]
        nodeids = [nodeid for worker in workers for nodeid in self.ids[worker]]
        total = len(nodeids)
        if is_each:  # what one worker runs, the others run too
            nodeids = list(dict.fromkeys(nodeids))
        told = [self.told[worker] for worker in workers if worker in self.told]
        deselected = sum(message["deselected"] for message in told)
        clean = {key: value for message in told for key, value in message["clean"].items()}
        if dist == "loadgroup" and not told:  # a worker without this plugin
            clean = {nodeid: without_group(nodeid, "")[0] for nodeid in nodeids}
        nodeids = [clean.get(nodeid, nodeid) for nodeid in map(escape, nodeids)]
        return [
            Collected(
                time=realos.now(),
                total=total,
                deselected=deselected,
                first=first,
                nodeids=nodeids[first : first + MOST_NODEIDS],
            )
            for first in range(0, max(1, len(nodeids)), MOST_NODEIDS)
        ]


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):  # run from a checkout, or without xdist
            found[name] = version(name)
    return found


def _workers(config: pytest.Config) -> int:
    """Return how many workers were asked for: xdist's --tx takes "3*popen" too."""
    count = 0
    for spec in config.getoption("tx"):
        times, star, _rest = spec.partition("*")
        count += int(times) if star and times.isdigit() else 1
    return count
