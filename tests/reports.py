"""Reports, as programs read them: their data, and how they are made."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Final

from pytest_publish import cli


_BLOCK: Final = re.compile(r'<script type="text/plain" id="([\w-]+)">([\w+/=]*)</script>')


class Report:
    """A file that ``pytest-publish report`` wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text("utf-8")
        #: What is inside, by ids.
        self.blocks: dict[str, Any] = {
            id_: json.loads(zlib.decompress(base64.b64decode(packed)))
            for id_, packed in _BLOCK.findall(self.text)
        }
        self.answers: dict[str, Any] = self.blocks["index"]["answers"]

    @property
    def run(self) -> Any:
        """Its run, as a whole."""
        (run,) = self.answers["/api/runs"]
        return run

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome of each result, by its key."""
        results = self.answers[f"/api/runs/{self.run['run_id']}/results"]
        rows = (dict(zip(results["columns"], row, strict=True)) for row in results["rows"])
        return {row["key"]: row["outcome"] for row in rows}

    def everything(self) -> str:
        """Return all that somebody can read in it."""
        modules = re.findall(r"data:text/javascript;base64,([\w+/=]+)", self.text)
        sources = (base64.b64decode(module).decode() for module in modules)
        return "\n".join([self.text, json.dumps(self.blocks), *sources])

    def bodies(self) -> Iterator[Any]:
        """Yield each result as it was published."""
        for id_, block in self.blocks.items():
            if id_ != "index":
                yield from (one for path, one in block.items() if path.startswith("/api/results/"))


def make_report(source: Path, output: Path, *arguments: str) -> Report:
    """Make a report of what is at a path."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert cli.main(["report", str(source), "-o", str(output), *arguments]) == 0
    assert told.getvalue().startswith(f"{output}: ")
    return Report(output)


def refused(*arguments: str | Path) -> str:
    """Return what ``pytest-publish`` says, on stderr alone, as it gives up."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert cli.main([*map(str, arguments)]) == 2, arguments
    assert out.getvalue() == ""
    return err.getvalue()


def refused_line(*arguments: str | Path) -> str:
    """Return the one line with which ``pytest-publish`` gives up."""
    told = refused(*arguments)
    assert told.count("\n") == 1, told
    assert told.startswith(f"pytest-publish {arguments[0]}: ")
    return told
