from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_publish.results.colours import levels_of
from pytest_publish.results.colours import noted
from pytest_publish.results.colours import plain_text_of
from pytest_publish.results.colours import uncoloured
from pytest_publish.results.colours import uncoloured_log


RED, RESET = "\x1b[31m", "\x1b[39;49;00m"
LEVELS = {"\x1b[33mWARNING \x1b[0m": "WARNING ", "\x1b[31m\x1b[1mERROR\x1b[0m": "ERROR"}


class Representation:
    """What pytest shows of a failure, written by all that its parts write by."""

    def toterminal(self, writer: Any) -> None:
        writer.line("")
        writer._write_source(["    def test_a():", "        assert 0"], [" ", ">"])  # noqa: SLF001
        writer._write_source(["without", "indents"])  # noqa: SLF001
        writer.sep("_ ")
        writer.sep("-", "title", red=True)
        writer.write("file.py", bold=True, red=True)
        writer.line(":3: AssertionError")
        assert writer.fullwidth == 80
        assert not writer.hasmarkup


class OfAPlugin(Representation):
    """It needs what only pytest's own terminal writer has."""

    def toterminal(self, writer: Any) -> None:
        writer.line(writer.markup("text", red=True))

    def __str__(self) -> str:
        return "as it says"


def test_a_representation_is_text_with_its_indentation() -> None:
    assert plain_text_of(Representation()).split("\n") == [
        "     def test_a():",
        ">        assert 0",
        "without",
        "indents",
        ("_ " * 40).rstrip(),
        "-" * 36 + " title " + "-" * 36,
        "file.py:3: AssertionError",
    ]


@pytest.mark.parametrize(
    ("longrepr", "text"), [("a text", "a text"), (OfAPlugin(), "as it says"), (5, "5")]
)
def test_any_other_representation_is_what_it_says(longrepr: object, text: str) -> None:
    assert plain_text_of(longrepr) == text


def coloured(source: str) -> str:
    """Colour each line, as pytest does: with a reset at the beginning of all."""
    return "\x1b[0m" + "\n".join(f"{RED}{line}{RESET}" for line in source.split("\n"))


@given(st.text("ab +-.\n\x1b[31m"))
def test_what_was_coloured_is_again_what_it_was(source: str) -> None:
    seen = dict(noted(source, coloured(source)))
    lines = [line for line in coloured(source).split("\n") if line in seen]
    assert [uncoloured(line, seen) for line in lines] == [seen[line] for line in lines]
    if "\x1b" not in source:
        assert uncoloured(coloured(source), seen) == source


def test_a_tests_own_colours_stay_even_where_they_are_the_same() -> None:
    own = f"{RED}own{RESET}"
    seen = dict(noted(f"- {own}", f"\x1b[0m{RED}- {own}{RESET}"))
    text = f"{own}\nE   \x1b[0m{RED}- {own}{RESET}\n{own}..."
    assert uncoloured(text, seen) == f"{own}\nE   - {own}\n{own}..."


def test_a_coloured_line_may_be_cut_anywhere() -> None:
    line = f"\x1b[0m{RED}'word'{RESET}, {RED}'word'{RESET}"
    seen = dict(noted("'word', 'word'", line))
    for length in range(1, len(line) + 1):
        text = uncoloured(f"E   {line[:length]}...\nE   the end", seen)
        assert "\x1b" not in text
        assert "E   'word', 'word'".startswith(text.split("\n")[0].removesuffix("..."))
        assert text.endswith("...\nE   the end")


def test_of_a_log_only_the_names_of_levels_lose_their_colours() -> None:
    own = "own \x1b[33mWARNING \x1b[0m"
    text = f"\x1b[33mWARNING \x1b[0m a {own}\n12:00 \x1b[31m\x1b[1mERROR\x1b[0m {own}\n{RED}b"
    expected = f"WARNING  a {own}\n12:00 ERROR {own}\n{RED}b"
    assert uncoloured_log(text, LEVELS) == expected


def test_the_formats_of_levels_tell_what_is_coloured() -> None:
    formats = [f"%(asctime)s {level} %(message)s" for level in LEVELS]
    assert levels_of([*formats, "%(levelname)-8s %(message)s"]) == LEVELS
