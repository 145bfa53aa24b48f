"""Boards of which each module has one, and a browser for all."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boards import Board


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
