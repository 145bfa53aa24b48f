"""pytest's door: the options, the hooks that users may implement, and who am I."""

from __future__ import annotations

import argparse
import os
from typing import Any
from typing import Final

import pytest


_SWITCHES: Final = ("publish", "pubdir")
# Options of pytest (8.2 to 9.2) with which it runs no test.
_WITHOUT_TESTS: Final = (
    *("cacheshow", "collectonly", "help", "markers", "setuponly", "setupplan"),
    *("show_fixtures_per_test", "showfixtures", "version"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Everywhere: add the options, each of them also an ini setting."""
    group = parser.getgroup("publish", "publish each result when its test has finished")

    def add(name: str, help: str, ini: str = "string", **options: str) -> None:
        destination = name.removeprefix("--").replace("-", "_")
        group.addoption(name, dest=destination, default=None, help=help, **options)
        default = {"linelist": [], "bool": False}.get(ini, "")
        parser.addini(destination, help, type=ini, default=default)  # type: ignore[arg-type]

    def add_list(name: str, help: str, metavar: str) -> None:
        add(name, help, "linelist", action="append", metavar=metavar)

    def add_flag(name: str, help: str) -> None:
        add(name, help, "bool", action="store_true")

    add_list(
        "--publish",
        "POST each result as JSON to this URL (repeatable; an empty one switches off).",
        "URL",
    )
    add("--pubdir", "Write each result into a directory tree below PATH.", metavar="PATH")
    add(
        "--pubdir-layout",
        "Name a test's directory by its name (default), or by its node id.",
        metavar="{name,nodeid}",
    )
    add(
        "--pubdir-filter",
        "Write all results (default), the bad (skip and fail), or fail only.",
        metavar="{all,bad,fail}",
    )
    add("--publish-run-id", "Name the run, so that several sessions join it.", metavar="ID")
    add_list(
        "--publish-header",
        "Send this header, 'NAME: VALUE' (repeatable). Keep secrets out of command "
        "lines: they go into the environment variable PYTEST_PUBLISH_HEADERS.",
        "HEADER",
    )
    add("--publish-timeout", "Seconds to wait for an answer (default 10).", metavar="SECONDS")
    add(
        "--publish-grace",
        "Seconds to go on after the tests while nothing gets through (default 10).",
        metavar="SECONDS",
    )
    add("--publish-connections", "At most N connections to a URL (default 16).", metavar="N")
    add("--publish-batch", "POST JSON arrays of up to N waiting results.", metavar="N")
    add_flag("--publish-gzip", "Compress what is POSTed.")
    add("--publish-outbox", "Keep what is still to be sent in DIR.", metavar="DIR")
    add_flag("--publish-strict", "Fail the run if a result could not be published, and say so.")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Everywhere: declare the hooks, so that a conftest may have them in any run."""
    from . import hookspec

    pluginmanager.add_hookspecs(hookspec)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Everywhere: load what publishing needs before a conftest can patch or hide it."""
    if not _is_asked(early_config, early_config.known_args_namespace):
        return
    from . import worker  # noqa: F401

    # A worker may be of a Python that no compiled module of this path fits.
    if "PYTEST_XDIST_WORKER" not in os.environ:
        from . import controller  # noqa: F401


@pytest.hookimpl(tryfirst=True)  # before xdist's, which ends with the process
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Process of xdist's ``-f``: don't run the tests again because of their results."""
    if config.getoption("looponfail", default=False) and _is_asked(config, config.option):
        from .ignored import keep_from_looponfail
        from .settings import folders

        keep_from_looponfail(folders(config), config.rootpath)


@pytest.hookimpl(trylast=True)  # after the cache, in which the outbox is kept
def pytest_configure(config: pytest.Config) -> None:
    """Everywhere: register what this process has to do, which is mostly nothing."""
    if hasattr(config, "workerinput"):
        _configure_worker(config, config.workerinput)
        return
    if not _is_asked(config, config.option):
        return
    if any(config.getoption(name, default=False) for name in _WITHOUT_TESTS):
        from .ignored import Ignored
        from .ignored import ignored_folders
        from .settings import folders

        ours = Ignored(config.rootpath, ignored_folders(folders(config), config.rootpath))
        config.pluginmanager.register(ours, "publish_ignored")  # it may collect
        return

    from .controller import Controller
    from .settings import read_settings

    checked = read_settings(config, os.environ)
    config.pluginmanager.register(Controller(config, checked), "publish_controller")


def _is_asked(config: pytest.Config, options: argparse.Namespace) -> bool:
    return any(_has_value(config, options, name) for name in _SWITCHES)


def _has_value(config: pytest.Config, options: argparse.Namespace, name: str) -> bool:
    value = getattr(options, name)
    if value is None:
        try:
            value = config.getini(name)
        except (TypeError, ValueError, pytest.UsageError):
            return True  # settings tells what is wrong with it
    return any(value)  # a list of URLs, or a path: an empty option switches off


def _configure_worker(config: pytest.Config, workerinput: dict[str, Any]) -> None:
    from .workerinput import KEY

    if KEY not in workerinput:
        return
    from .ignored import Ignored
    from .worker import ReportAnnotator

    told = workerinput[KEY]
    annotator = ReportAnnotator(loadgroup=told["loadgroup"])
    config.pluginmanager.register(annotator, "publish_worker")
    ours = Ignored(config.rootpath, told["ignored"])
    config.pluginmanager.register(ours, "publish_ignored")
