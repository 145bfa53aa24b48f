"""A board for a team: who may do what, shards and old trees, many relays, a backup."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
import requests
import trustme
from playwright.sync_api import expect
from playwright.sync_api import Page

from boards import Board
from daemons import nginx
from documents import Document
from documents import Shell
from published import body
from published import Session
from pytest_publish import cli
from pytest_publish.board.store import Store
from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.outbox import Header
from pytest_publish.delivery.outbox import Outbox
from pytest_publish.delivery.outbox import OutboxWriter
from pytest_publish.delivery.relay import Relay
from reports import refused_line
from support import eventually
from support import OF_THIS_SESSION
from support import OWN_PLUGINS


PAGE: Final = Document("docs/board.md")
TOKENS: Final = {
    "PYTEST_PUBLISH_BOARD_TOKEN": "all-of-it",
    "PYTEST_PUBLISH_BOARD_READ_TOKEN": "just-looking",
    "PYTEST_PUBLISH_BOARD_WRITERS": "ci: from-ci\n\n nightly : of: the night \n",
}
PATHS: Final = ("/", "/api/runs", "/api/stream?run=nothing", "/static/js/main.js")


def asked(board: Board, path: str, token: str, **headers: str) -> int:
    """Return the status with which a request with a token is answered."""
    given = {"Authorization": f"Bearer {token}"} if token else {}
    with requests.get(
        board.url + path, headers=given | headers, timeout=10, stream=True, allow_redirects=False
    ) as answer:
        return answer.status_code


def test_who_may_publish_can_not_read_and_who_reads_can_not_publish(
    start_board: Callable[..., Board],
) -> None:
    board = start_board("--host", "0.0.0.0", **TOKENS)

    def sent(token: str, **headers: str) -> int:
        content = body(Session().result("test_a.py::test"))
        given = {"Authorization": f"Bearer {token}"} if token else {}
        return board.send(content, **given, **headers).status_code

    for token in ("from-ci", "of: the night"):
        assert sent(token) == 204
        for path in PATHS:
            assert asked(board, path, token) == 403, path
            assert asked(board, path, "", Cookie=f"pytest_publish_board={token}") == 401
        assert asked(board, f"/?token={token}", "") == 401
    assert {asked(board, path, "just-looking") for path in PATHS} == {200}
    assert sent("just-looking") == 403
    assert {asked(board, path, "all-of-it") for path in PATHS} == {200}
    assert sent("all-of-it") == 204
    for wrong in ("", "wrong", "from-c", "from-ci,", "ci: from-ci", "just-looking from-ci"):
        assert asked(board, "/api/runs", wrong) == 401
        assert sent(wrong) == 401
    # A reader's cookie is as good as the token, and no better.
    came = board.session.get(f"{board.url}/?token=just-looking", timeout=10)
    assert came.status_code == 200
    assert sent("", Origin=board.url) == 403
    assert board.get("/api/runs") != []
    # Only an address that the board itself opens takes a token from a query.
    assert asked(board, "/api/runs?token=all-of-it", "") == 401
    board.stop()


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        ({"PYTEST_PUBLISH_BOARD_WRITERS": "s3cr3t"}, "NAME: TOKEN"),
        ({"PYTEST_PUBLISH_BOARD_WRITERS": "ci: s3cr3t"}, "PYTEST_PUBLISH_BOARD_READ_TOKEN"),
        ({"PYTEST_PUBLISH_BOARD_READ_TOKEN": "s3cr3t"}, "PYTEST_PUBLISH_BOARD_WRITERS"),
    ],
)
def test_tokens_that_are_of_no_use_are_told_and_not_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tokens: dict[str, str],
    reason: str,
) -> None:
    for name, value in tokens.items():
        monkeypatch.setenv(name, value)
    told = refused_line("board", "--port=0", "--store", tmp_path / "store")
    assert reason in told
    assert "s3cr3t" not in told


def test_a_browser_is_asked_for_the_token_and_keeps_it_out_of_sight(
    start_board: Callable[..., Board], page: Page
) -> None:
    board = start_board("--host", "0.0.0.0", **TOKENS)
    session = Session()
    board.session.headers["Authorization"] = "Bearer all-of-it"
    board.post(session.start(), session.result("test_a.py::test_sell", "failed"))
    # A link to a run that somebody shared.
    page.goto(f"{board.url}/#/run/{session.run_id}")
    page.get_by_label("token").fill("from-ci")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_have_text("This token may only publish.")
    page.get_by_label("token").fill("just-looking")
    page.get_by_role("button").click()
    expect(page.locator(".list a.result")).to_contain_text("test_sell")
    assert session.run_id in page.url
    page.goto(f"{board.url}/?token=just-looking#/run/{session.run_id}")
    expect(page.locator(".list a.result")).to_contain_text("test_sell")
    entries = page.context.new_cdp_session(page).send("Page.getNavigationHistory")["entries"]
    assert not any("just-looking" in entry["url"] for entry in entries)
    (cookie,) = page.context.cookies()
    assert "just-looking" not in cookie["value"]
    assert cookie["httpOnly"]
    assert page.evaluate("document.cookie") == ""
    # It is kept when the browser is closed.
    assert cookie["expires"] > time.time()
    page.goto("about:blank")
    page.goto(board.url)
    expect(page.locator(".list a.result")).to_contain_text("test_sell")
    board.stop()


SHARDS: Final = 2
#: The shard that has workers.
WITH_WORKERS: Final = 1
DAYS: Final = 90
SUITE: Final = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_some(number):
    assert number != 2
"""


