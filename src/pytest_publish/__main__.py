"""``pytest-publish send``: deliver what a run left behind, or what is in a tree."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import os
import sys
import tempfile
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import orjson

from . import outbox
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
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    send = commands.add_parser(
        "send",
        help="deliver what a run left behind",
        description="Deliver the results of an outbox that a run left behind; of a FOLDER, "
        "which is all outboxes in it, and then the tree that --pubdir wrote into it, at any "
        "depth and each result once; or of a result.json. An outbox is removed, with its "
        "files beside it, as soon as the endpoint has taken or refused all of it; nothing "
        "else is ever changed or removed. What an endpoint refused for good is set aside in "
        "NAME.refused.jsonl, which is an outbox too, but is sent only if it is named. Headers "
        "with secrets come from the environment variable PYTEST_PUBLISH_HEADERS, one "
        "NAME: VALUE a line, and the secret that signs from PYTEST_PUBLISH_SECRET.",
    )
    send.add_argument("path", nargs="+", type=Path, metavar="OUTBOX|FOLDER|TREE")
    send.add_argument(
        "--to",
        type=_checking(checked_url),
        metavar="URL",
        help="where to send. Without it each outbox is sent to the URL that it was written "
        "for; give it for an outbox that comes from somebody else, because that URL gets your "
        "headers. Of a FOLDER, only what was written for this URL is sent; an outbox that is "
        "named by itself is sent to it in any case. Needed for a tree and a result.json, and "
        "for an outbox whose URL had a user, password or query, which are not kept",
    )
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
        url=asked.to or "",
        headers=(*headers, *asked.header),
        timeout=asked.timeout,
        secret=secret,
        gzip=asked.gzip,
    )
    return Orders(endpoint, asked.connections, asked.batch, asked.grace)


def _send(path: Path, orders: Orders) -> bool:
    """Send what is at a path; tell what came of it, and return whether all is sent."""

    def send() -> bool:
        is_folder = path.is_dir()
        return _send_folder(path, orders) if is_folder else _send_file(path, orders, is_named=True)

    return _guarded(path, send)


def _guarded(path: Path, send: Callable[[], bool]) -> bool:
    try:
        return send()
    except OSError as error:
        where = f": {error.filename}" if error.filename not in (None, str(path)) else ""
        _say(path, f"can't be sent: {error.strerror or error}{where}")
    # Where a file system has no locks; and of a URL that somebody wrote into a header.
    except (RuntimeError, ValueError) as error:
        _say(path, f"can't be sent: {error}")
    return False


def _send_folder(folder: Path, orders: Orders) -> bool:
    """Send the outboxes in a folder, and the tree in it without what they hold."""
    done: list[bool] = []
    keys: set[str] = set()
    for path in outbox.found_below(folder):
        send = functools.partial(_send_found, path, orders, keys)
        done.append(_guarded(path, send))
    results = {key: path for key, path in _results_in(folder) if _name_of(key) not in keys}
    if results:
        paths = [results[key] for key in sorted(results)]
        done.append(_guarded(folder, lambda: _send_copy(folder, map(_result_at, paths), orders)))
    if not done:
        _say(folder, "there is neither an outbox nor a result.json to send in it")
    return bool(done) and all(done)


def _send_found(path: Path, orders: Orders, keys: set[str]) -> bool:
    """Send an outbox of a folder; add what it holds to ``keys``, if it is for this URL."""
    header = outbox.header_of(path)
    if header is not None and _is_for(header, orders):
        keys.update(_keys_in(path))
    return _send_file(path, orders, is_named=False)


def _keys_in(path: Path) -> Iterator[str]:
    reader = outbox.Reader(path)
    while lines := reader.read():
        yield from (line.key for line in lines if line.key is not None)
    reader.close()


def _results_in(tree: Path) -> Iterator[tuple[tuple[str, int], Path]]:
    """Yield each result of a tree, by what orders it, with its path."""
    for path in tree.rglob("result.json"):
        if path.parent.name.startswith(".") or not path.is_file():
            continue  # never finished, or a folder or a FIFO of others
        data = path.read_bytes()
        if outbox.key_of(data) is None:
            _say(path, "is no result, and is not sent")
        else:
            told = orjson.loads(data)
            yield (told["session_id"], told["seq"]), path


def _name_of(key: tuple[str, int]) -> str:
    return "{}-{}".format(*key)


def _result_at(path: Path) -> bytes:
    return _as_line(path.read_bytes())


def _as_line(data: bytes) -> bytes:
    """Return a result in one line: as it is, unless people's tools made several of it."""
    data = data.strip()
    return orjson.dumps(orjson.loads(data)) if b"\n" in data else data


def _send_file(path: Path, orders: Orders, *, is_named: bool) -> bool:
    header = outbox.header_of(path)
    if header is None:
        return _send_others_file(path, orders)
    url = _url_for(path, header, orders, is_named=is_named)
    if url is None:
        return False
    orders = _to(url, orders)
    if outbox.may_be_removed(path):
        return _send_outbox(path, orders)
    is_sent = _send_others_file(path, orders)
    _say(path, "stays, because it does not have the name that a run gave it")
    return is_sent


def _url_for(path: Path, header: outbox.Header, orders: Orders, *, is_named: bool) -> str | None:
    """Return where an outbox is to be sent; None, and tell why, if nowhere."""
    asked = orders.endpoint.url
    if asked and (is_named or _is_for(header, orders)):
        return asked
    if asked:
        _say(path, f"is for {header.url}, and is left alone: name it to send it to another URL")
    elif not header.url:
        _say(path, "does not tell which URL it is for: give it with --to")
    elif not header.is_whole:
        _say(path, f"is for {header.url}, but the secret parts of that are not kept: use --to")
    else:
        return header.url
    return None


