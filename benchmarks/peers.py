"""The ways to run pytest that are compared: plain, with other reporters, with this plugin."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Final

from sink import Sink


#: Only named plugins, no settings of the caller, and the same order of every set.
ENVIRONMENT: Final = {
    "PATH": os.environ["PATH"],
    "HOME": os.environ.get("HOME", "/"),
    "PYTHONHASHSEED": "0",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}


@dataclasses.dataclass(frozen=True)
class Peer:
    """One way to run pytest.

    ``evidence`` is a pattern of files, and a text that they contain once for each test.
    """

    name: str
    plugins: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    evidence: tuple[str, bytes] | None = None

    def command(self, suite: Path, folder: Path, url: str) -> list[str]:
        """Return the command that runs a suite, writing into a folder and sending to a URL."""
        return [
            *(sys.executable, "-m", "pytest", str(suite), "-p", "no:cacheprovider"),
            *(part for plugin in ("xdist", *self.plugins) for part in ("-p", plugin)),
            *(argument.format(folder=folder, url=url) for argument in self.arguments),
        ]

    def check(self, tests: int, folder: Path, sink: Sink, url: str) -> None:
        """Exit if a run has not reported every test, because its cost would then be too low."""
        found = tests
        if self.evidence:
            pattern, text = self.evidence
            found = sum(path.read_bytes().count(text) for path in folder.glob(pattern))
        if "--publish={url}" in self.arguments:
            found = min(found, sum(body["type"] == "result" for _at, body in sink.received(url)))
        if found != tests:
            raise SystemExit(f"{self.name}: {found} of {tests} tests were reported")


_OURS: Final = ("publish",)
_POST: Final = ("--publish={url}", "--publish-outbox={folder}/outbox")
_TREE: Final = ("--pubdir={folder}/tree",)
_IN_TREE: Final = ("tree/**/result.json", b'"type":"result"')

PLAIN: Final = Peer("plain pytest")
#: Its difference from PLAIN is the noise floor.
AGAIN: Final = Peer("plain pytest again")
INSTALLED: Final = Peer("installed, no switch", _OURS)
JUNITXML: Final = Peer(
    "--junitxml", (), ("--junitxml={folder}/out.xml",), ("out.xml", b"<testcase ")
)
PUBLISH: Final = Peer("--publish", _OURS, _POST)
PUBDIR: Final = Peer("--pubdir", _OURS, _TREE, _IN_TREE)
BOTH: Final = Peer("--publish --pubdir", _OURS, (*_POST, *_TREE), _IN_TREE)
EVENTS: Final = Peer("--publish --publish-events", _OURS, (*_POST, "--publish-events"))
LOG: Final = Peer(
    "--publish-log",
    _OURS,
    ("--publish-log={folder}/out.jsonl",),
    ("out.jsonl", b'"type":"result"'),
)

OURS: Final = (PUBLISH, EVENTS, PUBDIR, BOTH, LOG)
OTHERS: Final = (
    JUNITXML,
    Peer(
        "pytest-reportlog",
        ("pytest_reportlog",),
        ("--report-log={folder}/out.jsonl",),
        ("out.jsonl", b'"when": "teardown"'),
    ),
    Peer(
        "pytest-json-report",
        ("metadata", "pytest_jsonreport"),
        ("--json-report", "--json-report-file={folder}/out.json"),
        ("out.json", b'"teardown": {'),
    ),
    Peer(
        "pytest-html",
        ("metadata", "html_fixtures", "html"),
        ("--html={folder}/out.html", "--self-contained-html"),
        ("out.html", b"&#34;testId&#34;"),
    ),
    Peer(
        "allure-pytest",
        ("allure_pytest",),
        ("--alluredir={folder}/out",),
        ("out/*-result.json", b'"uuid"'),
    ),
)
