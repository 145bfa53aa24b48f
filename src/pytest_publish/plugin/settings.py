"""Options, ini and environment, checked, as one frozen value."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import os
import stat
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import cast
from typing import Final
from typing import TypeVar

import pytest

from pytest_publish.delivery.config import checked_count
from pytest_publish.delivery.config import checked_header
from pytest_publish.delivery.config import checked_seconds
from pytest_publish.delivery.config import checked_timeout
from pytest_publish.delivery.config import checked_url
from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.config import private_from
from pytest_publish.tree.paths import Scheme
from pytest_publish.tree.writer import Filter

from .arguments import missed_ini_file


_Checked = TypeVar("_Checked")

# Linux's folder in memory. A container whose disk is read-only mostly has it.
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a private one is made in it


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for, in a process that publishes.

    ``deliveries`` has one entry for each URL; ``outbox_folder`` is None without any, and
    where no folder can be written to. ``shown_pubdir`` is how the user reads it.
    """

    pubdir: Path | None
    shown_pubdir: str
    scheme: Scheme
    which: Filter
    deliveries: tuple[DeliveryConfig, ...]
    outbox_folder: Path | None
    run_id: str | None
    strict: bool
    warning: str | None


def read_settings(config: pytest.Config, environment: Mapping[str, str]) -> Settings:
    """Return the checked settings, with the folders that they name made.

    Raises pytest.UsageError of one line.
    """
    warning = missed_ini_file(config)  # before PATH is made
    asked = _Asked(config)
    deliveries = _deliveries_from(asked, environment)
    pubdir = _pubdir(asked)
    return Settings(
        pubdir=pubdir,
        shown_pubdir=short(pubdir, config.invocation_params.dir) if pubdir else "",
        scheme=cast("Scheme", asked.choice("pubdir_layout", ("name", "nodeid"))),
        which=cast("Filter", asked.choice("pubdir_filter", ("all", "bad", "fail"))),
        deliveries=deliveries,
        outbox_folder=_outbox_folder(asked) if deliveries else None,
        run_id=_run_id(asked),
        strict=asked.flag("publish_strict"),
        warning=warning,
    )


def short(path: Path, folder: Path) -> str:
    """Return a path as pytest shows it: against where it was called, if that is shorter."""
    full = str(path)
    with contextlib.suppress(ValueError):  # on two drives of Windows
        relative = os.path.relpath(full, folder)
        # What begins with a hyphen can't be given to a command.
        if len(relative) < len(full) and not relative.startswith("-"):
            return relative
    return full


def folders(config: pytest.Config) -> list[Path]:
    """Return the folders that the user named; they may not be there yet."""
    asked = _Asked(config)
    return [path for path in map(asked.path, ("pubdir", "publish_outbox")) if path is not None]


class _Asked:
    """What was asked for on the command line, else in the ini file."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def text(self, name: str) -> str | None:
        value = self.config.getoption(name)
        if value is None:
            value = self._ini(name)
        if not isinstance(value, str):
            raise _usage_error(name, "the ini file has a list, where a text should be")
        return value or None

    def texts(self, name: str) -> list[str]:
        """Return a list, in which an empty text does no more than to replace the ini file's."""
        values = self.config.getoption(name)
        if values is None:
            values = self._ini(name)
        if not all(isinstance(value, str) for value in values):
            raise _usage_error(name, "the ini file's list has something other than texts in it")
        return [value for value in values if value]

    def flag(self, name: str) -> bool:
        return bool(self.config.getoption(name) or self._ini(name))

    def _ini(self, name: str) -> Any:
        try:
            return self.config.getini(name)
        except (TypeError, ValueError, pytest.UsageError) as error:
            # Without the value, which may be a URL with a password: TOML's types come
            # with it, and a truth value without the option's name (pytest 8.2 to 9.2).
            raise _usage_error(name, str(error).partition(", got ")[0]) from None

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name) or choices[0]
        if value not in choices:
            raise _usage_error(name, f"{value!r} is none of {', '.join(choices)}")
        return value

    def checked(self, name: str, check: Callable[[str], _Checked]) -> _Checked | None:
        text = self.text(name)
        return None if text is None else _checked(check, text, _option(name))

    def path(self, name: str) -> Path | None:
        """Return a path: of the command line against where pytest was called."""
        base = self.config.invocation_params.dir
        text = self.text(name)
        if self.config.getoption(name) is None and self.config.inipath is not None:
            base = self.config.inipath.parent
        if text is None:
            return None
        try:
            return (base / Path(text).expanduser()).absolute()
        except RuntimeError:
            raise _usage_error(name, f"{text!r} begins at the home of nobody") from None


