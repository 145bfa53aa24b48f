"""The warning that xdist does not schedule by the groups that are published."""

from __future__ import annotations

import pytest


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
