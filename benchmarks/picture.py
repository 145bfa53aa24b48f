"""Draws bars into an SVG file that is readable on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Final


_LABELS, _BARS, _WIDTH = 190, 340, 600
_ROW: Final = 24
# Each has a contrast of more than 4 to white and to black.
_TEXT, _OURS, _OTHER = "#768390", "#0f8a5f", "#768390"


def draw(bars: Iterable[tuple[float, str, bool]], path: Path) -> None:
    """Draw multiples of plain pytest; what is ours has a colour of its own."""
    rows = list(bars)
    highest = max(ratio for ratio, _name, _is_ours in rows)
    lines = [
        _row(number, ratio / highest, f"{ratio:.2f}", name, _OURS if is_ours else _OTHER)
        for number, (ratio, name, is_ours) in enumerate(rows)
    ]
    height = _ROW * len(rows)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="system-ui, sans-serif" '
        f'font-size="13" fill="{_TEXT}">\n'
        "<title>Instructions per trivial test, plain pytest = 1</title>\n"
        f"{''.join(lines)}</svg>\n",
        "utf-8",
    )


def _row(number: int, length: float, ratio: str, name: str, colour: str) -> str:
    top = number * _ROW
    end = _LABELS + length * _BARS
    return (
        f'<text x="{_LABELS - 8}" y="{top + 16}" text-anchor="end">{escape(name)}</text>\n'
        f'<rect x="{_LABELS}" y="{top + 4}" width="{length * _BARS:.0f}" height="{_ROW - 8}" '
        f'rx="2" fill="{colour}"/>\n'
        f'<text x="{end + 8:.0f}" y="{top + 16}">{ratio}</text>\n'
    )
