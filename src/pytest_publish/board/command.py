"""``pytest-publish board``: serve the page, and run pytest beside it if asked to."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Final

import platformdirs
import uvicorn

from .app import Board
from .live import Live
from .safety import LOOPBACK
from .safety import Safety
from .store import Store
from .store import StoreError


#: Where the token comes from that other machines need.
TOKEN_VARIABLE: Final = "PYTEST_PUBLISH_BOARD_TOKEN"
#: Seconds that pytest may take to end when the board is stopped.
_PATIENCE: Final = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for; ``signing_key`` is empty for unsigned POSTs."""

    host: str
    port: int
    store: Path | None
    is_opened: bool
    pytest_arguments: tuple[str, ...]
    signing_key: bytes = b""


class BoardError(Exception):
    """The board can't be served; the message says why, and what to do."""


def serve(options: Options, environment: Mapping[str, str]) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises BoardError."""
    safety = _safety(options, environment.get(TOKEN_VARIABLE, ""))
    listener = _listen(options.host, options.port)
    port = listener.getsockname()[1]
    path = options.store or platformdirs.user_data_path("pytest-publish") / "board.sqlite3"
    try:
        store = Store(path)
    except StoreError as error:
        raise BoardError(str(error)) from None
    companion = _Companion(options, f"http://localhost:{port}", path)
    board = Board(store, safety=safety, signing_key=options.signing_key, on_start=companion.start)
    config = uvicorn.Config(
        board.app, log_level="warning", access_log=False, ws="none", timeout_graceful_shutdown=2
    )
    try:
        _Server(config, board.live).run(sockets=[listener])
    finally:
        companion.stop()
        store.close()


def _safety(options: Options, token: str) -> Safety:
    if options.host in LOOPBACK:
        return Safety(token=token)
    if not token:
        raise BoardError(
            f"on {options.host} other machines can reach the board: set {TOKEN_VARIABLE} "
            "to a token that they need, or leave --host out"
        )
    return Safety(hosts=None, token=token)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=2048,
        )
    except OSError as error:
        raise BoardError(
            f"can't listen on {host}:{port}: {error.strerror or error}; "
            "name another port with --port"
        ) from None


class _Server(uvicorn.Server):
    """Ends the streams of open pages first, which uvicorn (0.54) would wait for."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at a signal."""
        self._live.close()
        super().handle_exit(sig, frame)


class _Companion:
    """What happens beside the server: a line on the terminal, a browser, a run of pytest."""

    def __init__(self, options: Options, url: str, store: Path) -> None:
        self._options = options
        self._url = url
        self._store = store
        self._pytest: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin once the server is up."""
        print(f"board: {self._url}  (Ctrl-C stops it; runs are kept in {self._store})", flush=True)
        if not self._options.pytest_arguments:
            print(f"board: publish to it with: pytest --publish {self._url} --publish-events")
        else:
            self._pytest = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pytest", "--publish", self._url, "--publish-events"),
                    *self._options.pytest_arguments,
                ]
            )
        if self._options.is_opened:
            webbrowser.open(self._url)

    def stop(self) -> None:
        """End a run that still goes on, as Ctrl-C does."""
        if self._pytest is None or self._pytest.poll() is not None:
            return
        self._pytest.send_signal(signal.SIGINT)
        try:
            self._pytest.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._pytest.kill()


def main(options: Options) -> int:
    """Serve; return the exit code."""
    try:
        serve(options, os.environ)
    except BoardError as error:
        print(f"pytest-publish board: {error}", file=sys.stderr)
        return 2
    return 0
