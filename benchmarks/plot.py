"""The ratios as bars, into an SVG file. Run by run.py where matplotlib is installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from typing import Final

import matplotlib as mpl


mpl.use("svg")

from matplotlib import pyplot as plt


_WORKLOADS: Final = ("trivial", "trivial-n2", "failing")
_COLOURS: Final = {"ours": "#d1495b", "other": "#8d99ae"}


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw how long runs took, as multiples of plain pytest."""
    measured = {row["workload"] for row in results["rows"]}
    shown = [name for name in _WORKLOADS if name in measured]
    if not shown:
        return
    mpl.rcParams |= {"svg.hashsalt": "pytest-publish", "svg.fonttype": "none", "font.size": 9}
    figure, all_axes = plt.subplots(
        1, len(shown), sharey=True, squeeze=False, figsize=(3.6 * len(shown) + 1.4, 4.2)
    )
    for axes, workload in zip(all_axes[0], shown, strict=True):
        rows = [row for row in results["rows"] if row["workload"] == workload]
        rows = [row for row in rows if not row["peer"].startswith("plain, ")]
        _bars(axes, rows)
        axes.set_title(results["titles"][workload], fontsize=9)
    machine = results["machine"]
    figure.supxlabel(
        f"time of the run, plain pytest = 1 (bars: medians, lines: lowest to highest round)\n"
        f"{results['date']}, {machine['cpu']}, {machine['cores']} cores, "
        f"Python {machine['python']}",
        fontsize=8,
    )
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _bars(axes: Any, rows: list[dict[str, Any]]) -> None:
    names = [row["peer"] for row in rows]
    medians = [row["wall"]["median"] for row in rows]
    spread = [
        [row["wall"]["median"] - row["wall"]["low"] for row in rows],
        [row["wall"]["high"] - row["wall"]["median"] for row in rows],
    ]
    colours = [_COLOURS["ours" if name.startswith("ours") else "other"] for name in names]
    axes.barh(names, medians, xerr=spread, color=colours, ecolor="#2b2d42", capsize=2)
    for name, median, high in zip(names, medians, spread[1], strict=True):
        axes.text(median + high + 0.05, name, f"{median:.2f}", va="center", fontsize=8)
    axes.axvline(1, color="#2b2d42", linewidth=0.8)
    axes.set_xlim(0, max(medians) * 1.2)
    if not axes.yaxis_inverted():  # they share it
        axes.invert_yaxis()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]))
