"""The groups of xdist: a test's own, and the warning that xdist does not schedule by them."""

from __future__ import annotations

import pytest

from pytest_publish.results.values import escape


class GroupsIgnoredWarning(pytest.PytestWarning):
    """xdist_scope and the tree follow xdist_group marks by which xdist does not schedule."""

    # As users write it after -W and in filterwarnings.
    __module__ = "pytest_publish"


_TEXT = (
    "xdist_scope and the tree follow the xdist_group marks, but this pytest-xdist does not "
    "schedule by them with this pytest (pytest-xdist issue 1386)"
)


class GroupNotice:
    """Warns once; under ``-W error`` it leaves the run alone and keeps the text."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._is_given = False
        #: What is to be said in the summary, because it could not be said as a warning.
        self.text: str | None = None

    def give(self) -> None:
        """Issue the warning, as pytest is told to deal with warnings."""
        if self._is_given:
            return
        self._is_given = True
        try:
            self._config.issue_config_time_warning(GroupsIgnoredWarning(_TEXT), stacklevel=2)
        except GroupsIgnoredWarning:
            # To raise it here would be an internal error, which ends the run.
            self.text = f"publish: {_TEXT}"


def split_group(item: pytest.Item) -> tuple[str, str | None]:
    """Return an item's own node id and its xdist group.

    xdist 3.6 to 3.8 appends ``@group`` to the node id, each by a rule of its own;
    what it appended is what it schedules by. With pytest 9.2 nothing is appended
    (pytest-xdist issue 1386): then the marks tell, by the rule of xdist 3.8.
    """
    if item.parent is not None:
        nodeid = f"{item.parent.nodeid}::{item.name}"
        if item.nodeid.startswith(f"{nodeid}@"):
            return nodeid, escape(item.nodeid[len(nodeid) + 1 :])
    names = {
        str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
        for mark in item.iter_markers("xdist_group")
    }
    if not names:
        return item.nodeid, None
    group = "_".join(sorted(names))
    return item.nodeid.removesuffix(f"@{group}"), escape(group)
