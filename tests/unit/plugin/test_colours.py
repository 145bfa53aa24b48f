from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from typing import cast

import pytest

from pytest_publish.plugin.colours import noting_colours


RED, RESET = "\x1b[31m", "\x1b[39;49;00m"


class Writer:
    """Colours as pytest's terminal writer does, by a method of that name."""

    def _highlight(self, source: str) -> str:
        return "\n".join(f"{RED}{line}{RESET}" for line in source.split("\n"))


def config_with(writer: Callable[[], object]) -> pytest.Config:
    return cast("pytest.Config", SimpleNamespace(get_terminal_writer=writer))


def test_what_is_coloured_inside_is_noted_and_what_is_coloured_later_is_not() -> None:
    writer: Any = Writer()
    coloured: dict[str, str] = {}

    def compare() -> None:
        with noting_colours(config_with(lambda: writer), coloured):
            assert writer._highlight("a\nb") == f"{RED}a{RESET}\n{RED}b{RESET}"  # noqa: SLF001
            raise ValueError("of a plugin")

    with pytest.raises(ValueError, match="of a plugin"):
        compare()
    assert coloured == {f"{RED}a{RESET}": "a", f"{RED}b{RESET}": "b"}
    writer._highlight("c")  # noqa: SLF001
    assert len(coloured) == 2


def test_of_many_comparisons_the_latest_are_remembered() -> None:
    writer: Any = Writer()
    coloured: dict[str, str] = {}
    with noting_colours(config_with(lambda: writer), coloured):
        for number in range(3000):
            writer._highlight(str(number))  # noqa: SLF001
    assert list(coloured.values()) == [str(number) for number in range(2000, 3000)]


def no_writer() -> object:
    raise AttributeError("no terminal")


@pytest.mark.parametrize("writer", [no_writer, object])
def test_without_a_writer_that_colours_nothing_is_noted(writer: Callable[[], object]) -> None:
    coloured: dict[str, str] = {}
    with noting_colours(config_with(writer), coloured):
        pass
    assert coloured == {}
