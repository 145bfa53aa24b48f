"""Put the figures into the page about the cost: ``cost_page.py RESULTS.json PAGE.md``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import report


def put(results: Path, page: Path) -> None:
    """Replace what stands between the page's comments."""
    figures = json.loads(results.read_bytes())
    text = page.read_text("utf-8")
    text = _replaced(text, "benchmark", report.in_short(figures))
    text = _replaced(text, "all figures", report.in_full(figures))
    page.write_text(text, "utf-8")


def _replaced(text: str, name: str, new: str) -> str:
    before, begin, rest = text.partition(f"<!-- {name} -->\n")
    _old, end, after = rest.partition(f"<!-- /{name} -->\n")
    if not end:
        raise SystemExit(f"the page has no part between <!-- {name} --> and <!-- /{name} -->")
    return f"{before}{begin}{new}\n{end}{after}"


if __name__ == "__main__":
    put(Path(sys.argv[1]), Path(sys.argv[2]))
