"""``pytest-publish``: ``send`` what a run left behind, show runs (``board``, ``report``)."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_publish.board import command as board
from pytest_publish.board import report_command as report
from pytest_publish.delivery.config import checked_count
from pytest_publish.delivery.config import checked_header
from pytest_publish.delivery.config import checked_seconds
from pytest_publish.delivery.config import checked_timeout
from pytest_publish.delivery.config import checked_url
from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.config import private_from
from pytest_publish.delivery.config import redact_url
from pytest_publish.delivery.cursor import Cursor
from pytest_publish.delivery.cursor import CursorFile
from pytest_publish.delivery.leftovers import found_in
from pytest_publish.delivery.locks import is_free
from pytest_publish.delivery.locks import sender_lock
from pytest_publish.delivery.outbox import Header
from pytest_publish.delivery.outbox import key_of
from pytest_publish.delivery.outbox import Outbox
from pytest_publish.delivery.outbox import OutboxWriter
from pytest_publish.delivery.outbox import SUFFIX
from pytest_publish.delivery.published import lines_in
from pytest_publish.delivery.published import published_in
from pytest_publish.delivery.published import result_files
from pytest_publish.delivery.relay import Relay
from pytest_publish.delivery.will import append_will


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 if all was sent, 1 if not, 130 if interrupted."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.command == "board":
        return board.main(asked)
    if asked.command == "report":
        return report.main(asked, published_in)
    try:
        config = _config(asked)
    except ValueError as error:
        parser.error(str(error))
    try:
        done = [_guarded(path, _send, path, config) for path in asked.path]
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
    report.add_arguments(
        commands.add_parser("report", help="make a page of a run", description=report.DESCRIPTION)
    )
    send = commands.add_parser(
        "send",
        help="deliver what a run left behind",
        description="Send an outbox, a result.json, a file of --publish-log, or a FOLDER: all "
        "outboxes in it, at any depth, and then the results of the tree that --pubdir wrote "
        "there, each once. An outbox is removed, with the files beside it, as soon as the "
        "endpoint has accepted or refused everything in it; nothing else is ever changed or "
        "removed. What an endpoint refuses for good is set aside in NAME.refused.jsonl, which "
        "is an outbox too, but is sent only if you name it. Headers with secrets are read from "
        "the environment variable PYTEST_PUBLISH_HEADERS, one NAME: VALUE a line, and the "
        "secret for signatures from PYTEST_PUBLISH_SECRET.",
    )
    send.add_argument("path", nargs="+", type=Path, metavar="FILE|FOLDER")
    send.add_argument(
        "--to",
        type=_checking(checked_url),
        metavar="URL",
        help="send to this URL. Without it each outbox is sent to the URL that it was written "
        "for; give it for an outbox that you got from somebody else, because that URL gets your "
        "headers. Of a FOLDER, only what was written for this URL is sent; an outbox that you "
        "name is sent to it in any case. Needed for a tree, for a result.json, and for an "
        "outbox whose URL had a user, password or query, which are not kept",
    )
    send.add_argument(
        "--header",
        action="append",
        default=[],
        type=_checking(checked_header),
        metavar="HEADER",
        help="send this header, 'NAME: VALUE' (repeatable)",
    )
    defaults = DeliveryConfig("")
    for name, check, metavar, text in (
        ("timeout", checked_timeout, "SECONDS", "wait this many seconds for an answer"),
        ("grace", checked_seconds, "SECONDS", "give up after this many seconds without success"),
        ("connections", checked_count, "N", "open at most N connections"),
        ("batch", checked_count, "N", "if N is more than 1, POST arrays of up to N results"),
    ):
        send.add_argument(
            f"--{name}",
            type=_checking(check),
            default=getattr(defaults, name),
            metavar=metavar,
            help=f"{text} (default: %(default)g)",
        )
    send.add_argument("--gzip", action="store_true", help="compress each POST")
    return parser


def _checking(check: Callable[[str], Any]) -> Callable[[str], Any]:
    """Have argparse show what is wrong with a value, but not the value: it may be secret."""

    def checked(text: str) -> Any:
        try:
            return check(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


def _config(asked: argparse.Namespace) -> DeliveryConfig:
    headers, secret = private_from(os.environ)
    options = {name: value for name, value in vars(asked).items() if name in DeliveryConfig._fields}
    return DeliveryConfig(
        asked.to or "", headers=(*headers, *asked.header), secret=secret, **options
    )


def _guarded(path: Path, send: Callable[..., bool], *args: object) -> bool:
    """Send what is at a path; say what went wrong, and return whether all is sent."""
    try:
        return send(*args)
    except OSError as error:
        where = f": {error.filename}" if error.filename not in (None, str(path)) else ""
        _say(path, f"can't be sent: {error.strerror or error}{where}")
    except ValueError as error:  # of a URL that somebody wrote into a header
        _say(path, f"can't be sent: {error}")
    return False


def _send(path: Path, config: DeliveryConfig) -> bool:
    if path.is_dir():
        return _send_folder(path, config)
    return _send_file(Outbox(path), config)


def _send_folder(folder: Path, config: DeliveryConfig) -> bool:
    """Send the outboxes in a folder, and the tree in it without what they hold."""
    keys: set[str | None] = set()
    found = found_in(folder, below=True)
    done = [_guarded(outbox.path, _send_found, outbox, config, keys) for outbox in found]
    paths = [path for key, path in _results_in(folder) if key not in keys]
    if paths:
        # Read once more, because all together may be too much for the memory.
        bodies = (body for path in paths for body, _key in lines_in(path))
        done.append(_guarded(folder, _send_copy, folder, bodies, config))
    if not done:
        _say(folder, "there is neither an outbox nor a result.json to send in it")
    return bool(done) and all(done)


def _send_found(outbox: Outbox, config: DeliveryConfig, keys: set[str | None]) -> bool:
    """Send an outbox of a folder, and add what it holds to ``keys``, if it is for this URL."""
    header = outbox.header()
    if config.url and header is not None:
        if header.url not in ("", redact_url(config.url)):
            where = f"is for {header.url}, and is left alone"
            _say(outbox, f"{where}: name it to send it to another URL")
            return False
        keys.update(key for _body, key in lines_in(outbox.path))
    return _send_file(outbox, config)


def _results_in(tree: Path) -> list[tuple[str, Path]]:
    """Return the key and the file of each result of a tree, in order; of copies, one."""
    found: dict[str, Path] = {}
    for path in sorted(result_files(tree)):
        key = key_of(path.read_bytes())
        if key is None:
            _say(path, "is not a result, and was not sent")
        else:
            found[key] = path

    def order(result: tuple[str, Path]) -> tuple[str, int]:
        session, _hyphen, seq = result[0].partition("-")
        return session, int(seq)

    return sorted(found.items(), key=order)


def _send_file(outbox: Outbox, config: DeliveryConfig) -> bool:
    header = outbox.header()
    if header is None:
        return _send_others_file(outbox.path, config)
    url = config.url or _url_of(outbox, header)
    if url is None:
        return False
    config = config._replace(url=checked_url(url))
    if outbox.may_be_removed():
        return _send_outbox(outbox, config)
    is_sent = _send_others_file(outbox.path, config, header.will)
    _say(outbox, "stays, because it does not have the name that a run gave it")
    return is_sent


def _url_of(outbox: Outbox, header: Header) -> str | None:
    """Return the URL that an outbox was written for; None, and say why, if it is not known."""
    if not header.url:
        _say(outbox, "does not say which URL it is for: give one with --to")
    elif not header.is_whole:
        hint = "without its secret parts: give the whole URL with --to"
        _say(outbox, f"is for {header.url}, {hint}")
    else:
        return header.url
    return None


def _send_others_file(
    path: Path, config: DeliveryConfig, will: dict[str, Any] | None = None
) -> bool:
    """Send from a file that is only read: a result.json, or results one a line.

    ``will`` is that of an outbox which people have renamed.
    """
    lines = list(lines_in(path)) if path.is_file() else []
    bodies = [body for body, key in lines if key is not None]
    if not bodies:
        _say(path, "is neither an outbox nor a result, and is left alone")
        return False
    is_sent = _send_copy(path, bodies, config, will)
    others = len(lines) - len(bodies)
    if others:
        _say(path, f"lines that are not results, and were not sent: {others}")
    return is_sent and not others


def _send_copy(
    source: Path,
    bodies: Iterable[bytes],
    config: DeliveryConfig,
    will: dict[str, Any] | None = None,
) -> bool:
    """Send results of a tree or file that is only read."""
    if not config.url:
        _say(source, "only an outbox says where to send it: give a URL with --to")
        return False
    with tempfile.TemporaryDirectory(prefix="pytest-publish-") as folder:
        copy = Outbox(Path(folder, f"copy{SUFFIX}"))
        writer = OutboxWriter(copy, Header.for_url(config.url, will))
        for body in bodies:
            writer.append(body)
        append_will(copy, source.stat().st_mtime)
        relay, is_sent = _relayed(copy, config, source)
        if relay.cursor.refused:
            _keep_refused(source, copy.refused, relay)
        return is_sent and not relay.cursor.refused


def _keep_refused(source: Path, refused: Outbox, relay: Relay) -> None:
    """Set aside, where the command was called, what was refused and is not there yet."""
    aside = Outbox(Path.cwd() / source.resolve().name).refused
    count = f"{relay.cursor.refused} refused ({relay.cursor.refusal})"
    try:
        if aside.path.exists() and not aside.may_be_removed():
            _say(source, f"{count}; not set aside, because {aside} is not ours")
            return
        _add_to(aside, refused)
    except OSError as error:
        _say(source, f"{count}; can't set aside in {aside}: {error.strerror}")
    else:
        _say(source, f"{count}, set aside in {aside}")


def _add_to(aside: Outbox, refused: Outbox) -> None:
    there = {key for _body, key in lines_in(aside.path)} if aside.path.exists() else set()
    fresh = [body + b"\n" for body, key in lines_in(refused.path) if key not in there]
    aside.append(refused.header() or Header(), b"".join(fresh))


def _send_outbox(outbox: Outbox, config: DeliveryConfig) -> bool:
    """Send an outbox in its place, and remove it when all of it is sent."""
    # The relay of its origin may still add to a file of refused results.
    origin = outbox.origin
    family = [outbox, origin] if origin != outbox and origin.path.exists() else [outbox]
    with contextlib.ExitStack() as held:
        for each in family:
            lock = sender_lock(each) if is_free(each) else None
            if lock is None:
                _say(outbox, "a process is still sending it; try again when that run is over")
                return False
            held.enter_context(lock)
        return _send_locked(outbox, config)


def _send_locked(outbox: Outbox, config: DeliveryConfig) -> bool:
    # Nobody else has told how the run ended, and it ended no earlier than this.
    append_will(outbox, outbox.path.stat().st_mtime)
    refused_before = CursorFile(outbox).read().refused
    relay, is_done = _relayed(outbox, config, outbox.path)
    refused = relay.cursor.refused - refused_before
    aside = outbox.refused.path
    is_sent = is_done and not relay.is_torn
    if relay.is_torn:
        _say(outbox, "its last line was cut off when the run died, and stays there")
    elif is_sent:
        outbox.discard()
        if outbox.holds_refused and aside.exists():
            aside = aside.rename(outbox.path)  # refused again
    if refused:
        _say(outbox, f"{refused} refused ({relay.cursor.refusal}), set aside in {aside}")
    return is_sent and not refused


def _relayed(outbox: Outbox, config: DeliveryConfig, shown: Path) -> tuple[Relay, bool]:
    """Relay an outbox; return the relay, and whether all whole lines are settled."""
    relay = Relay(outbox, config, is_over=lambda: True, on_progress=_show_progress)
    before = relay.cursor.sent
    is_done = relay.run()
    _say(shown, f"{relay.cursor.sent - before} sent to {redact_url(config.url)}")
    if not is_done:
        _say(shown, f"the rest still waits: {relay.cursor.problem or 'nothing got through'}")
    return relay, is_done


def _show_progress(cursor: Cursor) -> None:
    if sys.stderr.isatty():
        print(f"\r{cursor.sent} sent ", end="", file=sys.stderr, flush=True)


def _say(path: Path | Outbox, text: str) -> None:
    if sys.stderr.isatty():
        print(end="\r", file=sys.stderr)
    print(f"{path}: {text}")
