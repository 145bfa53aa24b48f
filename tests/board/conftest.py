"""Boards of which each module has one, and a browser for all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Final

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import expect
from playwright.sync_api import Page
from playwright.sync_api import sync_playwright

from boards import Board


# A page of a busy machine shows what it should, but not within Playwright's 5 seconds.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Start a board that the tests of a module share."""
    board = Board(tmp_path_factory.mktemp("board") / "store.sqlite3")
    yield board
    board.stop()


@pytest.fixture
def start_board(tmp_path: Path) -> Iterator[Callable[..., Board]]:
    """Start boards of a test's own, on one store."""
    started: list[Board] = []

    def start(*arguments: str, **options: Any) -> Board:
        started.append(Board(tmp_path / "store.sqlite3", *arguments, **options))
        return started[-1]

    yield start
    for board in started:
        board.stop()


CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start a browser for all tests."""
    if CHROMIUM is None:
        # CI, which installs one, sets this, so that it never passes without these tests.
        give_up = pytest.fail if "REQUIRE_BROWSER" in os.environ else pytest.skip
        give_up("there is no chromium here: the board's page is NOT tested")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open a window in which nothing may go wrong that is not said to the user."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(15_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    yield page
    context.close()
    # Of a board that is gone, the browser itself complains.
    network = ("net::ERR", "Failed to load resource")
    assert [error for error in errors if not any(text in error for text in network)] == []
