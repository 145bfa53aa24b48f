"""What a session publishes, results and events, as the board gets it."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Sequence
from typing import Any
from typing import TypeAlias


Object: TypeAlias = dict[str, Any]

_RESULTS = {"passed": "pass", "xpassed": "pass", "skipped": "skip", "xfailed": "skip"}

TEXT = """\
    def test_sell(database, fruit):
        stock = database[fruit]
>       assert stock - 5 >= 0
E       AssertionError: sold more than we have
E       assert -1 >= 0

test_shop.py:25: AssertionError"""


class Session:
    """Makes the objects of one session, in their order; each method returns one."""

    def __init__(
        self,
        project: str | None = "shop",
        run_id: str | None = None,
        *,
        workers: int | None = 2,
        begin: float | None = None,
    ) -> None:
        self.session_id = uuid.uuid4().hex
        self.run_id = run_id or uuid.uuid4().hex
        self.begin = time.time() if begin is None else begin
        self.now = self.begin
        self._project = project
        self._workers = workers
        self._seq = itertools.count()

    def start(self, **fields: Any) -> Object:
        """Tell of the session's start."""
        return self._object(
            "session_start",
            time=self.now,
            project=self._project,
            versions={"python": "3.11.7", "pytest": "9.2.0", "pytest-xdist": "3.8.0"},
            platform="Linux",
            host="here",
            rootdir="/srv/shop",
            args=["-n", "2"],
            xdist_dist=self._workers and "load",
            workers=self._workers,
            metadata={"branch": "main", "commit": "3f2c1a"},
            **fields,
        )

    def collected(self, nodeids: Sequence[str], first: int = 0, total: int | None = None) -> Object:
        """Tell which tests will run."""
        return self._object(
            "collected",
            time=self.now,
            total=len(nodeids) if total is None else total,
            deselected=0,
            first=first,
            nodeids=list(nodeids),
        )

    def test_start(self, nodeid: str, worker: str | None = "gw0", attempt: int = 1) -> Object:
        """Tell that a test begins."""
        return self._object(
            "test_start",
            **self._test(nodeid, worker, attempt),
            time=self.now,
            line=3,
            start_time=self.now,
        )

    def result(
        self,
        nodeid: str,
        outcome: str = "passed",
        worker: str | None = "gw0",
        *,
        attempt: int = 1,
        duration: float = 0.1,
        **fields: Any,
    ) -> Object:
        """Tell how a test ended."""
        start, self.now = self.now, self.now + duration
        result = _RESULTS.get(outcome, "fail")
        excinfo = None
        if result != "pass":
            value = "sold more than we have\nassert -1 >= 0"
            excinfo = {"type": "AssertionError", "value": value, "traceback": []}
        phase = {"outcome": "passed", "start_time": start, "stop_time": start, "duration": 0.001}
        text = TEXT if excinfo else None
        return self._object(
            "result",
            **{
                **self._test(nodeid, worker, attempt),
                "result": result,
                "start_time": start,
                "stop_time": self.now,
                "duration": duration,
                "stdout": "",
                "stderr": "",
                "log": "",
                "excinfo": excinfo,
                "outcome": outcome,
                "project": self._project,
                "host": "here",
                "line": 3,
                "pubdir_path": None,
                "phases": [
                    {**phase, "when": "setup", "excinfo": None, "text": None},
                    {**phase, "when": "call", "excinfo": excinfo, "outcome": outcome, "text": text},
                    {**phase, "when": "teardown", "excinfo": None, "text": None},
                ],
                "subtests": [],
                "properties": {},
                **fields,
            },
        )

    def finish(self, reason: str = "finished", exitstatus: int | None = 1) -> Object:
        """Tell of the session's end."""
        return self._object(
            "session_finish",
            time=self.now,
            exitstatus=exitstatus,
            reason=reason,
            duration=self.now - self.begin,
            results=0,
            outcomes={},
        )

    def _test(self, nodeid: str, worker: str | None, attempt: int) -> Object:
        return {
            "nodeid": nodeid,
            "name": nodeid.rpartition("::")[2],
            "file": nodeid.partition("::")[0],
            "attempt": attempt,
            "xdist_dist": worker and "load",
            "xdist_worker": worker,
            "xdist_scope": None,
        }

    def _object(self, type: str, **fields: Any) -> Object:
        return {
            "type": type,
            **fields,
            "run_id": self.run_id,
            "session_id": self.session_id,
            "seq": next(self._seq),
        }


def key(result: Object) -> str:
    """Return the key of an object."""
    return f"{result['session_id']}-{result['seq']}"


def body(*objects: Object) -> bytes:
    """Return objects as one POST."""
    return json.dumps(objects).encode()
