"""The board as a process: its socket, its store, its end, and a run of pytest beside it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Final
from urllib.parse import quote

import platformdirs
import uvicorn

from .app import Board
from .protocol import Protocol
from .safety import Key
from .safety import LOOPBACK
from .safety import Safety
from .safety import signing_key
from .store import Store
from .store import StoreError
from .upkeep import parse_keep


#: Where tokens come from: one that is good for everything, one that is good for reading,
#: and those that are good for publishing, NAME: TOKEN on each line.
TOKEN_VARIABLE: Final = "PYTEST_PUBLISH_BOARD_TOKEN"
READER_VARIABLE: Final = "PYTEST_PUBLISH_BOARD_READ_TOKEN"
WRITERS_VARIABLE: Final = "PYTEST_PUBLISH_BOARD_WRITERS"
#: The secret with which POSTs are signed, and the headers that pytest sends along.
SECRET_VARIABLE: Final = "PYTEST_PUBLISH_SECRET"
HEADERS_VARIABLE: Final = "PYTEST_PUBLISH_HEADERS"
#: Addresses that stand for all addresses of this machine.
_ANY: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104, told apart, not listened to
#: Seconds that pytest may take to end when the board is stopped.
_PATIENCE: Final = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    host: str
    port: int
    store: Path | None
    keep: str | None
    is_opened: bool
    pytest_arguments: tuple[str, ...]


class BoardError(Exception):
    """The board can't be served; the message says why, and what to do."""


def serve(options: Options, environment: Mapping[str, str]) -> None:
    """Serve until Ctrl-C or SIGTERM, as KeyboardInterrupt. Raises BoardError."""
    keys = _keys(environment)
    safety = _safety(options.host, keys)
    try:
        key = signing_key(environment.get(SECRET_VARIABLE, ""))
    except ValueError as error:
        raise BoardError(f"{SECRET_VARIABLE}: {error}") from None
    try:
        keep = parse_keep(options.keep) if options.keep is not None else None
    except ValueError as error:
        raise BoardError(f"--keep: {error}") from None
    path = options.store or platformdirs.user_data_path("pytest-publish") / "board.sqlite3"
    with _listen(options.host, options.port) as listener, _opened(path) as store:
        url = _url(options.host, listener.getsockname()[1])
        run = _Run(options.pytest_arguments, url, keys) if options.pytest_arguments else None

        def on_start() -> None:
            print(f"board: {url}  (Ctrl-C stops it; runs are kept in {path})", flush=True)
            if run is None:
                print(
                    f"board: publish to it with: pytest --publish {url} --publish-events",
                    flush=True,
                )
            else:
                run.start()
            if options.is_opened:
                reader = next((f"/?token={quote(key.token)}" for key in keys if key.may_read), "")
                webbrowser.open(f"{url}{reader}")

        board = Board(store, safety=safety, signing_key=key, keep=keep, on_start=on_start)
        server = _Server(board, run)
        # uvicorn gives the signal back to whoever had it before, once it has stopped.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            server.run(sockets=[listener])
        finally:
            if run is not None:
                run.kill()


def _opened(path: Path) -> contextlib.closing[Store]:
    try:
        return contextlib.closing(Store(path))
    except StoreError as error:
        raise BoardError(str(error)) from None


def _keys(environment: Mapping[str, str]) -> tuple[Key, ...]:
    """Return the keys that requests need, if any. Raises BoardError."""
    keys = []
    if token := environment.get(TOKEN_VARIABLE):
        keys.append(Key(token))
    if token := environment.get(READER_VARIABLE):
        keys.append(Key(token, may_publish=False))
    for line in filter(str.strip, environment.get(WRITERS_VARIABLE, "").splitlines()):
        name, _colon, token = map(str.strip, line.partition(":"))
        if not name or not token:  # it is not repeated: it may be a token
            raise BoardError(f"{WRITERS_VARIABLE}: write one NAME: TOKEN a line")
        keys.append(Key(token, may_read=False))
    for may, what, variable in (
        ("may_read", "read", READER_VARIABLE),
        ("may_publish", "publish", WRITERS_VARIABLE),
    ):
        if keys and not any(getattr(key, may) for key in keys):
            raise BoardError(f"with these tokens nobody may {what}: set {variable} as well")
    return tuple(keys)


def _safety(host: str, keys: tuple[Key, ...]) -> Safety:
    if keys:  # which no page that is led here by another name has
        return Safety(hosts=None, keys=keys)
    if host not in LOOPBACK:
        raise BoardError(
            f"on {host or 'every address'} other machines can reach the board: set "
            f"{TOKEN_VARIABLE} to a token that they need, or leave --host out"
        )
    return Safety()


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=2048,
        )
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BoardError(
            f"can't listen on {host}:{port}: {reason}; name another one with --port or --host"
        ) from None
    # Connections have it from here; asyncio sets it only on sockets whose protocol is
    # named, and without it each answer may wait 40 ms for the reader's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url(host: str, port: int) -> str:
    name = "localhost" if host in LOOPBACK | _ANY else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"


class _Server(uvicorn.Server):
    """Ends a run of pytest first, then the streams of open pages, then itself."""

    def __init__(self, board: Board, run: _Run | None) -> None:
        super().__init__(
            uvicorn.Config(
                board.app,
                http=Protocol,
                # It calls a reader that was too slow an error.
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=2,
            )
        )
        self._live = board.live
        self._run = run

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at a signal; a run of pytest ends first, and still tells how."""
        run, self._run = self._run, None
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.call_soon_threadsafe(self._stop, sig, frame)

        if run is None or not run.interrupt(sig, stop):
            stop()

    def _stop(self, sig: int, frame: FrameType | None) -> None:
        self._live.close()  # with a stream open, uvicorn (0.54) does not stop by itself
        super().handle_exit(sig, frame)


class _Run:
    """A run of pytest that publishes to the board."""

    def __init__(self, arguments: tuple[str, ...], url: str, keys: tuple[Key, ...]) -> None:
        self._command = [
            *(sys.executable, "-m", "pytest", "--publish", url, "--publish-events"),
            *arguments,
        ]
        # What is the board's, its tests need not see.
        hidden = {TOKEN_VARIABLE, READER_VARIABLE, WRITERS_VARIABLE}
        self._environment = {
            name: value for name, value in os.environ.items() if name not in hidden
        }
        for key in [key for key in keys if key.may_publish][:1]:
            headers = self._environment.get(HEADERS_VARIABLE, "")
            self._environment[HEADERS_VARIABLE] = f"Authorization: Bearer {key.token}\n{headers}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start pytest."""
        self._process = subprocess.Popen(self._command, env=self._environment)  # noqa: S603, as asked

    def interrupt(self, sig: int, then: Callable[[], None]) -> bool:
        """End the run as Ctrl-C does, and call ``then`` from a thread; False if it is over."""
        process = self._process
        if process is None or process.poll() is not None:
            return False
        # The terminal tells everybody on it.
        if sig != signal.SIGINT or not sys.stdin.isatty():
            process.send_signal(signal.SIGINT)

        def wait() -> None:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
            then()

        threading.Thread(target=wait, daemon=True).start()
        return True

    def kill(self) -> None:
        """See that nothing of the run is left."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