def _usage_error(name: str, text: str) -> pytest.UsageError:
    """Return the error that ends pytest with exit code 4 and this one line."""
    return pytest.UsageError(f"{_option(name)}: {text}")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _deliveries_from(asked: _Asked, environment: Mapping[str, str]) -> tuple[DeliveryConfig, ...]:
    urls = dict.fromkeys(asked.texts("publish"))
    try:
        headers, secret = private_from(environment)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    options: dict[str, Any] = {
        "headers": (*headers, *_headers(asked)),
        "timeout": asked.checked("publish_timeout", checked_timeout),
        "secret": secret,
        "gzip": asked.flag("publish_gzip"),
        "connections": asked.checked("publish_connections", checked_count),
        "batch": asked.checked("publish_batch", checked_count),
        "grace": asked.checked("publish_grace", checked_seconds),
    }
    # DeliveryConfig has the defaults.
    given = {name: value for name, value in options.items() if value is not None}
    return tuple(DeliveryConfig(_checked(checked_url, url, "--publish"), **given) for url in urls)


def _checked(check: Callable[[str], _Checked], text: str, where: str) -> _Checked:
    try:
        return check(text)
    except ValueError as error:
        raise pytest.UsageError(f"{where}: {error}") from None


def _headers(asked: _Asked) -> Iterator[tuple[str, str]]:
    for line in asked.texts("publish_header"):
        yield _checked(checked_header, line, "--publish-header")


def _run_id(asked: _Asked) -> str | None:
    run_id = asked.text("publish_run_id")
    if run_id is not None and not run_id.isprintable():
        raise _usage_error("publish_run_id", "it has characters that can't be printed")
    return run_id


def _pubdir(asked: _Asked) -> Path | None:
    path = asked.path("pubdir")
    if path is not None:
        _check_writable(path, "pubdir")
    return path


def _check_writable(path: Path, name: str) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (OSError, ValueError) as error:  # the latter for a null character
        reason = getattr(error, "strerror", None) or error
        raise _usage_error(name, f"can't write to {path}: {reason}") from None


def _outbox_folder(asked: _Asked) -> Path | None:
    """Return the folder of the outboxes: as asked for, else in the cache, else temporary.

    None where nothing can be written to, which is no reason not to run tests.
    """
    path = asked.path("publish_outbox")
    if path is not None:
        _check_writable(path, "publish_outbox")
        return path
    finders: tuple[Callable[[], Path | None], ...] = (
        lambda: _in_cache(asked.config),
        lambda: _private_in(Path(tempfile.gettempdir())),  # which raises if there is none
        lambda: _private_in(_IN_MEMORY),
    )
    for find in finders:
        with contextlib.suppress(OSError, pytest.UsageError):
            found = find()
            if found is not None:
                _check_writable(found, "publish_outbox")
                return found
    return None


def _in_cache(config: pytest.Config) -> Path | None:
    """Return a folder in pytest's cache that ``--cache-clear`` leaves alone.

    Raises OSError.
    """
    if not config.pluginmanager.hasplugin("cacheprovider"):
        return None
    # pytest writes the .gitignore of its cache only where it makes the folder
    # itself, which this call has it do (8.2 to 9.2).
    assert config.cache is not None
    made = config.cache.mkdir("publish")
    with contextlib.suppress(OSError):  # another plugin keeps something there
        made.rmdir()
        made.parent.rmdir()
    return made.parent.parent / "publish"


def _private_in(folder: Path) -> Path:
    """Return a folder that only this user can look into, the same in each run if it can be.

    Raises OSError.
    """
    name = "pytest-publish"
    with contextlib.suppress(OSError, KeyError, ImportError):
        name += f"-of-{getpass.getuser()}"
    path = folder / name
    with contextlib.suppress(OSError):
        path.mkdir(mode=0o700)
    with contextlib.suppress(OSError):
        if _is_private(path.lstat()):
            return path
    return Path(tempfile.mkdtemp(prefix="pytest-publish-", dir=folder))


def _is_private(status: os.stat_result) -> bool:
    """Tell whether it is a folder of this user's alone, and none that another one laid out."""
    if not stat.S_ISDIR(status.st_mode):
        return False
    # Windows gives each user a temporary folder (not run there).
    return os.name != "posix" or (status.st_uid == os.geteuid() and not status.st_mode & 0o077)
