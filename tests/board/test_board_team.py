"""A board for a team: who may do what, shards and old trees, many relays, a backup."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import requests
from playwright.sync_api import Browser
from playwright.sync_api import expect

from boards import Board
from published import body
from published import Session


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: dict[str, str], reason: str
) -> None:
    for name, value in tokens.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-m", "pytest_publish", "board", "--store", tmp_path / "store"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert reason in done.stderr
    assert "s3cr3t" not in done.stderr


def test_a_browser_is_asked_for_the_token_and_keeps_it_out_of_sight(
    start_board: Callable[..., Board], browser: Browser
) -> None:
    board = start_board("--host", "0.0.0.0", **TOKENS)
    session = Session()
    board.session.headers["Authorization"] = "Bearer all-of-it"
    board.post(session.start(), session.result("test_a.py::test_sell", "failed"))
    context = browser.new_context()
    context.set_default_timeout(15_000)
    page = context.new_page()
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
    entries = context.new_cdp_session(page).send("Page.getNavigationHistory")["entries"]
    assert not any("just-looking" in entry["url"] for entry in entries)
    (cookie,) = context.cookies()
    assert "just-looking" not in cookie["value"]
    assert cookie["httpOnly"]
    assert page.evaluate("document.cookie") == ""
    # It is kept when the browser is closed.
    again = browser.new_context(storage_state=context.storage_state())
    newest = again.new_page()
    newest.goto(board.url)
    expect(newest.locator(".list a.result")).to_contain_text("test_sell")
    again.close()
    context.close()
    board.stop()
