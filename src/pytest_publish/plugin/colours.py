"""Which lines pytest has coloured, seen where it colours them."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any
from typing import Final

import pytest

from pytest_publish.results.colours import noted
from pytest_publish.results.guard import guarded


# How many lines of coloured comparisons are remembered.
_MOST_COLOURED: Final = 1000


@contextlib.contextmanager
def noting_colours(config: pytest.Config, coloured: dict[str, str]) -> Generator[None]:
    """Remember what pytest's terminal writer colours, line by line."""
    # A run may have no terminal writer, or a plugin's.
    writer: Any = guarded(config.get_terminal_writer, lambda _error: None)
    # Private (8.2 to 9.2): all colours of a comparison come from it; test_colours.py
    # fails if it moves.
    highlight = getattr(writer, "_highlight", None)
    if highlight is None:
        yield
        return

    def noting(source: str, *args: Any, **options: Any) -> str:
        text: str = highlight(source, *args, **options)
        coloured.update(noted(source, text))
        while len(coloured) > _MOST_COLOURED:  # a test may try many comparisons
            del coloured[next(iter(coloured))]
        return text

    writer._highlight = noting  # noqa: SLF001
    try:
        yield
    finally:
        del writer._highlight  # noqa: SLF001
