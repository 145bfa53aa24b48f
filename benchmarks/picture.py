"""Draws a bar chart as an SVG file that is readable on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Final


_LABELS, _BARS, _WIDTH = 190, 350, 600
_ROW: Final = 24
# Visible on white and on black.
_TEXT, _PLAIN, _OURS, _OTHER = "#6e7781", "#a3abb3", "#12875f", "#5b6b8c"


def draw(bars: Iterable[tuple[float, str, bool]], path: Path) -> None:
    """Draw multiples of plain pytest: its own part, and what is added, ours in another colour."""
    rows = list(bars)
    unit = _BARS / max(ratio for ratio, _name, _is_ours in rows)
    lines = [
        _row(number * _ROW, ratio, unit, name, _OURS if is_ours else _OTHER)
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


def _row(top: int, ratio: float, unit: float, name: str, colour: str) -> str:
    bar = f'y="{top + 4}" height="{_ROW - 8}"'
    return (
        f'<text x="{_LABELS - 8}" y="{top + 16}" text-anchor="end">{escape(name)}</text>\n'
        f'<rect x="{_LABELS}" width="{unit:.1f}" {bar} fill="{_PLAIN}"/>\n'
        f'<rect x="{_LABELS + unit:.1f}" width="{(ratio - 1) * unit:.1f}" {bar} '
        f'fill="{colour}"/>\n'
        f'<text x="{_LABELS + ratio * unit + 8:.0f}" y="{top + 16}">{ratio:.2f}</text>\n'
    )
