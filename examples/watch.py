"""Shows a progress bar, and the test that each worker is running, from one session's events."""

import itertools
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from typing import Any

from rich.markup import escape
from rich.progress import Progress
from rich.progress import TaskID


arrived: dict[int, dict[str, Any]] = {}


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        arrived[message["seq"]] = message
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Don't log the requests."""


def in_order(server: HTTPServer) -> Iterator[dict[str, Any]]:
    """Yield the session's objects in the order of ``seq``: they may arrive unordered or twice."""
    for seq in itertools.count():
        while seq not in arrived:
            server.handle_request()
        yield arrived.pop(seq)


with HTTPServer(("localhost", 8080), Receiver) as server, Progress() as progress:
    bar = progress.add_task("collecting", total=None)
    running: dict[str | None, TaskID] = {}
    for message in in_order(server):
        worker = message.get("xdist_worker")
        if message["type"] == "collected":
            progress.update(bar, total=message["total"], description="tests")
        elif message["type"] == "test_start":
            shown = escape(f"{worker or 'here'}: {message['nodeid']}")
            running[worker] = progress.add_task(shown, total=None)
        elif message["type"] == "result":
            if worker in running:  # not if a file could not be collected
                progress.remove_task(running.pop(worker))
                progress.advance(bar, message["outcome"] != "rerun")
            if message["result"] == "fail":
                progress.print(escape(f"{message['outcome']}: {message['nodeid']}"))
        elif message["type"] == "session_finish":
            progress.print(f"{message['reason']}, exit status {message['exitstatus']}")
            break
