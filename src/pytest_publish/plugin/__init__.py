"""What pytest loads in every run: options, hooks, and which part this process plays."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from typing import Final

import pytest


_SWITCHES: Final = ("publish", "pubdir", "publish_log")
# Options of pytest (8.2 to 9.2) with which this process runs no test. With xdist's -f,
# other processes run them.
_WITHOUT_TESTS: Final = (
    *("cacheshow", "collectonly", "help", "looponfail", "markers", "setuponly", "setupplan"),
    *("show_fixtures_per_test", "showfixtures", "version"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Everywhere: add the options, each of them also an ini setting."""
    with _importing_plainly():
        from .options import OPTIONS

    group = parser.getgroup("publish", "publish each result when its test has finished")
    for option in OPTIONS:
        option.add_to(parser, group)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Everywhere: declare the hooks, so that a conftest may have them in any run."""
    with _importing_plainly():
        from . import hookspec

    pluginmanager.add_hookspecs(hookspec)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Everywhere: load what publishing needs, before a conftest can patch or hide it."""
    given = early_config.known_args_namespace
    if not _is_asked(early_config, given):
        return
    if sys.platform == "win32":
        raise pytest.UsageError(
            "pytest-publish runs on Linux and macOS only: omit its options here"
        )
    is_controller = "PYTEST_XDIST_WORKER" not in os.environ
    sends = is_controller and _has_value(early_config, given, "publish")
    with _importing_plainly():
        if sends and _runs_tests(given):
            # First of all, because the relay then loads its modules while this process does.
            from .early_relay import start

            start(early_config)

        from . import worker  # noqa: F401

        # A worker's Python may be another one, for which orjson and the like were not compiled.
        if is_controller:
            from . import controller  # noqa: F401

            if sends:
                from pytest_publish.delivery import leftovers  # noqa: F401
                from pytest_publish.delivery import process  # noqa: F401
            if _has_value(early_config, given, "pubdir"):
                from pytest_publish.tree import writer  # noqa: F401
            if _has_value(early_config, given, "publish_events"):
                from . import events  # noqa: F401


@pytest.hookimpl(tryfirst=True)  # before xdist's, which ends with the process
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Process of xdist's ``-f``: don't run the tests again because of the results they wrote."""
    if config.getoption("looponfail", default=False) and _is_asked(config, config.option):
        from .ignored import keep_from_looponfail
        from .settings import named_paths

        keep_from_looponfail(named_paths(config, "folder", "file"), config.rootpath)


@pytest.hookimpl(trylast=True)  # after the cache, in which the outbox is kept
def pytest_configure(config: pytest.Config) -> None:
    """Everywhere: register what this process has to do, which without a switch is nothing."""
    if hasattr(config, "workerinput"):
        from .workerinput import KEY

        if KEY in config.workerinput:
            from .worker import configure_worker

            configure_worker(config, config.workerinput[KEY])
        return
    if not _is_asked(config, config.option):
        return
    if not _runs_tests(config.option):
        from .ignored import Ignored
        from .ignored import ignored_folders
        from .settings import named_paths

        ours = ignored_folders(named_paths(config, "folder"), config.rootpath)
        # It may collect.
        config.pluginmanager.register(Ignored(config.rootpath, ours), "publish_ignored")
        return

    from .controller import Controller
    from .settings import read_settings

    settings = read_settings(config, os.environ)
    config.pluginmanager.register(Controller(config, settings), "publish_controller")


@contextlib.contextmanager
def _importing_plainly() -> Iterator[None]:
    """Import as Python does.

    pytest (8.2 to 9.2) looks for asserts to rewrite in all modules of a plugin. It takes four
    times as long to load them, and where it can't write beside them, compiles them in each run.
    """
    sys.meta_path.insert(0, PathFinder)
    try:
        yield
    finally:
        sys.meta_path.remove(PathFinder)


def _is_asked(config: pytest.Config, options: argparse.Namespace) -> bool:
    return any(_has_value(config, options, name) for name in _SWITCHES)


def _runs_tests(options: argparse.Namespace) -> bool:
    return not any(getattr(options, name, False) for name in _WITHOUT_TESTS)


def _has_value(config: pytest.Config, options: argparse.Namespace, name: str) -> bool:
    value = getattr(options, name)
    if value is None:
        try:
            value = config.getini(name)
        except (TypeError, ValueError, pytest.UsageError):
            return True  # read_settings() raises the error that the user sees
    # A list of URLs, a path, or a flag; an empty option switches off.
    return bool(value) and (value is True or any(value))
