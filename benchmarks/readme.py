"""Put the results in short into README: ``readme.py RESULTS.json README.md``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import report


_BEGIN: Final = "<!-- benchmark -->\n"
_END: Final = "<!-- /benchmark -->\n"


def put(results: Path, readme: Path) -> None:
    """Replace what stands between README's two comments."""
    text = readme.read_text("utf-8")
    before, _begin, rest = text.partition(_BEGIN)
    _old, _end, after = rest.partition(_END)
    short = report.in_short(json.loads(results.read_bytes()))
    readme.write_text(f"{before}{_BEGIN}{short}\n{_END}{after}", "utf-8")


if __name__ == "__main__":
    put(Path(sys.argv[1]), Path(sys.argv[2]))