def _is_for(header: outbox.Header, orders: Orders) -> bool:
    """Tell whether an outbox is for the URL that was asked for, as far as anybody knows."""
    asked = orders.endpoint.url
    return bool(asked) and header.url in ("", shown(asked))


def _to(url: str, orders: Orders) -> Orders:
    endpoint = dataclasses.replace(orders.endpoint, url=checked_url(url))
    return dataclasses.replace(orders, endpoint=endpoint)


def _send_others_file(path: Path, orders: Orders) -> bool:
    """Send from a file that is only read: a result.json, or results one a line."""
    bodies, others = _bodies_in(path.read_bytes()) if path.is_file() else ([], 0)
    if not bodies:
        _say(path, "is neither an outbox nor a result, and is left alone")
        return False
    is_sent = _send_copy(path, bodies, orders)
    if others:
        _say(path, f"lines in it that are no results, and are not sent: {others}")
    return is_sent and not others


def _bodies_in(data: bytes) -> tuple[list[bytes], int]:
    """Return the results in a file, and how many lines are something else."""
    if outbox.key_of(data) is not None:
        return [_as_line(data)], 0
    lines = [line for line in data.split(b"\n") if line and outbox.Header.from_line(line) is None]
    bodies = [line for line in lines if outbox.key_of(line) is not None]
    return bodies, len(lines) - len(bodies)


def _send_copy(source: Path, bodies: Iterable[bytes], orders: Orders) -> bool:
    """Send results of a tree or file that is only read."""
    if not orders.endpoint.url:
        _say(source, "results outside of an outbox tell no URL: give it with --to")
        return False
    with tempfile.TemporaryDirectory(prefix="pytest-publish-") as folder:
        copy = Path(folder, f"copy{outbox.SUFFIX}")
        goal = shown(orders.endpoint.url)
        writer = outbox.Writer(copy, outbox.Header(goal, goal == orders.endpoint.url))
        for body in bodies:
            writer.append(body)
        relay, is_sent = _relayed(copy, orders, source)
        if relay.mark.refused:
            _keep_refused(source, outbox.refused_of(copy), relay)
        return is_sent and not relay.mark.refused


def _keep_refused(source: Path, refused: Path, relay: Relay) -> None:
    """Set aside, where the command was called, what was refused and is not there yet."""
    name = source.resolve().name.removesuffix(outbox.SUFFIX) + outbox.REFUSED_SUFFIX
    aside = Path.cwd() / name
    told = f"{relay.mark.refused} refused ({relay.mark.refusal})"
    try:
        if aside.exists() and not outbox.may_be_removed(aside):
            _say(source, f"{told}; not set aside, because {aside} is not ours")
            return
        _add_to(aside, refused)
    except OSError as error:
        _say(source, f"{told}; can't set aside in {aside}: {error.strerror}")
    else:
        _say(source, f"{told}, set aside in {aside}")


def _add_to(aside: Path, refused: Path) -> None:
    keys = set(_keys_in(aside)) if aside.exists() else set()
    bodies, _others = _bodies_in(refused.read_bytes())
    fresh = [body for body in bodies if outbox.key_of(body) not in keys]
    header = outbox.header_of(refused) or outbox.Header()
    outbox.append_to(aside, header, b"".join(body + b"\n" for body in fresh))


def _send_outbox(path: Path, orders: Orders) -> bool:
    """Send an outbox in its place, and remove it when all of it is sent."""
    # To the file of what was refused its origin's relay may still add.
    origin = outbox.origin_of(path)
    family = [path, origin] if origin != path and origin.exists() else [path]
    with contextlib.ExitStack() as held:
        if not all(map(outbox.is_free, family)) or not all(
            _is_locked(each, held) for each in family
        ):
            _say(path, "a process is still sending it; try again when that run is over")
            return False
        return _send_locked(path, orders)


def _is_locked(path: Path, held: contextlib.ExitStack) -> bool:
    """Take the lock of an outbox until ``held`` ends; tell whether it was free."""
    lock = outbox.lock_of(path)
    if not lock.acquire(blocking=False):
        return False
    held.callback(lock.release)
    return True


def _send_locked(path: Path, orders: Orders) -> bool:
    refused_before = outbox.MarkFile(path).read().refused
    relay, is_done = _relayed(path, orders, path)
    refused = relay.mark.refused - refused_before
    aside = outbox.refused_of(path)
    is_sent = is_done and not relay.is_torn
    if relay.is_torn:
        _say(path, "its last line was cut off when the run died, and stays there")
    elif is_sent:
        outbox.discard(path)
        if outbox.origin_of(path) != path and aside.exists():
            aside = aside.rename(path)  # refused again
    if refused:
        _say(path, f"{refused} refused ({relay.mark.refusal}), set aside in {aside}")
    return is_sent and not refused


def _relayed(path: Path, orders: Orders, name: Path) -> tuple[Relay, bool]:
    """Relay an outbox; return the relay, and whether all whole lines were dealt with."""
    relay = Relay(path, orders, is_over=lambda: True, on_progress=_show_progress)
    before = relay.mark.sent
    is_done = relay.run()
    _say(name, f"{relay.mark.sent - before} sent to {shown(orders.endpoint.url)}")
    if not is_done:
        _say(name, f"the rest still waits: {relay.mark.trouble or 'nothing got through'}")
    return relay, is_done


def _show_progress(mark: outbox.Mark) -> None:
    if sys.stderr.isatty():
        print(f"\r{mark.sent} sent ", end="", file=sys.stderr, flush=True)


def _say(path: Path, text: str) -> None:
    if sys.stderr.isatty():
        print(end="\r", file=sys.stderr)
    print(f"{path}: {text}")


if __name__ == "__main__":
    sys.exit(main())
