"""Who is measured: plain pytest, what others publish with, and this plugin."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sink import Received


@dataclasses.dataclass(frozen=True)
class Place:
    """Where one run may write, a fresh folder, and what it may send to."""

    folder: Path
    url: str
    grace: float


@dataclasses.dataclass(frozen=True)
class Peer:
    """One way to run pytest.

    ``count`` tells how many results arrived; None where there is nothing to count.
    ``baseline`` is the plain pytest that it is compared with, in the same round.
    """

    name: str
    environment: str
    arguments: Callable[[Place], list[str]] = lambda _place: []
    variables: Callable[[Place], dict[str, str]] = lambda _place: {}
    count: Callable[[Place, Received], int] | None = None
    baseline: str = "plain"
    record: bool = False


def _lines(name: str, wanted: bytes) -> Callable[[Place, Received], int]:
    """Return what counts how often a file has some text."""
    return lambda place, _received: _text(place.folder / name).count(wanted)


def _files(pattern: str) -> Callable[[Place, Received], int]:
    """Return what counts the files below a run's folder."""
    return lambda place, _received: sum(1 for _ in (place.folder / "out").rglob(pattern))


def _text(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _json_report(place: Place, _received: Received) -> int:
    text = _text(place.folder / "out.json")
    return len(json.loads(text)["tests"]) if text else 0


def _buildkite(_place: Place, received: Received) -> int:
    return sum(len(body["data"]) for _at, body in received.recorded)


def _buildkite_variables(place: Place) -> dict[str, str]:
    return {"BUILDKITE_ANALYTICS_TOKEN": "none", "BUILDKITE_ANALYTICS_API_URL": place.url}


def _publish(place: Place) -> list[str]:
    return [
        f"--publish={place.url}/results",
        f"--publish-grace={place.grace}",
        f"--publish-outbox={place.folder / 'outbox'}",
    ]


def _pubdir(place: Place) -> list[str]:
    return [f"--pubdir={place.folder / 'out'}"]


def kept(place: Place) -> int:
    """Return how many results of a run wait in our outbox to be sent later."""
    paths = (place.folder / "outbox").glob("*.jsonl")
    return sum(1 for path in paths for line in path.read_bytes().splitlines() if line)


#: By their names, in the order in which they run.
PEERS: Final[dict[str, Peer]] = {
    peer.name: peer
    for peer in (
        Peer("plain", "plain"),
        Peer("plain again", "plain"),
        Peer(
            "junitxml",
            "plain",
            lambda place: [f"--junitxml={place.folder / 'out.xml'}"],
            count=_lines("out.xml", b"<testcase "),
        ),
        Peer(
            "reportlog",
            "reportlog",
            lambda place: [f"--report-log={place.folder / 'out.jsonl'}"],
            count=_lines("out.jsonl", b'"when": "teardown"'),
        ),
        Peer(
            "json-report",
            "json-report",
            lambda place: ["--json-report", f"--json-report-file={place.folder / 'out.json'}"],
            count=_json_report,
        ),
        Peer(
            "html",
            "html",
            lambda place: [f"--html={place.folder / 'out.html'}", "--self-contained-html"],
            count=_lines("out.html", b"&#34;testId&#34;"),
        ),
        Peer(
            "allure",
            "allure",
            lambda place: [f"--alluredir={place.folder / 'out'}"],
            count=_files("*-result.json"),
        ),
        Peer(
            "buildkite", "buildkite", variables=_buildkite_variables, count=_buildkite, record=True
        ),
        Peer("plain, pytest 8", "older", lambda _place: ["-p", "no:pytest_publish"]),
        Peer(
            "1.2.0 --pubdir",
            "older",
            lambda place: [f"--pubdir={place.folder / 'out'}", "--pubdir-filter=all"],
            count=_files("result.json"),
            baseline="plain, pytest 8",
        ),
        Peer(
            "1.2.0 --publish",
            "older",
            lambda place: [f"--publish={place.url}/results"],
            count=lambda _place, received: received.posts,
            baseline="plain, pytest 8",
        ),
        Peer("ours --pubdir", "ours", _pubdir, count=_files("result.json")),
        Peer("ours --publish", "ours", _publish, count=lambda _place, received: received.keys),
        Peer(
            "ours, both",
            "ours",
            lambda place: [*_pubdir(place), *_publish(place)],
            count=lambda _place, received: received.keys,
        ),
    )
}
