"""Removes the colours that pytest has added to its texts, and keeps their indentation.

What a test prints, logs or raises keeps its escape codes. So an escape code is removed
only if pytest was seen to add it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import Final


#: Coloured text, one line or less, mapped to the same text without colours.
Coloured = Mapping[str, str]

# Compiled when they are needed: a run without failures and colours needs none.
# Also one that was cut off.
_CODE: Final = r"\x1b(?:\[[\d;]*(?:m|\Z)|\Z)"
_LEVEL: Final = r"(?:\x1b\[[\d;]+m)+([^\x1b]*)\x1b\[0m"
_BLANK_LINES: Final = r"\A(?:[ \t]*\n)+"
# How pytest ends a line that it has cut.
_CUT: Final = "..."
_WIDTH: Final = 80


class _Writer:
    """Stands in for pytest's terminal writer, to which a failure's representation is written.

    ``str()`` of a representation uses that writer. So it has colours under FORCE_COLOR
    and the width of the terminal, and its first line loses the indentation.
    """

    hasmarkup = False
    fullwidth = _WIDTH

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, text: str, **_markup: bool) -> None:
        self.parts.append(text)

    def line(self, text: str = "", **_markup: bool) -> None:
        self.parts += (text, "\n")

    def sep(self, sepchar: str, title: str | None = None, **_markup: Any) -> None:
        line = (sepchar * _WIDTH)[:_WIDTH]
        if title is not None:
            fill = sepchar * max((_WIDTH - len(title) - 2) // (2 * len(sepchar)), 1)
            line = f"{fill} {title} {fill}"
        self.line(line.rstrip())

    # Private: pytest (8.2 to 9.2) writes source by it; test_colours.py fails if it moves.
    def _write_source(self, lines: Iterable[str], indents: Iterable[str] = ()) -> None:
        for indent, line in itertools.zip_longest(indents, lines, fillvalue=""):
            self.line(indent + line)


def plain_text_of(longrepr: object) -> str:
    """Return the text of a failure's representation. A plugin's own may raise anything."""
    write_to: Any = getattr(longrepr, "toterminal", None)
    if write_to is None:
        return str(longrepr)
    writer = _Writer()
    try:
        write_to(writer)
    except AttributeError:  # a plugin's own may use more of the terminal writer
        return str(longrepr)
    return re.sub(_BLANK_LINES, "", "".join(writer.parts)).rstrip()


def noted(source: str, coloured: str) -> Iterator[tuple[str, str]]:
    """Yield each line that pytest has coloured in a text, and what it was before."""
    sources = source.splitlines()
    lines = coloured.splitlines()
    for index, line in enumerate(lines):
        plain = re.sub(_CODE, "", line)
        # A code in the source is the test's own; pygments may drop blank lines.
        if len(lines) == len(sources) and re.sub(_CODE, "", sources[index]) == plain:
            plain = sources[index]
        if plain != line:
            yield line, plain


def uncoloured(text: str, coloured: Coloured) -> str:
    """Return a text of pytest without the colours that pytest put in."""
    for line in sorted(coloured, key=len, reverse=True):
        text = text.replace(line, coloured[line])
    if _CUT in text and "\x1b" in text:
        text = "\n".join(_uncoloured_cut(line, coloured) for line in text.split("\n"))
    return text


def _uncoloured_cut(line: str, coloured: Coloured) -> str:
    """Return a line that pytest cut short within its colours, without them."""
    if not line.endswith(_CUT):
        return line
    body = line.removesuffix(_CUT)
    for at in (found.start() for found in re.finditer(_CODE, body)):
        for whole in coloured:
            begun = whole.find("\x1b[")
            start = at - begun
            if start >= 0 and whole.startswith(body[start:]):
                return body[:start] + re.sub(_CODE, "", body[start:]) + _CUT
    return line


def uncoloured_log(text: str, levels: Coloured) -> str:
    """Return what was logged without the colours of the levels' names.

    Each record begins a line and has one level; all other colours are the test's own.
    """
    if "\x1b[" not in text:
        return text
    lines = text.split("\n")
    for index, line in enumerate(lines):
        first = min(filter(line.__contains__, levels), key=line.find, default=None)
        if first is not None:
            lines[index] = line.replace(first, levels[first], 1)
    return "\n".join(lines)


def levels_of(formats: Iterable[str]) -> dict[str, str]:
    """Return the coloured names of log levels that are in their formats."""
    found = (re.search(_LEVEL, text) for text in formats)
    return {match[0]: match[1] for match in found if match}
