"""A progress bar with the running tests below it: the smallest consumer of events."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress import Progress


progress, running = Progress(), dict[str, str]()
bar = progress.add_task("collecting", total=None)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        told: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        worker = told.get("xdist_worker") or "here"
        if told["type"] == "collected":
            progress.update(bar, total=told["total"], description=f"{told['total']} tests")
        elif told["type"] == "test_start":
            running[worker] = told["nodeid"]
        elif told["type"] == "result" and told["outcome"] != "rerun":
            running.pop(worker, None)
            progress.advance(bar, 0 if told["phases"][0]["when"] == "collect" else 1)
            if told["result"] == "fail":
                progress.console.print(f"[red]{told['outcome']}[/] {told['nodeid']}")
        self.server.is_over = told["type"] == "session_finish"  # type: ignore[attr-defined]
        if told["type"] == "session_finish":
            progress.console.print(f"{told['reason']}, exit status {told['exitstatus']}")
        self.send_response(204)
        self.end_headers()
        live.update(Group(progress, *lines()))

    def log_message(self, *arguments: object) -> None:
        """Be silent about the requests themselves."""


def lines() -> Iterator[str]:
    yield from (f"{worker:5} {nodeid}" for worker, nodeid in sorted(running.items()))


with Live(progress) as live, HTTPServer(("localhost", 8080), Receiver) as server:
    server.is_over = False  # type: ignore[attr-defined]
    while not server.is_over:  # type: ignore[attr-defined]
        server.handle_request()
