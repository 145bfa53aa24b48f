from __future__ import annotations

from typing import get_args

import pytest

from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.plugin.options import BY_NAME
from pytest_publish.tree.paths import Scheme
from pytest_publish.tree.writer import Filter


# The options are loaded in every run, and so can't ask the modules that have these values.
@pytest.mark.parametrize("name", ["timeout", "grace", "connections", "batch"])
def test_the_help_tells_the_default_that_is_used(name: str) -> None:
    default = getattr(DeliveryConfig("http://h/"), name)
    assert BY_NAME[f"publish_{name}"].help.endswith(f" (default: {default:g}).")


@pytest.mark.parametrize(
    ("name", "values"), [("pubdir_layout", get_args(Scheme)), ("pubdir_filter", get_args(Filter))]
)
def test_the_choices_are_those_of_the_tree(name: str, values: tuple[str, ...]) -> None:
    assert BY_NAME[name].choices == values
    assert BY_NAME[name].help.endswith(f" (default: {values[0]}).")


def test_only_what_has_a_value_by_default_tells_one() -> None:
    without = [option.name for option in BY_NAME.values() if "default:" not in option.help]
    assert {"publish", "pubdir", "publish_gzip", "publish_outbox"} <= set(without)
    assert all(BY_NAME[name].default is None for name in without)