@pytest.fixture(scope="module")
def shards(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the shards of a pipeline; return the folder of their trees."""
    folder = tmp_path_factory.mktemp("pipeline")
    environment = {name: value for name, value in os.environ.items() if name not in OF_THIS_SESSION}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

    def run(shard: int) -> int:
        file = folder / f"test_{shard}.py"
        file.write_text(SUITE, "utf-8")
        workers = ("-n", "2") if shard == WITH_WORKERS else ()
        command = [
            *(sys.executable, "-m", "pytest", *OWN_PLUGINS, "-p", "no:cacheprovider", "-q"),
            *(*workers, f"--pubdir=trees/{shard}", "--publish", board.url, "--publish-events"),
            *("--publish-run-id", "pipeline/42", f"--rootdir={folder}", str(file)),
        ]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=120, check=False
        )
        return done.returncode

    with ThreadPoolExecutor(2) as threads:
        assert set(threads.map(run, range(SHARDS))) == {1}
    return folder / "trees"


def send(*arguments: str | Path) -> None:
    """Call ``pytest-publish send``, which has to send all."""
    assert cli.main(["send", *map(str, arguments)]) == 0


def test_the_shards_of_a_pipeline_are_one_run(shards: Path, board: Board) -> None:
    run = board.run("pipeline/42")
    assert (run["state"], run["done"], run["total"]) == ("finished", 3 * SHARDS, 3 * SHARDS)
    assert run["outcomes"] == {"passed": 2 * SHARDS, "failed": SHARDS}
    assert sorted(one["workers"] or 0 for one in run["sessions"]) == [0] * (SHARDS - 1) + [2]
    assert all(one["done"] == 3 for one in run["sessions"])
    assert len({row["nodeid"] for row in board.results("pipeline/42")}) == 3 * SHARDS


def test_trees_bring_in_an_old_run_once_and_where_its_times_put_it(
    shards: Path, board: Board, tmp_path: Path
) -> None:
    trees = tmp_path / "trees"
    shutil.copytree(shards, trees)
    for path in trees.rglob("result.json"):
        old = json.loads(path.read_bytes())
        old["run_id"], old["session_id"] = "long ago", f"a{old['session_id']}"
        for name in ("start_time", "stop_time"):
            old[name] -= DAYS * 86_400
        path.write_text(json.dumps(old), "utf-8")
    send(trees / "0", "--to", board.url)
    assert board.run("long ago")["done"] == 3
    send(trees, "--to", board.url, "--batch", "5")
    first = board.run("long ago")
    send(trees, "--to", board.url)
    assert board.run("long ago") == first
    assert (first["state"], first["done"], len(first["sessions"])) == ("silent", 3 * SHARDS, SHARDS)
    now = board.run("pipeline/42")
    # The tests began a little after their sessions did.
    assert now["started"] - first["started"] == pytest.approx(DAYS * 86_400, abs=60)
    listed = board.get("/api/runs", project=now["project"])
    assert [run["run_id"] for run in listed] == ["pipeline/42", "long ago"]


RELAYS: Final = 50
EACH: Final = 5


def test_fifty_relays_that_send_at_once_lose_nothing(
    start_board: Callable[..., Board], tmp_path: Path
) -> None:
    board = start_board()
    config = DeliveryConfig(board.url)
    relays = [relay_of(tmp_path / f"{number}.jsonl", config) for number in range(RELAYS)]
    answered = 0
    with ThreadPoolExecutor(RELAYS) as threads:
        done = [threads.submit(relay.run) for relay in relays]
        while not all(one.done() for one in done):
            assert board.get("/api/runs") is not None
            answered += 1
    assert all(one.result() for one in done)
    assert {relay.cursor.sent for relay in relays} == {EACH}
    run = board.run("all at once")
    assert (run["done"], len(run["sessions"])) == (RELAYS * EACH, RELAYS)
    assert answered > 0
    board.stop()


def relay_of(path: Path, config: DeliveryConfig) -> Relay:
    """Return the relay of a session that is over and has sent nothing yet."""
    outbox, session = Outbox(path), Session(run_id="all at once")
    writer = OutboxWriter(outbox, Header.for_url(config.url))
    for number in range(EACH):
        result = session.result(f"test_{path.stem}.py::test[{number}]", stdout="x" * 200)
        writer.append(json.dumps(result).encode())
    return Relay(outbox, config, is_over=lambda: True)


def test_a_backup_has_what_was_answered_before(
    start_board: Callable[..., Board], shell: Shell
) -> None:
    board = start_board()
    session = Session(run_id="backed up")
    answered: list[int] = []
    stop = threading.Event()

    def publish() -> None:
        while not stop.is_set():
            result = session.result("test_a.py::test", stdout="x" * 2_000)
            board.post(result)
            answered.append(result["seq"])

    poster = threading.Thread(target=publish)
    poster.start()
    try:
        eventually(lambda: len(answered) > 100)
        before = answered[-1]
        shell.run(PAGE["a backup"].replace("board.sqlite3", shlex.quote(str(board.store)), 1))
        eventually(lambda: answered[-1] > before + 10, "the board to go on")
    finally:
        stop.set()
        poster.join()
    (copy,) = shell.folder.glob("board-*.sqlite3")
    assert copy.stat().st_mode & 0o077 == 0
    store = Store(copy)
    run = store.find_run("backed up")
    assert run is not None
    kept = {int(str(row[1]).rpartition("-")[2]) for row in store.rows(run, limit=1 << 20)}
    store.close()
    assert kept >= set(range(before + 1))
    assert len(kept) < len(answered)
    board.stop()


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, str]:
    """Return what the page's file of tokens sets, as a shell reads it."""
    file = tmp_path / "tokens"
    file.write_text(PAGE["/etc/pytest-publish/tokens"], "utf-8")
    told = subprocess.run(
        ["bash", "-c", f"set -a; . {file}; env -0"], capture_output=True, text=True, check=True
    ).stdout
    pairs = (line.partition("=") for line in told.split("\0"))
    return {name: value for name, _, value in pairs if name.startswith("PYTEST_PUBLISH_BOARD_")}


def test_old_trees_are_sent_with_a_token(
    start_board: Callable[..., Board], shell: Shell, tokens: dict[str, str], shards: Path
) -> None:
    board = start_board(**tokens)
    shutil.copytree(shards, shell.folder / "results")
    shell.run(PAGE["trees of earlier times"].replace("http://localhost:7777", board.url))
    board.session.headers["Authorization"] = "Bearer 4b0e7c51c3a9"
    assert board.run("pipeline/42")["done"] == 3 * SHARDS
    board.stop()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    program = shutil.which("pytest-publish", path=str(Path(sys.executable).parent))
    assert program is not None
    text = PAGE["/etc/systemd/system/pytest-publish-board.service"]
    unit = tmp_path / "pytest-publish-board.service"
    unit.write_text(text.replace("/opt/pytest-publish/bin/pytest-publish", program), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def proxied(board: Board, folder: Path, authority: trustme.CA) -> Iterator[str]:
    """Run the page's nginx in front of a board; yield its address."""
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "board.key")
    chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
    (folder / "board.pem").write_bytes(chain)
    server = PAGE["/etc/nginx/conf.d/board.conf"].replace("7777", str(board.port))
    for path in ("/etc/ssl/certs/", "/etc/ssl/private/"):
        server = server.replace(path, f"{folder}/")
    with nginx(folder, server) as url:
        yield url


def test_behind_nginx_it_has_tls_and_events_come_at_once(
    start_board: Callable[..., Board],
    page: Page,
    tmp_path: Path,
    authority: trustme.CA,
    tokens: dict[str, str],
) -> None:
    board = start_board(**tokens)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    session = Session()
    with proxied(board, tmp_path, authority) as url, requests.Session() as client:
        client.trust_env = False
        client.verify = str(tmp_path / "authority.pem")
        client.post = functools.partial(  # type: ignore[method-assign]
            client.post, f"{url}/results", headers={"Authorization": "Bearer 93ad0f6e2b71"}
        )
        assert client.post(json=[session.start()]).status_code == 204
        page.goto(f"{url}/#/run/{session.run_id}")
        page.get_by_label("token").fill("4b0e7c51c3a9")
        page.get_by_role("button").click()
        expect(page.get_by_text("No failures so far.")).to_be_visible()
        (cookie,) = page.context.cookies()
        assert cookie["secure"]
        # While the stream is open, nothing more is asked for.
        assert client.post(json=[session.result("test_a.py::test", "failed")]).status_code == 204
        expect(page.locator(".list a.result")).to_have_count(1)
        large = session.result("test_a.py::test_large", stdout="x" * 5_000_000)
        assert client.post(json=[large]).status_code == 204
        assert client.post(data=b" " * (70 << 20)).status_code == 413
    board.stop()
