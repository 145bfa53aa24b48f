"""Paths on the command line that pytest mistakes for folders with tests.

pytest (8.2 to 9.2) looks for its rootdir and ini file before it knows the options of plugins.
In ``--pubdir PATH`` it then mistakes a PATH that exists for a folder with tests.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from .options import OPTIONS


_PATH_OPTIONS: Final = tuple(option.flag for option in OPTIONS if option.path)
#: Where pytest looks for its configuration in a folder, and what such a file must hold.
_INI_FILES: Final = (
    *((name, "") for name in ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml")),
    *(("pyproject.toml", "[tool.pytest"), ("tox.ini", "[pytest]"), ("setup.cfg", "[tool:pytest]")),
)


def join_paths(arguments: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return a command line's arguments with each of our paths joined to its option."""
    result: list[str] = []
    for argument in map(str, arguments):
        if result and result[-1] in _PATH_OPTIONS:
            result[-1] += f"={argument}"
        else:
            result.append(argument)
    return result


def missed_ini_file(config: pytest.Config) -> str | None:
    """Return a warning if pytest was misled by one of our paths already."""
    params = config.invocation_params
    for option, path in itertools.pairwise(map(str, params.args)):
        # Not Path.exists, which raises for a name that is too long.
        if option in _PATH_OPTIONS and os.path.exists(params.dir / path):
            missed = _ini_file_above(params.dir)
            if missed is None or config.inipath is not None:
                return None
            return (
                f"pytest did not read {missed}, because it took a path for tests: "
                f"write {option}={path}"
            )
    return None


def _ini_file_above(folder: Path) -> Path | None:
    for parent in (folder, *folder.parents):
        for name, table in _INI_FILES:
            with contextlib.suppress(OSError):
                if table in (parent / name).read_text("utf-8", "replace"):
                    return parent / name
    return None
