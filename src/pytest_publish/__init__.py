"""Publish each pytest result the moment its test has finished.

``pytest --publish URL`` POSTs one JSON object a result, ``pytest --pubdir PATH``
writes a directory tree, serially and under pytest-xdist.
"""

from __future__ import annotations

import importlib
from typing import Any
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from .plugin.groups import GroupsIgnoredWarning as GroupsIgnoredWarning
    from .results.result import schema as schema
    from .results.result import TestResult as TestResult

    __version__: str

__all__ = ["GroupsIgnoredWarning", "TestResult", "__version__", "schema"]


def __getattr__(name: str) -> Any:
    """Load what is asked for: pytest imports this package in every run."""
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("pytest-publish")
    if name == "GroupsIgnoredWarning":
        return importlib.import_module(".plugin.groups", __name__).GroupsIgnoredWarning
    if name in __all__:
        return getattr(importlib.import_module(".results.result", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
