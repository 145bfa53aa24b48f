"""``pytest-publish report`` on the command line."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from typing import TypeAlias


DESCRIPTION: Final = (
    "Write the board's page of one run, with all of its data inside, as one HTML file that "
    "opens without a server. The run is taken from a tree that --pubdir wrote, from an "
    "outbox, from a file of --publish-log, from a folder in which they are, or from a "
    "board's store, also while the board runs. They are only read."
)
#: Yields what was published and lies at a path.
Reader: TypeAlias = Callable[[Path], Iterable[bytes]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``main`` reads."""
    parser.add_argument("path", type=Path, metavar="TREE|OUTBOX|LOG|STORE")
    parser.add_argument("--run", metavar="RUN_ID", help="which run, if there are several")
    output = Path("report.html")
    parser.add_argument(
        "-o", "--output", type=Path, default=output, metavar="FILE", help="%(default)s"
    )


def main(asked: argparse.Namespace, read: Reader) -> int:
    """Write a report; return the exit code."""
    from . import report

    now = time.time()
    try:
        with tempfile.TemporaryDirectory(prefix="pytest-publish-") as folder:
            opened = report.opened(asked.path, read, Path(folder, "store"), now)
            with contextlib.closing(opened) as store:
                run = report.chosen(store, asked.path, asked.run, now)
                report.write_report(store, run, now, asked.output)
    except report.ReportError as error:
        print(f"pytest-publish report: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(f"{asked.output}: {asked.output.stat().st_size / 1e6:.1f} MB")
    return 0
