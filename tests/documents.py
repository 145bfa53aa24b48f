"""The blocks of the project's documents, and a shell in which their commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from support import OF_THIS_SESSION
from support import OWN_PLUGINS


ROOT: Final = Path(__file__).parents[1]
#: Where the documents have an endpoint.
URL: Final = "http://localhost:8080/results"

_BLOCK: Final = re.compile(
    r"(?:<!-- (?P<name>[^\n]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
#: Where README.md links to, because a package index shows it without the other files.
REPOSITORY: Final = "https://github.com/pytest-publish/pytest-publish/blob/main/"
_LINK: Final = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Document:
    """A Markdown file, whose blocks have their names in comments above them."""

    def __init__(self, path: str) -> None:
        self.path = ROOT / path
        self.text = self.path.read_text("utf-8")
        found = list(_BLOCK.finditer(self.text))
        self._blocks = {block["name"]: block["text"] for block in found if block["name"]}
        #: The languages of the blocks without a name.
        self.unnamed = [block["language"] for block in found if not block["name"]]

    def __getitem__(self, name: str) -> str:
        return self._blocks[name]

    @property
    def names(self) -> list[str]:
        """The names of its blocks."""
        return list(self._blocks)

    @property
    def anchors(self) -> set[str]:
        """What GitHub makes of its headings."""
        headings = _HEADING.findall(self.text)
        return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}

    def section(self, heading: str) -> str:
        """Return what stands below a heading of the second level."""
        return self.text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]

    def broken_links(self) -> list[str]:
        """Return the links to files, or headings in them, that are not there."""
        return [
            f"{target}#{anchor}"
            for target, anchor in _LINK.findall(_BLOCK.sub("", self.text).replace(REPOSITORY, ""))
            if not self._leads_somewhere(target, anchor)
        ]

    def _leads_somewhere(self, target: str, anchor: str) -> bool:
        path = self.path.parent / target if target else self.path
        return path.exists() and (not anchor or anchor in Document(str(path)).anchors)


class Shell:
    """A shell in a folder, in which ``pytest`` is this environment's."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.folder = pytester.path
        self.environment = {
            name: value for name, value in os.environ.items() if name not in OF_THIS_SESSION
        }
        self.environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        self.environment["PYTEST_ADDOPTS"] = " ".join(OWN_PLUGINS)
        self.environment["PYTEST_XDIST_AUTO_NUM_WORKERS"] = "1"

    def run(self, command: str, code: int = 0, **variables: str) -> str:
        """Run a command line; return its output. It has to exit with ``code``."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment | variables,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


def lines(text: str) -> list[str]:
    """Return the commands of a block, each a line or several that go on."""
    return [line for line in text.replace("\\\n", "").splitlines() if line.strip()]


def not_run(document: Document) -> list[str]:
    """Return the names of a document's blocks that no test uses."""
    tests = (
        *("xdist/test_readme.py", "xdist/test_docs.py"),
        *("board/test_board_docs.py", "board/test_board_team.py", "board/test_board_report.py"),
    )
    source = "".join((ROOT / "tests" / name).read_text("utf-8") for name in tests)
    return [name for name in document.names if f'["{name}"]' not in source]
