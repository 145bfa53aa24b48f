"""Options, ini and environment, checked, as one frozen value."""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from typing import cast
from typing import Literal
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
from .options import OPTIONS
from .outbox_folder import default_outbox_folder
from .outbox_folder import make_writable


if TYPE_CHECKING:  # a run without a tree does not load it
    from pytest_publish.tree.paths import Scheme
    from pytest_publish.tree.writer import Filter


_Checked = TypeVar("_Checked")


class Settings(NamedTuple):
    """What the user asked for, in a process that publishes.

    ``folder`` is where pytest was called. ``deliveries`` has one entry for each URL.
    ``outbox_folder`` is None if there is no URL, or no folder that can be written to.
    """

    folder: Path
    pubdir: Path | None = None
    scheme: Scheme = "name"
    which: Filter = "all"
    log: Path | None = None
    deliveries: tuple[DeliveryConfig, ...] = ()
    outbox_folder: Path | None = None
    events: bool = False
    metadata: Mapping[str, str] = MappingProxyType({})
    project: str = ""
    run_id: str | None = None
    strict: bool = False
    warning: str | None = None

    def shown(self, path: Path) -> str:
        """Return a path relative to where pytest was called, as pytest does, if shorter."""
        full = str(path)
        relative = os.path.relpath(full, self.folder)
        # What begins with a hyphen can't be given to a command.
        return relative if len(relative) < len(full) and not relative.startswith("-") else full


def read_settings(config: pytest.Config, environment: Mapping[str, str]) -> Settings:
    """Return the checked settings, with the folders that they name made.

    Raises pytest.UsageError of one line.
    """
    warning = missed_ini_file(config)  # before PATH is made
    asked = _Asked(config)
    deliveries = _deliveries_from(asked, environment)
    pubdir = asked.writable("pubdir", make_writable)
    log = asked.writable("publish_log", _writable_file)
    outboxes = None
    if deliveries:
        outboxes = asked.writable("publish_outbox", make_writable) or default_outbox_folder(config)
    return Settings(
        folder=config.invocation_params.dir,
        pubdir=pubdir,
        scheme=cast("Scheme", asked.choice("pubdir_layout")),
        which=cast("Filter", asked.choice("pubdir_filter")),
        log=log,
        deliveries=deliveries,
        outbox_folder=outboxes,
        # The tree takes none.
        events=asked.flag("publish_events") and bool(deliveries or log),
        metadata=dict(asked.each("publish_metadata", _metadata)),
        project=escape(
            asked.text("publish_project") or config.rootpath.name or str(config.rootpath)
        ),
        run_id=asked.one("publish_run_id", _run_id),
        strict=asked.flag("publish_strict"),
        warning=warning,
    )


def named_paths(config: pytest.Config, *kinds: Literal["folder", "file"]) -> list[Path]:
    """Return the folders or files that the user named; they may not be there yet."""
    asked = _Asked(config)
    paths = [asked.path(option.name) for option in OPTIONS if option.path in kinds]
    return [path for path in paths if path is not None]


class _Asked:
    """What was asked for on the command line, else in the ini file."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def _value(self, name: str) -> Any:
        value = self._config.getoption(name)
        if value is not None:
            return value
        try:
            return self._config.getini(name)
        except (TypeError, ValueError, pytest.UsageError) as error:
            # Without the value, which may be a URL with a password: TOML's types come
            # with it, and a truth value without the option's name (pytest 8.2 to 9.2).
            raise _usage_error(name, str(error).partition(", got ")[0]) from None

    def text(self, name: str) -> str | None:
        value = self._value(name)
        if not isinstance(value, str):
            raise _usage_error(name, "the ini file has a list, where a text should be")
        return value or None

    def flag(self, name: str) -> bool:
        return bool(self._value(name))

    def choice(self, name: str) -> str:
        choices = BY_NAME[name].choices
        value = self.text(name) or choices[0]
        if value not in choices:
            raise _usage_error(name, f"{value!r} is none of {', '.join(choices)}")
        return value

    def one(self, name: str, check: Callable[[str], _Checked]) -> _Checked | None:
        text = self.text(name)
        return None if text is None else _checked(check, text, name)

    def each(self, name: str, check: Callable[[str], _Checked]) -> list[_Checked]:
        """Return a list without empty texts, which only switch off what the ini file has."""
        values = self._value(name)
        if not all(isinstance(value, str) for value in values):
            raise _usage_error(name, "the ini file's list has something other than texts in it")
        return [_checked(check, value, name) for value in dict.fromkeys(values) if value]

    def path(self, name: str) -> Path | None:
        """Return a path: relative to where pytest was called, or to its ini file."""
        base = self._config.invocation_params.dir
        text = self.text(name)
        if self._config.getoption(name) is None and self._config.inipath is not None:
            base = self._config.inipath.parent
        if text is None:
            return None
        try:
            return (base / Path(text).expanduser()).absolute()
        except RuntimeError:
            raise _usage_error(name, f"there is no user whose home {text!r} begins with") from None

    def writable(self, name: str, make: Callable[[Path], Path]) -> Path | None:
        """Return a path, made by ``make``."""
        path = self.path(name)
        try:
            return None if path is None else make(path)
        except (OSError, ValueError) as error:  # the latter for a null character
            reason = getattr(error, "strerror", None) or error
            raise _usage_error(name, f"can't write to {path}: {reason}") from None


def _usage_error(name: str, text: str) -> pytest.UsageError:
    """Return the error that ends pytest with exit code 4 and this one line."""
    return pytest.UsageError(f"{BY_NAME[name].flag}: {text}")


def _checked(check: Callable[[str], _Checked], text: str, name: str) -> _Checked:
    try:
        return check(text)
    except ValueError as error:
        raise _usage_error(name, str(error)) from None


def _deliveries_from(asked: _Asked, environment: Mapping[str, str]) -> tuple[DeliveryConfig, ...]:
    try:
        headers, secret = private_from(environment)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    options: dict[str, Any] = {
        "headers": (*headers, *asked.each("publish_header", checked_header)),
        "timeout": asked.one("publish_timeout", checked_timeout),
        "secret": secret,
        "gzip": asked.flag("publish_gzip"),
        "connections": asked.one("publish_connections", checked_count),
        "batch": asked.one("publish_batch", checked_count),
        "grace": asked.one("publish_grace", checked_seconds),
    }
    # DeliveryConfig has the defaults.
    given = {name: value for name, value in options.items() if value is not None}
    return tuple(DeliveryConfig(url, **given) for url in asked.each("publish", checked_url))


def _metadata(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not name.strip() or not equals:
        raise ValueError("metadata must be written KEY=VALUE")
    return name.strip(), value.strip()


def _run_id(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has characters that can't be printed")
    return text


def _writable_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab"):
        return path
