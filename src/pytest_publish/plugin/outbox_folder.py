"""Where outboxes are kept if the user names no folder for them."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest


# Linux's in-memory folder, which most containers with a read-only disk have.
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a private one is made in it


def default_outbox_folder(config: pytest.Config) -> Path | None:
    """Return a folder in pytest's cache, else a temporary one.

    None if no folder can be written to; the tests run all the same.
    """
    finders: list[Callable[[], Path]] = [
        lambda: _private_in(Path(tempfile.gettempdir())),  # which raises if there is none
        lambda: _private_in(_IN_MEMORY),
    ]
    if config.pluginmanager.hasplugin("cacheprovider"):
        finders.insert(0, lambda: _in_cache(config))
    for find in finders:
        with contextlib.suppress(OSError, ValueError):
            return make_writable(find())
    return None


def make_writable(path: Path) -> Path:
    """Make a folder, if it is not there, and try to write to it.

    Raises OSError, or ValueError for a path with a null character.
    """
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path):
        return path


def _in_cache(config: pytest.Config) -> Path:
    """Return a folder in pytest's cache that ``--cache-clear`` leaves alone."""
    # pytest (8.2 to 9.2) writes the .gitignore of its cache only when it makes the folder
    # itself, so it is made to.
    assert config.cache is not None
    made = config.cache.mkdir("publish")
    with contextlib.suppress(OSError):  # another plugin keeps something there
        made.rmdir()
        made.parent.rmdir()
    return made.parent.parent / "publish"


def _private_in(folder: Path) -> Path:
    """Return a folder that only this user can look into, the same in each run if it can be."""
    name = "pytest-publish"
    with contextlib.suppress(OSError, KeyError, ImportError):
        import getpass  # a run with pytest's cache does not load it

        name += f"-of-{getpass.getuser()}"
    path = folder / name
    with contextlib.suppress(OSError):
        path.mkdir(mode=0o700)
    with contextlib.suppress(OSError):
        if _is_private(path.lstat()):
            return path
    return Path(tempfile.mkdtemp(prefix="pytest-publish-", dir=folder))


def _is_private(status: os.stat_result) -> bool:
    """Tell whether it is a folder that this user made and nobody else can read."""
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return is_own and not status.st_mode & 0o077
