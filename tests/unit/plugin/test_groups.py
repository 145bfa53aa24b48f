from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import cast

import pytest

from pytest_publish import GroupsIgnoredWarning
from pytest_publish.plugin.groups import GroupNotice


@pytest.fixture
def notice() -> GroupNotice:
    def issue(warning: Warning, stacklevel: int) -> None:
        warnings.warn(warning, stacklevel=stacklevel)

    config = SimpleNamespace(issue_config_time_warning=issue)
    return GroupNotice(cast("pytest.Config", config))


def test_it_is_a_warning_and_given_once(notice: GroupNotice) -> None:
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        notice.give()
        notice.give()
    (warning,) = given
    assert warning.category is GroupsIgnoredWarning
    assert "issue 1386" in str(warning.message)
    assert notice.text is None


def test_a_warning_that_is_an_error_is_a_line_of_the_summary(notice: GroupNotice) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        notice.give()
    assert notice.text is not None
    assert notice.text.startswith("publish: xdist_scope and the tree follow")
