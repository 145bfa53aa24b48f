"""What all tests share: real endpoints, real trees, and the JSON Schema."""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import TypeAlias

import jsonschema
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request
from werkzeug import Response

from pytest_publish.results.result import schema


Result: TypeAlias = dict[str, Any]
#: Runs pytest with the given arguments.
RunPytest: TypeAlias = Callable[..., pytest.RunResult]

_VALIDATOR = jsonschema.Draft202012Validator(schema())

#: By the names of their entry points, by which other plugins look for them. And without the
#: collections of garbage with which pytest ends: of a small session's time they are a quarter.
OWN_PLUGINS = ("-p", "xdist", "-p", "publish", "-p", "no:unraisableexception")
#: What of our own session's environment no other session may see.
OF_THIS_SESSION = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_TESTRUNUID")

#: Of a result, what depends on when and where its test ran.
_OF_TIME_AND_PLACE = {
    *("start_time", "stop_time", "duration", "xdist_dist", "xdist_worker", "xdist_scope"),
    *("pubdir_path", "run_id", "session_id", "seq"),
}

# Long enough for a busy machine; a test that waits so long has failed.
DEADLINE = 60.0


def valid(result: Result) -> Result:
    """Return a result that has been checked against the published schema."""
    _VALIDATOR.validate(result)
    return result


def eventually(condition: Callable[[], Any], what: str = "it to happen") -> Any:
    """Poll until a condition holds and return its value; fail at the deadline."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    pytest.fail(f"waited {DEADLINE} s for {what}")


@dataclasses.dataclass(frozen=True)
class Post:
    """One POST as an endpoint got it."""

    body: bytes
    headers: dict[str, str]
    at: float
    port: int

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]

    @property
    def text(self) -> bytes:
        """The body as it was before it was compressed."""
        packed = self.headers.get("Content-Encoding") == "gzip"
        return gzip.decompress(self.body) if packed else self.body


class EndpointServer(HTTPServer):
    """A server that need not be waited for when it stops."""

    def thread_target(self) -> None:
        assert self.server is not None
        self.server.serve_forever(poll_interval=0.02)


class Endpoint:
    """A real HTTP server that keeps what it is sent.

    ``answer`` may be replaced: it is called with each Post and returns a status, or
    a werkzeug Response.
    """

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/results")
        self.posts: list[Post] = []
        self.answer: Callable[[Post], int | Response] = lambda _post: 200
        self._lock = threading.Lock()
        server.expect_request("/results", method="POST").respond_with_handler(self._handle)

    def _handle(self, request: Request) -> Response:
        post = Post(
            request.get_data(),
            dict(request.headers),
            time.time(),
            int(request.environ["REMOTE_PORT"]),
        )
        answer = self.answer(post)
        response = answer if isinstance(answer, Response) else Response(status=answer)
        with self._lock:
            self.posts.append(post)
        return response

    @property
    def results(self) -> list[Result]:
        """What was posted, one JSON object a POST, each checked against the schema."""
        return [valid(json.loads(post.body)) for post in list(self.posts)]


def tree_results(pubdir: Path) -> list[Result]:
    """Return the results in a tree, in the order in which they were published."""
    # What is being written, or was when a process was killed, has a dot before its name.
    paths = [path for path in pubdir.rglob("result.json") if path.parent.name[0] != "."]
    results = [valid(json.loads(path.read_text("utf-8"))) for path in paths]
    return sorted(results, key=lambda result: (result["session_id"], result["seq"]))


def by_name(results: list[Result]) -> dict[str, Result]:
    """Return results by their tests' names, each of which must be there once."""
    found = {result["name"]: result for result in results}
    assert len(found) == len(results), sorted(result["name"] for result in results)
    return found


def comparable(value: Any) -> Any:
    """Return a result without what differs between one run and another."""
    if isinstance(value, dict):
        return {
            key: comparable(element)
            for key, element in value.items()
            if key not in _OF_TIME_AND_PLACE
        }
    if isinstance(value, str):  # pytest shows objects with their addresses
        return re.sub(r"\b0x[0-9a-f]+\b", "0x", value)
    return [comparable(element) for element in value] if isinstance(value, list) else value
