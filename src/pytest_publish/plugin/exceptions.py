"""An exception as data: its class, its text, and the user's frames."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from traceback import extract_tb
from traceback import FrameSummary
from traceback import StackSummary
from traceback import TracebackException
from traceback import walk_tb
from types import FrameType
from types import TracebackType
from typing import Final

import _pytest
import pluggy
import pytest

from pytest_publish.results.annotations import ExceptionData
from pytest_publish.results.guard import guarded
from pytest_publish.results.values import escape


_INTERNAL: Final = (
    # importlib's frames are between pytest's import of a file and the user's line.
    *(
        str(Path(package).parent) + os.sep
        for package in (_pytest.__file__, pluggy.__file__, importlib.__file__)
    ),
    str(Path(__file__).parents[1]) + os.sep,
    pytest.__file__,
    "<frozen importlib",
)
# Python (3.10 to 3.14) puts this after a row of frames that are all alike.
_REPEATED: Final = "  [Previous line repeated"


def exception_data(excinfo: pytest.ExceptionInfo[BaseException]) -> ExceptionData:
    """Return an exception as the JSON's ``excinfo``, of exact builtins.

    ``_text`` is added where Python prints more of it.
    """
    data: ExceptionData = {
        "type": escape(type(excinfo.value).__name__),
        "value": safe_str(excinfo.value),
        "traceback": guarded(user_frames, lambda _error: [], excinfo),
    }
    whole = guarded(_whole_text, lambda _error: None, excinfo.value)
    if whole is not None:
        data["_text"] = whole
    return data


def safe_str(error: BaseException) -> str:
    """Return an exception's text; if its ``__str__`` raises, a text that says so."""
    return guarded(
        lambda: escape(str(error)),
        lambda problem: f"<{type(error).__name__} object: its str raised {type(problem).__name__}>",
    )


def error_text(error: BaseException) -> str:
    """Return an exception as one text, its class first."""
    return f"{type(error).__name__}: {safe_str(error)}"


def user_frames(excinfo: pytest.ExceptionInfo[BaseException]) -> list[str]:
    """Return the user's frames of a traceback, formatted as Python does.

    They have no source lines if a test has patched what reads them.
    """
    frames: list[str] = []
    for text in _user_stack(excinfo).format():
        if text.startswith(_REPEATED):  # a note on the last frame
            frames[-1] += text
        else:
            frames.append(escape(text))
    return frames


def _user_stack(excinfo: pytest.ExceptionInfo[BaseException]) -> StackSummary:
    tb: TracebackType | None = excinfo.tb
    # pytest's own frames come first; skipped at once, their source need not be read.
    while tb is not None and _is_hidden(tb.tb_frame, excinfo):
        tb = tb.tb_next
    frames = list(walk_tb(tb))
    entries = guarded(
        lambda: list(extract_tb(tb)),
        lambda _error: [
            FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name, line="")
            for frame, line in frames
        ],
    )
    return StackSummary.from_list(
        entry
        for entry, (frame, _line) in zip(entries, frames, strict=True)
        if not _is_hidden(frame, excinfo)
    )


def _whole_text(error: BaseException) -> str | None:
    """Return an exception as Python prints it, if it has causes, notes, or a group's parts."""
    has_context = error.__context__ is not None and not error.__suppress_context__
    is_chain = has_context or error.__cause__ is not None
    if not (is_chain or hasattr(error, "exceptions") or hasattr(error, "__notes__")):
        return None
    whole = TracebackException(
        type(error), error, error.__traceback__, lookup_lines=False, compact=True
    )
    waiting: list[tuple[TracebackException, BaseException]] = [(whole, error)]
    while waiting:
        told, found = waiting.pop()
        told.stack = StackSummary()
        if found.__traceback__ is not None:  # else it was never raised
            told.stack = _user_stack(pytest.ExceptionInfo.from_exception(found))
        inner = (
            (told.__cause__, found.__cause__),
            (told.__context__, found.__context__),
            # Of groups, which Python has since 3.11.
            *zip(
                getattr(told, "exceptions", None) or (),
                getattr(found, "exceptions", ()),
                strict=False,
            ),
        )
        waiting += [(part, of) for part, of in inner if part is not None and of is not None]
    return escape("".join(whole.format()))


def _is_hidden(frame: FrameType, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    if frame.f_code.co_filename.startswith(_INTERNAL):
        return True
    if "__unittest" in frame.f_globals:  # as unittest marks its own frames
        return True
    hide = frame.f_locals.get("__tracebackhide__", frame.f_globals.get("__tracebackhide__"))
    # It may be a user's predicate.
    return guarded(
        lambda: bool(hide(excinfo)) if callable(hide) else bool(hide), lambda _error: False
    )


def cause_of_collect_error(
    excinfo: pytest.ExceptionInfo[BaseException],
) -> pytest.ExceptionInfo[BaseException]:
    """Return the error in a file or a conftest that pytest's own error wraps."""
    cause = excinfo.value.__cause__
    # The second has no public name (8.2 to 9.2).
    is_wrapper = (
        isinstance(excinfo.value, pytest.Collector.CollectError)
        or type(excinfo.value).__name__ == "ConftestImportFailure"
    )
    if is_wrapper and cause is not None:
        return pytest.ExceptionInfo.from_exception(cause)
    return excinfo
