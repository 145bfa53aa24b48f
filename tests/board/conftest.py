"""One board for all tests that need none of their own, and one window of a browser."""

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
from looks import DESKTOP
from looks import errors_of


# A page of a busy machine shows what it should, but not within Playwright's 5 seconds.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Start a board that tests share: each has projects or runs of its own."""
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


#: The first one is the same browser without windows, and takes a quarter less of the processor.
CHROMIUMS: Final = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM: Final = next(filter(None, map(shutil.which, CHROMIUMS)), None)
ARGUMENTS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start a browser."""
    if CHROMIUM is None:
        # CI, which installs one, sets this, so that it never passes without these tests.
        give_up = pytest.fail if "REQUIRE_BROWSER" in os.environ else pytest.skip
        give_up("there is no chromium here: the board's page is NOT tested")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def window(browser: Browser) -> Iterator[Page]:
    """Open the window that tests share: to open and close one costs as much as to use it."""
    context = browser.new_context(viewport=DESKTOP, ignore_https_errors=True)
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(window: Page) -> Iterator[Page]:
    """Empty the window; nothing may go wrong in it that is not said to the user."""
    with errors_of(window) as errors:
        yield window
        window.goto("about:blank")
    window.context.clear_cookies()
    window.context.clear_permissions()
    window.emulate_media(color_scheme="null")
    window.set_viewport_size(DESKTOP)
    # Of a board that is gone, the browser itself complains.
    network = ("net::ERR", "Failed to load resource")
    assert [error for error in errors if not any(text in error for text in network)] == []
