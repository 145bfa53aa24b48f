"""``pytest-publish``: deliver what a run left behind (``send``), show runs (``board``)."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import orjson

from . import outbox
from .board import command as board
from .orders import checked_count
from .orders import checked_header
from .orders import checked_seconds
from .orders import checked_timeout
from .orders import checked_url
from .orders import Endpoint
from .orders import Orders
from .orders import private_from
from .orders import shown
from .relay import Relay


_Checked = TypeVar("_Checked")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 if all was sent, 1 if not, 130 if interrupted."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.command == "board":
        return board.main(asked)
    try:
        orders = _orders(asked)
    except ValueError as error:
        parser.error(str(error))
    try:
        done = [_send(path, orders) for path in asked.path]
    except KeyboardInterrupt:
        print("\ninterrupted; what was not sent yet is where it was", file=sys.stderr)
        return 130
    except BrokenPipeError:  # of "| head"
        return 1
    return 0 if all(done) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pytest-publish")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    board.add_arguments(
        commands.add_parser("board", help="show runs live", description=board.DESCRIPTION)
    )
    send = commands.add_parser(
        "send",
        help="deliver what a run left behind",
        description="Deliver the results of an outbox that a run left behind, of all outboxes "
        "in a folder, or of a tree that --pubdir wrote. An outbox is removed when all of it "
        "is sent. What an endpoint refused for good is sent if its file is named. Headers "
        "with secrets come from the environment variable "
        "PYTEST_PUBLISH_HEADERS, one NAME: VALUE a line, and the secret that signs from "
        "PYTEST_PUBLISH_SECRET.",
    )
    send.add_argument("path", nargs="+", type=Path, metavar="OUTBOX|FOLDER|TREE")
    send.add_argument("--to", required=True, type=_checking(checked_url), metavar="URL")
    send.add_argument(
        "--header", action="append", default=[], type=_checking(checked_header), metavar="HEADER"
    )
    seconds, count = _checking(checked_seconds), _checking(checked_count)
    send.add_argument("--timeout", type=_checking(checked_timeout), default=10.0, metavar="SECONDS")
    send.add_argument("--grace", type=seconds, default=10.0, metavar="SECONDS")
    send.add_argument("--connections", type=count, default=16, metavar="N")
    send.add_argument("--batch", type=count, default=1, metavar="N")
    send.add_argument("--gzip", action="store_true")
    return parser


def _checking(check: Callable[[str], _Checked]) -> Callable[[str], _Checked]:
    """Have argparse show what is wrong with a value, and not the value."""

    def checked(text: str) -> _Checked:
        try:
            return check(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


def _orders(asked: argparse.Namespace) -> Orders:
    headers, secret = private_from(os.environ)
    endpoint = Endpoint(
        url=asked.to,
        headers=(*headers, *asked.header),
        timeout=asked.timeout,
        secret=secret,
        gzip=asked.gzip,
    )
    return Orders(endpoint, asked.connections, asked.batch, asked.grace)


def _send(path: Path, orders: Orders) -> bool:
    """Send what is at a path; tell what came of it, and return whether all is sent."""
    try:
        if path.is_dir():
            found = outbox.found_in(path)
            if found:
                done = [_send_outbox(each, orders) for each in found]
                return all(done)
            return _send_tree(path, orders)
        return _send_outbox(path, orders)
    except (OSError, RuntimeError) as error:  # the latter where a file system has no locks
        _say(path, f"can't be sent: {getattr(error, 'strerror', None) or error}")
        return False


def _send_tree(tree: Path, orders: Orders) -> bool:
    """Send a tree's results in the order in which they were published."""
    results = sorted(_results_in(tree))
    if not results:
        _say(tree, "there is neither an outbox nor a result.json to send in it")
        return False
    with tempfile.TemporaryDirectory(prefix="pytest-publish-") as folder:
        copy = Path(folder, f"tree{outbox.SUFFIX}")
        writer = outbox.Writer(copy)
        for _session, _seq, path in results:
            # Written by people's tools since, it may be of several lines.
            writer.append(orjson.dumps(orjson.loads(path.read_bytes())))
        return _send_outbox(copy, orders, name=tree)


def _results_in(tree: Path) -> Iterator[tuple[str, int, Path]]:
    for path in tree.rglob("result.json"):
        if path.parent.name.startswith("."):
            continue  # never finished
        try:
            data = orjson.loads(path.read_bytes())
            yield str(data["session_id"]), int(data["seq"]), path
        except (ValueError, TypeError, KeyError):
            _say(path, "is no result, and is not sent")


def _send_outbox(path: Path, orders: Orders, name: Path | None = None) -> bool:
    name = name or path
    # Opened first: a lock file beside an outbox that is not there helps nobody.
    outbox.Reader(path).close()
    lock = outbox.lock_of(path)
    if not outbox.is_free(path) or not lock.acquire(blocking=False):
        _say(name, "a process is still sending it; try again when that run is over")
        return False
    try:
        return _relay(path, orders, name)
    finally:
        lock.release()


def _relay(path: Path, orders: Orders, name: Path) -> bool:
    relay = Relay(path, orders, is_over=lambda: True, on_progress=_show_progress)
    before = relay.mark.sent, relay.mark.refused
    is_done = relay.run()
    sent, refused = relay.mark.sent - before[0], relay.mark.refused - before[1]
    url = shown(orders.endpoint.url)
    _say(name, f"{sent} sent to {url}")
    if refused:
        aside = outbox.refused_of(path)
        if name != path:
            aside = _kept(aside, Path.cwd() / f"{name.name}{outbox.REFUSED_SUFFIX}")
        _say(name, f"{refused} refused ({relay.mark.refusal}), set aside in {aside}")
    if not is_done:
        _say(name, f"the rest still waits: {relay.mark.trouble or 'nothing got through'}")
    if relay.is_torn:
        _say(name, "its last line was cut off when the run died, and stays there")
    elif is_done:
        outbox.discard(path)
    return is_done and not refused and not relay.is_torn


def _kept(temporary: Path, path: Path) -> Path:
    """Add what is in a temporary file to another one, perhaps on another file system."""
    with path.open("ab") as file:
        file.write(temporary.read_bytes())
    return path


def _show_progress(mark: outbox.Mark) -> None:
    if sys.stderr.isatty():
        print(f"\r{mark.sent} sent ", end="", file=sys.stderr, flush=True)


def _say(path: Path, text: str) -> None:
    if sys.stderr.isatty():
        print(end="\r", file=sys.stderr)
    print(f"{path}: {text}")


if __name__ == "__main__":
    sys.exit(main())
