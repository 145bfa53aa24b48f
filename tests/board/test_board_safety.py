"""Attacks on the board, each as somebody would try it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import threading
from collections.abc import Callable
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from boards import Board
from published import Session
from pytest_publish.board import live
from pytest_publish.board.app import Board as App
from pytest_publish.board.ingest import MAX_BYTES
from pytest_publish.board.safety import Safety
from pytest_publish.board.store import Store
from reports import refused_line
from support import eventually


PATHS = ("/", "/api/runs", "/api/stream", "/static/js/main.js")


def asked(board: Board, path: str, **headers: str) -> requests.Response:
    return board.session.get(board.url + path, headers=headers, timeout=10, allow_redirects=False)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "[", "", "127.0.0.2"])
def test_a_name_that_somebody_else_leads_here_gets_nothing(board: Board, host: str) -> None:
    for path in PATHS:
        assert asked(board, path, Host=f"{host}:{board.port}").status_code == 403, path
    assert board.send(b"[]", Host=host).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST"])
def test_this_machines_own_names_are_heard(board: Board, host: str) -> None:
    assert asked(board, "/", Host=f"{host}:{board.port}").status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://[", "http://localhost:1", "file://"]
)
def test_a_page_of_another_origin_can_neither_publish_nor_read(board: Board, origin: str) -> None:
    answer = board.send(b"[]", Origin=origin)
    assert answer.status_code == 403
    for path in PATHS:
        refused = asked(board, path, Origin=origin)
        assert refused.status_code == 403
        assert "Access-Control-Allow-Origin" not in refused.headers
    assert board.session.options(board.url, headers={"Origin": origin}).status_code == 403
    assert board.send(b"[]", Origin=board.url).status_code == 204


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/plain"]
)
def test_a_form_that_is_sent_here_publishes_nothing(board: Board, kind: str) -> None:
    session = Session()
    content = json.dumps(session.result("test_a.py::test")).encode()
    assert board.send(content, Content_Type=kind).status_code == 415
    assert board.session.get(f"{board.url}/api/runs/{session.run_id}").status_code == 404


def test_no_other_page_may_frame_or_read_it_and_no_foreign_script_runs(board: Board) -> None:
    for path in ("/", "/api/runs", "/static/js/main.js", "/nothing"):
        headers = asked(board, path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/../../../setup.cfg",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/js",
        "/static/" + "a" * 5000,
    ],
    ids=lambda path: path[:30],
)
def test_only_the_pages_own_files_are_served(board: Board, path: str) -> None:
    # As it stands: a client would tidy it up.
    with socket.create_connection(("localhost", board.port), 10) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.split()[1] in {b"404", b"400", b"405"}
    assert b"import" not in answer


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "in chunks"])
def test_a_body_of_a_gigabyte_is_refused_and_not_kept(board: Board, is_told: bool) -> None:
    before = board.memory()
    how = "Content-Length: 1000000000" if is_told else "Transfer-Encoding: chunked"
    # As long as nothing tells how long it is, as much is read as may be sent.
    number = 20 if is_told else (MAX_BYTES >> 20) + 4
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{how}\r\n\r\n"
    part = bytes(1 << 20) if is_told else b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    with socket.create_connection(("localhost", board.port), 10) as connection:
        connection.sendall(head.encode())
        for _ in range(number):
            connection.sendall(part)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 413 ")
    assert board.memory() - before < (20 if is_told else 150) << 20
    eventually(lambda: board.get("/api/runs") is not None)


def test_many_small_posts_on_one_connection_hold_nobody_up(board: Board) -> None:
    post = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2000\r\n\r\n[" + b" " * 1998 + b"]"
    )
    number = 2_000
    board.get("/api/runs")
    before = board.memory()
    with socket.create_connection(("localhost", board.port), 20) as connection:
        # Nobody waits for an answer before the next one is sent.
        sender = threading.Thread(target=lambda: connection.sendall(post * number))
        sender.start()
        board.get("/api/runs")
        got, rest = 0, b""
        while got < number:
            part = connection.recv(1 << 16)
            assert part
            *lines, rest = (rest + part).split(b"\n")
            got += sum(line.startswith(b"HTTP/1.1 204 ") for line in lines)
        sender.join()
    assert board.memory() - before < 4 << 20


def test_who_does_not_read_the_stream_costs_no_memory_and_catches_up(board: Board) -> None:
    session = Session()
    first = session.result("test_a.py::test", stdout="x" * 100)

    def publish(begin: int) -> int:
        board.post(*({**first, "seq": begin + number} for number in range(1000)))
        return board.memory()

    before = max(publish(begin) for begin in range(0, 3000, 1000))
    head = f"GET /api/stream?run={session.run_id} HTTP/1.1\r\nHost: localhost:{board.port}\r\n\r\n"
    readers = [socket.create_connection(("localhost", board.port), 10) for _ in range(20)]
    for reader in readers:
        reader.sendall(head.encode())
        assert b"200 OK" in reader.recv(100)
    after = max(publish(begin) for begin in range(3000, 6000, 1000))
    assert after - before < 60 << 20  # all rows, twenty times over, would be more
    last = board.results(session.run_id, after="0", limit="20000")[-1]["id"]
    got = b""
    while b"id: %d\n" % last not in got:
        part = readers[0].recv(1 << 20)
        assert part
        got = got[-100:] + part
    for reader in readers:
        reader.close()


def test_a_reader_that_reads_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SLOWEST", 0.01)
    store = Store(tmp_path / "store")
    app = App(store, safety=Safety()).app

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/stream",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "asgi": {"spec_version": "2.4"},
    }
    # In a thread of its own, because Playwright leaves a running loop in the tests' thread.
    with ThreadPoolExecutor() as threads:
        threads.submit(asyncio.run, asyncio.wait_for(app(scope, receive, send), 10)).result()
    store.close()


def test_other_machines_need_a_token(start_board: Callable[..., Board]) -> None:
    board = start_board("--host", "0.0.0.0", PYTEST_PUBLISH_BOARD_TOKEN="s3cr3t ü")
    for path in PATHS:
        assert asked(board, path).status_code == 401, path
        assert asked(board, path, Authorization="Bearer wrong").status_code == 401
        assert asked(board, path, Cookie="pytest_publish_board=wrong").status_code == 401
    assert asked(board, "/?token=wrong").status_code == 401
    assert board.send(b"[]").status_code == 401
    token = "s3cr3t ü".encode().decode("latin-1")
    assert board.send(b"[]", Authorization=f"Bearer {token}").status_code == 204
    # In a browser, the token goes from the address into a cookie that no script can read.
    came = asked(board, "/?token=s3cr3t+%C3%BC")
    assert (came.status_code, came.headers["Location"]) == (303, "/")
    assert "HttpOnly" in came.headers["Set-Cookie"]
    assert "SameSite=lax" in came.headers["Set-Cookie"]
    assert board.get("/api/runs") == []
    assert board.session.post(board.url, json=[], headers={"Origin": "http://e"}).status_code == 403


def test_with_a_secret_only_what_is_signed_with_it_is_taken(
    start_board: Callable[..., Board],
) -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    board = start_board(PYTEST_PUBLISH_SECRET=secret)
    content = json.dumps([Session().result("test_a.py::test")])
    now = asked(board, "/api/runs").headers["Date"]
    from email.utils import parsedate_to_datetime

    when = parsedate_to_datetime(now)

    def sent(secret: str, at: Any = when, text: str = content) -> int:
        headers = {
            "webhook_id": "1",
            "webhook_timestamp": str(int(at.timestamp())),
            "webhook_signature": Webhook(secret).sign("1", at, content),
        }
        return board.send(text.encode(), **headers).status_code

    from datetime import timedelta

    assert sent(secret) == 204
    assert sent(secret, when - timedelta(hours=1)) == 401
    assert sent(secret, text=content + " ") == 401
    assert sent("whsec_" + base64.b64encode(b"j" * 24).decode()) == 401
    assert board.send(content.encode()).status_code == 401
    odd = {"webhook_id": "é", "webhook_timestamp": "²", "webhook_signature": "v1,é v1"}
    encoded = {name: value.encode().decode("latin-1") for name, value in odd.items()}
    assert board.send(content.encode(), **encoded).status_code == 401


def test_without_a_token_it_listens_for_this_machine_only(
    tmp_path: Path,
) -> None:
    told = refused_line("board", "--port=0", "--store", tmp_path / "store", "--host", "0.0.0.0")
    assert "PYTEST_PUBLISH_BOARD_TOKEN" in told


def test_nobody_else_may_read_the_store(board: Board) -> None:
    for path in board.store.parent.glob("store.sqlite3*"):
        if path.suffix != ".lock":
            assert os.stat(path).st_mode & 0o077 == 0, path
