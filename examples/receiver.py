"""A minimal receiver: it prints one line for each result."""

import json
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # so that connections stay open

    def do_POST(self) -> None:
        result = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        line = f"{result['outcome']:8} {result['duration']:7.3f} s  {result['nodeid']}\n"
        print(line, end="", flush=True)  # one write, because each connection has a thread
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Don't log the requests."""


with ThreadingHTTPServer(("localhost", 8080), Receiver) as server:
    server.serve_forever()
