"""Writes figures into the pages, between the comments with their name."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final


ROOT: Final = Path(__file__).resolve().parents[1]
_PACKAGES: Final = ("pytest", "pytest-xdist", "orjson", "requests")


def put(name: str, text: str, page: str = "docs/cost.md") -> None:
    """Replace the text between ``<!-- NAME -->`` and ``<!-- /NAME -->``."""
    path = ROOT / page
    before, begin, rest = path.read_text("utf-8").partition(f"<!-- {name} -->\n")
    _old, end, after = rest.partition(f"<!-- /{name} -->\n")
    if not end:
        raise SystemExit(f"{page} has no part between <!-- {name} --> and <!-- /{name} -->")
    path.write_text(f"{before}{begin}{text}\n{end}{after}", "utf-8")


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a table of numbers with text in the first column."""
    cells = list(head)
    rule = "|---" + "|---:" * (len(cells) - 1) + "|"
    return "\n".join([_line(cells), rule, *map(_line, lines)])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def where() -> str:
    """Return when, and on which machine and versions, the figures were measured."""
    commit = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    info = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    cpu = next(line.partition(": ")[2] for line in info if line.startswith("model name"))
    versions = (f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    return (
        f"{dt.datetime.now(dt.timezone.utc).date()}, commit "
        f"{subprocess.check_output(commit, text=True).strip()}; {cpu}, {os.cpu_count()} cores, "
        f"Linux {platform.release()}, Python {platform.python_version()}, {', '.join(versions)}"
    )
