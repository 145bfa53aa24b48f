"""Keeps pytest's collection, git and xdist's ``-f`` out of PATH and the outbox folder."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pytest_publish._os import realos

from .workerinput import IgnoredFolders


_GITIGNORE: Final = b"# Created by pytest-publish automatically.\n*\n"
# What is ours in a folder that holds other things too: a result, a test's counter, an outbox.
# Most runs have no such folder, and so need not compile the expressions.
_RESULT: Final = r"\.?[0-9]+\.(pass|skip|fail)(\.tmp)?"
_COUNT: Final = "count"
_OUTBOX: Final = r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}(-[0-9]+)?\..*"


class Ignored:
    """Keeps pytest from collecting what is published, where tests are collected.

    Relative folders are below ``rootdir``: a worker may be on another machine.
    """

    def __init__(self, rootdir: Path, folders: IgnoredFolders) -> None:
        def places(names: list[str]) -> set[str]:
            return {os.path.normpath(rootdir / name) for name in names}

        whole, partly = places(folders["whole"]), places(folders["partly"])
        self._whole = whole
        self._below = tuple(f"{place}/" for place in whole | partly)

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Worker, or a serial run: leave alone what is ours, and the rest to others.

        pytest does not ask about what it was told to collect, nor about what is above it.
        """
        return True if self.has(collection_path) else None

    def has(self, path: Path) -> bool:
        """Tell whether a path is ours."""
        text = os.fspath(path)
        if text in self._whole:
            return True
        if not text.startswith(self._below):
            return False
        return re.fullmatch(f"{_RESULT}|{_OUTBOX}", path.name) is not None

    def is_count(self, path: Path) -> bool:
        """Tell whether a path is a test's counter, which each run changes."""
        return path.name == _COUNT and os.fspath(path).startswith(self._below)


def ignored_folders(folders: Iterable[Path], rootdir: Path) -> IgnoredFolders:
    """Return which folders are to be ignored, as it can be sent to a worker."""
    found = IgnoredFolders(whole=[], partly=[])
    for folder in folders:
        names = found["whole" if _is_ours(folder, rootdir) else "partly"]
        for path in (os.path.abspath(folder), os.path.realpath(folder)):
            names.append(path)
            # On another machine, the copy that xdist has made of it.
            if Path(path).is_relative_to(rootdir):
                names.append(os.path.relpath(path, rootdir))
    return found


def hide_from_git(folder: Path, rootdir: Path) -> None:
    """Put a ``.gitignore`` into a folder that holds nothing yet, as pytest's cache has one."""
    try:
        if _is_ours(folder, rootdir) and not realos.listdir(str(folder)):
            realos.create_file(f"{folder}/.gitignore", _GITIGNORE)
    except OSError:  # without it, git shows the folder, and that is all
        return


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that holds nothing, or nothing but our ``.gitignore``."""
    try:
        if realos.listdir(str(folder)) == [".gitignore"] and _is_marked(folder):
            realos.unlink(f"{folder}/.gitignore")
        realos.rmdir(str(folder))
    except OSError:  # it is not empty
        return


def keep_from_looponfail(folders: Iterable[Path], rootdir: Path) -> None:
    """Have xdist's ``-f`` not run the tests again because of what their last run wrote.

    It watches all files, in a process that runs no test. There is no option and no hook
    for it in xdist (3.6 to 3.8; 4.0 is to drop -f); test_tree.py fails if the class moves.
    """
    try:
        from xdist.looponfail import StatRecorder

        is_file, is_entered = StatRecorder.fil, StatRecorder.rec
    except (ImportError, AttributeError):
        return
    ours = Ignored(rootdir, ignored_folders(folders, rootdir))

    def fil(self: StatRecorder, p: Path) -> bool:
        return not ours.has(p) and not ours.is_count(p) and is_file(self, p)

    def rec(self: StatRecorder, p: Path) -> bool:
        return not ours.has(p) and is_entered(self, p)

    StatRecorder.fil, StatRecorder.rec = fil, rec


def _is_ours(folder: Path, rootdir: Path) -> bool:
    """Tell whether only we write into a folder, because we made it or it held nothing.

    Never a folder that the project is in, because its tests are there too.
    """
    if Path(os.path.realpath(rootdir)).is_relative_to(os.path.realpath(folder)):
        return False
    try:
        names = realos.listdir(str(folder))
    except OSError:  # it is to be made
        return True
    return not names or _is_marked(folder)


def _is_marked(folder: Path) -> bool:
    path = f"{folder}/.gitignore"
    try:
        # Neither a link nor a FIFO, for which reading would wait.
        is_file = stat.S_ISREG(realos.lstat(path).st_mode)
        return is_file and realos.read_file(path) == _GITIGNORE
    except OSError:
        return False
