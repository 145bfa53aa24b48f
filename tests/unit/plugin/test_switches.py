"""What decides whether the plugin does anything at all."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import cast

import pytest

from pytest_publish.plugin import pytest_load_initial_conftests
from pytest_publish.plugin.options import BY_NAME


def load(*, ini: object = "", **options: object) -> None:
    """Have the plugin see options, and an ini setting of each that is not given."""
    switches = dict.fromkeys(BY_NAME) | options
    config = SimpleNamespace(
        known_args_namespace=SimpleNamespace(**switches), getini=lambda _name: ini
    )
    pytest_load_initial_conftests(cast("pytest.Config", config))


@pytest.mark.parametrize(
    "asked", [{"publish": ["http://h/"]}, {"pubdir": "tree"}, {"ini": "results.jsonl"}]
)
def test_windows_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, object]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(pytest.UsageError, match=r"^pytest-publish runs on Linux and macOS only: "):
        load(**asked)


@pytest.mark.parametrize("off", [{}, {"publish": [""], "pubdir": "", "ini": []}])
def test_what_is_switched_off_is_refused_nowhere(
    monkeypatch: pytest.MonkeyPatch, off: dict[str, object]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    load(**off)
