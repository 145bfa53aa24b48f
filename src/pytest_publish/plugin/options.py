"""All options in one table; each option is also an ini setting.

This module is imported in every run of pytest, so it contains only texts. :mod:`~.settings`
checks the values. test_options.py compares these defaults with the ones in the code.
"""

# No "from __future__ import annotations": NamedTuple would compile each annotation's text.
from typing import Final
from typing import Literal
from typing import NamedTuple

import pytest


class Option(NamedTuple):
    """An option and its ini setting.

    ``default`` is written as a user would write it; with ``choices``, it is the first choice.
    ``path`` says what the option names, if it names a path to which the run writes.
    """

    flag: str
    text: str
    metavar: str | None = None
    ini_type: Literal["string", "linelist", "bool"] = "string"
    default: str | None = None
    choices: tuple[str, ...] = ()
    path: Literal["folder", "file"] | None = None

    @property
    def name(self) -> str:
        """The name of the ini setting and of the option's value."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def help(self) -> str:
        """The help text, with the default."""
        return f"{self.text} (default: {self.default})." if self.default else f"{self.text}."

    def add_to(self, parser: pytest.Parser, group: pytest.OptionGroup) -> None:
        """Add the command line option and the ini setting."""
        attributes: dict[str, str] = {}
        metavar = f"{{{','.join(self.choices)}}}" if self.choices else self.metavar
        if metavar is not None:
            attributes["metavar"] = metavar
        if self.ini_type != "string":
            attributes["action"] = {"linelist": "append", "bool": "store_true"}[self.ini_type]
        # None means that the option was not given, and then the ini setting applies.
        group.addoption(self.flag, dest=self.name, default=None, help=self.help, **attributes)
        empty = {"string": "", "linelist": [], "bool": False}[self.ini_type]
        parser.addini(self.name, self.help, type=self.ini_type, default=empty)


OPTIONS: Final = (
    Option(
        "--publish",
        "POST each result as JSON to this URL (repeatable; an empty URL switches POSTs off)",
        "URL",
        "linelist",
    ),
    Option("--pubdir", "Write each result into a directory tree below PATH", "PATH", path="folder"),
    Option(
        "--pubdir-layout",
        "Name a test's directory after the test, or nest directories for file, class and test",
        default="name",
        choices=("name", "nodeid"),
    ),
    Option(
        "--pubdir-filter",
        "Write all results, only skips and failures (bad), or only failures (fail)",
        default="all",
        choices=("all", "bad", "fail"),
    ),
    Option(
        "--publish-log",
        "Append each result to the file PATH, as a line of JSON",
        "PATH",
        path="file",
    ),
    Option(
        "--publish-events",
        "Also publish events: a session starts, tests were collected, a test starts on a worker, "
        "the session ended",
        ini_type="bool",
    ),
    Option(
        "--publish-metadata",
        "Add KEY and VALUE to the metadata that --publish-events sends when a session starts "
        "(repeatable)",
        "KEY=VALUE",
        "linelist",
    ),
    Option(
        "--publish-project",
        "Set the project name in all results. Without this option it is the name of pytest's "
        "rootdir",
        "NAME",
    ),
    Option(
        "--publish-run-id",
        "Set the id of the run; sessions with the same id belong to one run",
        "ID",
    ),
    Option(
        "--publish-header",
        "Send this header, 'NAME: VALUE', with each POST (repeatable). For secrets, use the "
        "environment variable PYTEST_PUBLISH_HEADERS",
        "HEADER",
        "linelist",
    ),
    Option(
        "--publish-timeout",
        "Wait at most this many seconds for the endpoint's answer",
        "SECONDS",
        default="10",
    ),
    Option(
        "--publish-grace",
        "At the end of the run, stop waiting after this many seconds without a successful POST",
        "SECONDS",
        default="10",
    ),
    Option("--publish-connections", "Open at most N connections to each URL", "N", default="16"),
    Option(
        "--publish-batch",
        "If N is more than 1, POST JSON arrays of up to N waiting results",
        "N",
        default="1",
    ),
    Option("--publish-gzip", "Compress each POST", ini_type="bool"),
    Option(
        "--publish-outbox",
        "Keep results in DIR instead of pytest's cache until they are sent",
        "DIR",
        path="folder",
    ),
    Option(
        "--publish-strict",
        "Fail the run if a result could not be published, and say why",
        ini_type="bool",
    ),
)
BY_NAME: Final = {option.name: option for option in OPTIONS}
