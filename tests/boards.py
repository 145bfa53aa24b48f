"""A board as a process of its own, and how tests talk to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Final
from urllib.parse import quote

import requests

from published import Object
from support import eventually
from support import OF_THIS_SESSION


#: A suite of which one test has passed while another one still runs.
WITH_A_LONG_TEST: Final = """
import time

def test_first():
    pass

def test_long():
    time.sleep(60)
"""


JSON: Final = {"Content-Type": "application/json"}


class Board:
    """A running ``pytest-publish board`` on a port of this machine."""

    def __init__(self, store: Path, *arguments: str, port: int = 0, **environment: str) -> None:
        self.store = store
        # A person's proxy has nothing to do with it, and what ran this test neither.
        hidden = (*OF_THIS_SESSION, "http_proxy", "HTTP_PROXY")
        kept = {name: value for name, value in os.environ.items() if name not in hidden}
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest_publish", "board"),
                *("--port", str(port), "--store", str(store), *arguments),
            ],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=kept | environment,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("board: http://"), line
        self.url = line.split()[1]
        self.port = int(self.url.rpartition(":")[2])
        self.session = requests.Session()
        self.session.trust_env = False

    def post(self, *objects: Object, path: str = "/test-update") -> None:
        """Publish objects, which have to be taken."""
        answer = self.send(json.dumps(objects).encode(), path=path)
        assert answer.status_code == 204, answer.text

    def send(self, content: bytes, path: str = "/test-update", **headers: str) -> requests.Response:
        """POST anything; a header's ``_`` stands for ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.post(self.url + path, data=content, headers=JSON | named, timeout=30)

    def get(self, path: str, **asked: str) -> Any:
        """Return what is answered with 200."""
        answer = self.session.get(self.url + path, params=asked, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def run(self, run_id: str, **asked: str) -> Any:
        """Return what the board knows of a run."""
        return self.get(f"/api/runs/{quote(run_id, safe='')}", **asked)

    def results(self, run_id: str, **asked: str) -> list[dict[str, Any]]:
        """Return a run's rows, each with its names."""
        answer = self.get(f"/api/runs/{quote(run_id, safe='')}/results", **asked)
        return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]

    @contextlib.contextmanager
    def stream(self, after: int | None = None, **asked: str) -> Iterator[Iterator[Event]]:
        """Listen to the events, as a page does."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        with self.session.get(
            f"{self.url}/api/stream", params=asked, headers=headers, stream=True, timeout=30
        ) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            yield _events(answer)

    def memory(self) -> int:
        """Return the bytes of memory that the process has."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def stop(self, sig: signal.Signals = signal.SIGINT) -> int:
        """End it; return its exit code."""
        self.session.close()
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()


class Event:
    """One server-sent event."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.name = fields.get("event", "")
        self.id = fields.get("id")
        self.data = json.loads(fields["data"])


def _events(answer: requests.Response) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        if line:
            name, _colon, value = line.partition(": ")
            fields[name] = value
            continue
        if "event" in fields:
            yield Event(fields)
        fields = {}


def restarted(board: Board) -> Board:
    """Start a board again, where the one before was."""
    eventually(lambda: board.process.poll() is not None, "the board to end")
    return Board(board.store, port=board.port)
