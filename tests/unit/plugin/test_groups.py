from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import cast

import pytest

from pytest_publish import GroupsIgnoredWarning
from pytest_publish.plugin.groups import GroupNotice
from pytest_publish.plugin.groups import split_group


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


def make_item(
    *marks: pytest.Mark, nodeid: str = "m.py::test_a", name: str = "test_a", parent: str = "m.py"
) -> pytest.Item:
    """Return what stands in for an item, with its marks and its parent."""
    fake = SimpleNamespace(
        nodeid=nodeid,
        name=name,
        parent=SimpleNamespace(nodeid=parent),
        iter_markers=lambda name: (mark for mark in marks if mark.name == name),
    )
    return cast("pytest.Item", fake)


def group(*args: object, **kwargs: object) -> pytest.Mark:
    mark = getattr(pytest.mark, "xdist_group").with_args(*args, **kwargs).mark  # noqa: B009
    return cast("pytest.Mark", mark)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([], None),
        ([group("g")], "g"),
        ([group(name="g")], "g"),
        ([group()], "default"),
        ([group(5)], "5"),
        ([group(name) for name in "edbacb"], "a_b_c_d_e"),
        ([group("")], ""),
        ([group("a@b/c::d")], "a@b/c::d"),
        ([group("\udc80")], "\\udc80"),
    ],
)
def test_a_group_that_is_not_in_the_node_id_is_read_from_the_marks(
    marks: list[pytest.Mark], expected: str | None
) -> None:
    assert split_group(make_item(*marks)) == ("m.py::test_a", expected)


@pytest.mark.parametrize(
    ("appended", "marks"),
    [
        ("g", [group("g")]),
        # What xdist appended is what it schedules by, whatever the marks say.
        ("a@b", [group("other")]),
        ("g", []),
        ("", [group("")]),
    ],
)
@pytest.mark.parametrize("name", ["test_a", "test_a[x@y]", "test_a[::]"])
def test_a_group_that_xdist_appended_is_split_off(
    name: str, appended: str, marks: list[pytest.Mark]
) -> None:
    item = make_item(*marks, nodeid=f"m.py::{name}@{appended}", name=name)
    assert split_group(item) == (f"m.py::{name}", appended)


def test_an_at_sign_of_a_test_is_no_group() -> None:
    item = make_item(nodeid="m.py::test_a[x@y]", name="test_a[x@y]")
    assert split_group(item) == ("m.py::test_a[x@y]", None)


def test_a_node_id_that_does_not_follow_from_its_parent_has_its_group_split_off_too() -> None:
    item = make_item(group("g"), nodeid="special@g", name="test_a")
    assert split_group(item) == ("special", "g")
