"""``pytest-publish board`` on the command line, where what it needs may be missing."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final


DESCRIPTION: Final = (
    "Receive what runs publish, keep it, and show it live in the browser. With pytest's "
    "arguments after --, run pytest as well, publishing to this board. On another --host "
    "than this machine's own, the environment variable PYTEST_PUBLISH_BOARD_TOKEN has to "
    "hold a token. With PYTEST_PUBLISH_SECRET, only what is signed with it is taken."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``main`` reads."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=int, default=7777, help="port to listen on, 0 for a free one (%(default)s)"
    )
    parser.add_argument(
        "--store", type=Path, metavar="FILE", help="keep runs in this file, not in the data folder"
    )
    parser.add_argument(
        "--keep",
        metavar="N|DAYS",
        help="keep the newest 200 runs of each project, or those of 30d; by default all",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument("pytest", nargs="*", metavar="-- PYTEST_ARGS")


def main(asked: argparse.Namespace) -> int:
    """Serve until Ctrl-C; return the exit code."""
    try:
        from . import server
    except ModuleNotFoundError as error:
        _complain(f"{error.name} is missing: python -m pip install 'pytest-publish[board]'")
        return 2
    try:
        options = server.Options(
            host=asked.host,
            port=asked.port,
            store=asked.store,
            keep=asked.keep,
            is_opened=asked.open,
            pytest_arguments=tuple(asked.pytest),
        )
        server.serve(options, os.environ)
    except server.BoardError as error:
        _complain(str(error))
        return 2
    except KeyboardInterrupt:  # the ordinary way to stop it
        pass
    return 0


def _complain(text: str) -> None:
    print(f"pytest-publish board: {text}", file=sys.stderr)
