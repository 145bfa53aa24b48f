"""What a failure was caused by, so that failures of one cause can be told together.

Two failures have one cause if the exception's type, its message without what differs
from run to run, and the last frame of the user's own code are the same.
"""

from __future__ import annotations

import re
from typing import Any
from typing import Final
from typing import NamedTuple


#: Stands for what was taken out of a message.
GAP: Final = "…"
#: The outcomes that have a cause: those of a skip are no failures.
FAILING: Final = frozenset({"failed", "error", "crashed", "rerun"})
#: Characters of a line that are looked at, and of a message that are kept.
_LONGEST_LINE: Final = 2_000
_LONGEST: Final = 300

#: What differs from run to run, in the order in which it is taken out.
_VARYING: Final = tuple(
    (re.compile(pattern, re.ASCII), kept)
    for pattern, kept in (
        # Quoted paths and addresses of the web; paths from the root.
        (r"""(['"])[^'"\s]*[/\\][^'"]*\1""", rf"\1{GAP}\1"),
        (r"\b\w+://[^\s'\"<>]+", GAP),
        (r"(?<![\w.…/-])(?:[A-Za-z]:)?(?:[/\\][\w.@+~…-]+){2,}[/\\]?", GAP),
        # UUIDs, addresses, long hexadecimal numbers.
        (r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", GAP),
        (r"(?i)\b0x[0-9a-f]+", GAP),
        (r"(?i)(?<!\d\.)\b(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{7,}\b", GAP),
        # IP addresses and versions.
        (r"(?<![\w.…])\d+(?:\.\d+){2,}(?::\d+)?", GAP),
        # Dates and times with what belongs to them.
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?", GAP),
        (r"\b\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?", GAP),
        (r"(?<![\w.…])[-+]?\d[\d_]*(?:\.\d+)?(?:e[-+]?\d+)?", GAP),
        # What is left of numbers in names, and rows of numbers, however long.
        (r"\d+", GAP),
        (rf"{GAP}(?:(?:, ?)?{GAP})+", GAP),
    )
)
_FRAME: Final = re.compile(r'^\s*File "(?P<path>.+)", line \d+, in (?P<function>.+)$', re.MULTILINE)
#: Where pytest's own text of a failure says that it is in, and the function before it.
_PLACE: Final = re.compile(
    r"^[ >]\s*(?:async )?def (?P<function>\w+)|^(?P<path>[^\s:][^:\n]*):(?P<line>\d+):(?: |$)",
    re.MULTILINE,
)
#: Parts of paths of code that is nobody's own.
_OTHERS: Final = ("/site-packages/", "/dist-packages/", "/lib/python3", "<")


class Cause(NamedTuple):
    """What failures have in common."""

    type: str
    message: str
    frame: str | None


def cause_of(result: dict[str, Any]) -> Cause | None:
    """Return the cause of a published result; None if it did not fail."""
    if result.get("outcome") not in FAILING:
        return None
    excinfo = result.get("excinfo") or {}
    message = general(str(excinfo.get("value") or ""))
    return Cause(str(excinfo.get("type") or ""), message, _frame_of(result, excinfo))


def general(message: str) -> str:
    """Return the first line of a message, without what differs from run to run."""
    line = next(iter(message.strip().splitlines()), "")[:_LONGEST_LINE].strip()
    for pattern, kept in _VARYING:
        line = pattern.sub(kept, line)
    return line[:_LONGEST]


def _frame_of(result: dict[str, Any], excinfo: dict[str, Any]) -> str | None:
    traceback = excinfo.get("traceback")
    frames = [str(frame) for frame in traceback] if isinstance(traceback, list) else []
    places = [(found["path"], found["function"]) for found in map(_FRAME.search, frames) if found]
    return _last_own(places or _places_in(result), result.get("file"))


def _places_in(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return files and functions from pytest's own text, as far as it tells them."""
    texts = [phase.get("text") for phase in result.get("phases") or () if phase.get("text")]
    places, function = [], ""
    for found in _PLACE.finditer(str(texts[0]) if texts else ""):
        if found["path"]:
            places.append((found["path"], function or found["line"]))
            function = ""
        elif not function:  # the outer one: what is defined inside comes later
            function = found["function"]
    return places


def _last_own(places: list[tuple[str, str]], file: str | None) -> str | None:
    own = [place for place in places if not any(other in place[0] for other in _OTHERS)]
    if not own:
        return None
    path, function = own[-1]
    return f"{_relative(path, file, places)}:{function}"


def _relative(path: str, file: str | None, places: list[tuple[str, str]]) -> str:
    """Return a path as it is on every machine: from the rootdir on, if a frame tells it."""
    if not path.startswith("/"):
        return path
    for other, _function in places:
        if file and other.endswith(f"/{file}"):
            root = other[: -len(file)]
            if path.startswith(root):
                return path[len(root) :]
    return "/".join(path.rsplit("/", 2)[-2:])
