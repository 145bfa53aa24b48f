"""Options, ini and environment, checked, as one frozen value."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from typing import cast
from typing import NamedTuple
from typing import TYPE_CHECKING
from typing import TypeVar

import pytest

from pytest_publish.delivery.config import checked_count
from pytest_publish.delivery.config import checked_header
from pytest_publish.delivery.config import checked_seconds
from pytest_publish.delivery.config import checked_timeout
from pytest_publish.delivery.config import checked_url
from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.config import private_from
from pytest_publish.results.values import escape

from .arguments import missed_ini_file
from .options import BY_NAME
from .outbox_folder import default_outbox_folder
from .outbox_folder import make_writable


if TYPE_CHECKING:  # a run without a tree does not load it
    from pytest_publish.tree.paths import Scheme
    from pytest_publish.tree.writer import Filter

_Checked = TypeVar("_Checked")


class Settings(NamedTuple):
    """What the user asked for, in a process that publishes.

    ``deliveries`` has one entry for each URL. ``outbox_folder`` is None if there is no
    URL, or no folder that can be written to. ``shown_pubdir`` is ``pubdir`` as the user
    reads it.
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
    events: bool = False
    metadata: Mapping[str, str] = MappingProxyType({})
    project: str = ""
    log: Path | None = None
    shown_log: str = ""


def read_settings(config: pytest.Config, environment: Mapping[str, str]) -> Settings:
    """Return the checked settings, with the folders that they name made.

    Raises pytest.UsageError of one line.
    """
    warning = missed_ini_file(config)  # before PATH is made
    asked = _Asked(config)
    deliveries = _deliveries_from(asked, environment)
    pubdir = _pubdir(asked)
    log = _log(asked)
    return Settings(
        pubdir=pubdir,
        shown_pubdir=short(pubdir, config.invocation_params.dir) if pubdir else "",
        scheme=cast("Scheme", asked.choice("pubdir_layout")),
        which=cast("Filter", asked.choice("pubdir_filter")),
        deliveries=deliveries,
        outbox_folder=_outbox_folder(asked) if deliveries else None,
        run_id=_run_id(asked),
        strict=asked.flag("publish_strict"),
        # The tree takes none.
        events=asked.flag("publish_events") and bool(deliveries or log),
        metadata=dict(_metadata(asked)),
        project=_project(asked),
        log=log,
        shown_log=short(log, config.invocation_params.dir) if log else "",
        warning=warning,
    )


def short(path: Path, folder: Path) -> str:
    """Return a path relative to where pytest was called, as pytest does, if that is shorter."""
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


def written_paths(config: pytest.Config) -> list[Path]:
    """Return these folders, and the file of ``--publish-log``."""
    log = _Asked(config).path("publish_log")
    return folders(config) + ([] if log is None else [log])


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
        """Return a list without empty texts, which only switch off what the ini file has."""
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

    def choice(self, name: str) -> str:
        choices = BY_NAME[name].choices
        value = self.text(name) or choices[0]
        if value not in choices:
            raise _usage_error(name, f"{value!r} is none of {', '.join(choices)}")
        return value

    def checked(self, name: str, check: Callable[[str], _Checked]) -> _Checked | None:
        text = self.text(name)
        return None if text is None else _checked(check, text, name)

    def path(self, name: str) -> Path | None:
        """Return a path: relative to where pytest was called, or to its ini file."""
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
    return pytest.UsageError(f"{BY_NAME[name].flag}: {text}")


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
    return tuple(DeliveryConfig(_checked(checked_url, url, "publish"), **given) for url in urls)


def _checked(check: Callable[[str], _Checked], text: str, name: str) -> _Checked:
    try:
        return check(text)
    except ValueError as error:
        raise _usage_error(name, str(error)) from None


def _headers(asked: _Asked) -> Iterator[tuple[str, str]]:
    for line in asked.texts("publish_header"):
        yield _checked(checked_header, line, "publish_header")


def _run_id(asked: _Asked) -> str | None:
    run_id = asked.text("publish_run_id")
    if run_id is not None and not run_id.isprintable():
        raise _usage_error("publish_run_id", "it has characters that can't be printed")
    return run_id


def _metadata(asked: _Asked) -> Iterator[tuple[str, str]]:
    for pair in asked.texts("publish_metadata"):
        name, equals, value = pair.partition("=")
        if not name.strip() or not equals:
            raise _usage_error("publish_metadata", "metadata is written KEY=VALUE")
        yield name.strip(), value.strip()


def _project(asked: _Asked) -> str:
    name = asked.text("publish_project")
    rootdir = asked.config.rootpath
    return escape(name or rootdir.name or str(rootdir))


def _log(asked: _Asked) -> Path | None:
    path = asked.path("publish_log")
    if path is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            return path
    except (OSError, ValueError) as error:  # the latter for a null character
        reason = getattr(error, "strerror", None) or error
        raise _usage_error("publish_log", f"can't write to {path}: {reason}") from None


def _pubdir(asked: _Asked) -> Path | None:
    path = asked.path("pubdir")
    return None if path is None else _writable(path, "pubdir")


def _outbox_folder(asked: _Asked) -> Path | None:
    path = asked.path("publish_outbox")
    if path is None:
        return default_outbox_folder(asked.config)
    return _writable(path, "publish_outbox")


def _writable(path: Path, name: str) -> Path:
    try:
        return make_writable(path)
    except (OSError, ValueError) as error:  # the latter for a null character
        reason = getattr(error, "strerror", None) or error
        raise _usage_error(name, f"can't write to {path}: {reason}") from None
