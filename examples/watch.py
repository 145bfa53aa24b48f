"""A progress bar, and below it what each worker runs now: a consumer of one session's events."""

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
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        arrived[told["seq"]] = told
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Be silent about the requests themselves."""


def in_order(server: HTTPServer) -> Iterator[dict[str, Any]]:
    """Yield the session's objects by their numbers: one may overtake another, or come twice."""
    for seq in itertools.count():
        while seq not in arrived:
            server.handle_request()
        yield arrived.pop(seq)


with HTTPServer(("localhost", 8080), Receiver) as server, Progress() as progress:
    bar = progress.add_task("collecting", total=None)
    running: dict[str | None, TaskID] = {}
    for told in in_order(server):
        worker = told.get("xdist_worker")
        if told["type"] == "collected":
            progress.update(bar, total=told["total"], description="tests")
        elif told["type"] == "test_start":
            shown = escape(f"{worker or 'here'}: {told['nodeid']}")
            running[worker] = progress.add_task(shown, total=None)
        elif told["type"] == "result":
            if worker in running:  # else it is a file that could not be collected
                progress.remove_task(running.pop(worker))
                progress.advance(bar, told["outcome"] != "rerun")
            if told["result"] == "fail":
                progress.print(escape(f"{told['outcome']}: {told['nodeid']}"))
        elif told["type"] == "session_finish":
            progress.print(f"{told['reason']}, exit status {told['exitstatus']}")
            break
