"""What both programs share: their command line, and an environment of nobody's settings."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final


HERE: Final = Path(__file__).resolve().parent
# Where the misbehaving endpoint is.
sys.path.append(str(HERE.parent / "tests"))


def environ(**more: str) -> dict[str, str]:
    """Return an environment in which pytest loads no plugin that is not named."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    path = os.pathsep.join(filter(None, (str(HERE), own.get("PYTHONPATH"))))
    return {**own, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": path, **more}


def main(description: str | None, check: Callable[[int, float], int]) -> int:
    """Check seeds until the time is over; 1 if there was a difference.

    ``check`` gets a seed, and for how many seconds it may shrink a difference, and
    returns how many there were.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the first")
    parser.add_argument("--count", type=int, help="how many seeds")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start none after")
    parser.add_argument("--shrink-seconds", type=float, default=60.0, help="for each difference")
    asked = parser.parse_args()
    until = time.monotonic() + asked.seconds
    total = 0
    for seed in itertools.islice(itertools.count(asked.seed), asked.count):
        total += check(seed, asked.shrink_seconds)
        if time.monotonic() > until:
            break
    print(f"{total} differences")
    return int(total > 0)
