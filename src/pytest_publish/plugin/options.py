"""All options in one table; each is an ini setting too.

It is loaded in every run of pytest, so it has nothing but texts. :mod:`~.settings` checks
the values. test_options.py compares the defaults with those that are used.
"""

# Without "from __future__ import annotations", whose texts NamedTuple would compile one by one.
from typing import Final
from typing import Literal
from typing import NamedTuple

import pytest


class Option(NamedTuple):
    """An option and its ini setting.

    ``default`` is as a user would write it; of ``choices`` it is the first. ``path`` is what
    the option names, if that is a path into which the run writes.
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
        """The text that users read, with the default."""
        return f"{self.text} (default: {self.default})." if self.default else f"{self.text}."

    def add_to(self, parser: pytest.Parser, group: pytest.OptionGroup) -> None:
        """Add the option to the command line, and the setting to the ini file's."""
        attributes: dict[str, str] = {}
        metavar = f"{{{','.join(self.choices)}}}" if self.choices else self.metavar
        if metavar is not None:
            attributes["metavar"] = metavar
        if self.ini_type != "string":
            attributes["action"] = {"linelist": "append", "bool": "store_true"}[self.ini_type]
        # None, which tells that the option was not given: then the ini file is asked.
        group.addoption(self.flag, dest=self.name, default=None, help=self.help, **attributes)
        empty = {"string": "", "linelist": [], "bool": False}[self.ini_type]
        parser.addini(self.name, self.help, type=self.ini_type, default=empty)


OPTIONS: Final = (
    Option(
        "--publish",
        "POST each result as JSON to this URL (repeatable; an empty URL switches it off)",
        "URL",
        "linelist",
    ),
    Option("--pubdir", "Write each result into a directory tree below PATH", "PATH", path="folder"),
    Option(
        "--pubdir-layout",
        "Name a test's directory after the test, or nest directories as in its node id",
        default="name",
        choices=("name", "nodeid"),
    ),
    Option(
        "--pubdir-filter",
        "Write all results, the bad ones (skip and fail), or fail only",
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
        "Also publish what the session is doing: its start, its collection, which test starts "
        "where, and how it ended",
        ini_type="bool",
    ),
    Option(
        "--publish-metadata",
        "Add this to what --publish-events tells of the session's start (repeatable)",
        "KEY=VALUE",
        "linelist",
    ),
    Option(
        "--publish-project",
        "Name the project, so that its tests are not taken for another project's. Without "
        "this option it has the name of pytest's rootdir",
        "NAME",
    ),
    Option("--publish-run-id", "Name the run; sessions with one id are one run", "ID"),
    Option(
        "--publish-header",
        "Send this header, 'NAME: VALUE', with each POST (repeatable). Put a secret into the "
        "environment variable PYTEST_PUBLISH_HEADERS instead",
        "HEADER",
        "linelist",
    ),
    Option("--publish-timeout", "Wait this many seconds for an answer", "SECONDS", default="10"),
    Option(
        "--publish-grace",
        "After the tests, give up when nothing has got through for this many seconds",
        "SECONDS",
        default="10",
    ),
    Option("--publish-connections", "Open at most N connections to a URL", "N", default="16"),
    Option(
        "--publish-batch",
        "If N is more than 1, POST JSON arrays of up to N waiting results",
        "N",
        default="1",
    ),
    Option("--publish-gzip", "Compress each POST", ini_type="bool"),
    Option(
        "--publish-outbox",
        "Keep results in DIR, not in pytest's cache, until they are sent",
        "DIR",
        path="folder",
    ),
    Option(
        "--publish-strict",
        "Fail the run, and say why, if a result could not be published",
        ini_type="bool",
    ),
)
BY_NAME: Final = {option.name: option for option in OPTIONS}
