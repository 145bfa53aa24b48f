"""Tests with different outcomes, to show what is published for each."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest


log = logging.getLogger("shop")


@pytest.mark.xdist_group("database")
def test_stock(database: dict[str, int]) -> None:
    print("counting apples")
    assert database["apples"] == 3


@pytest.mark.xdist_group("database")
@pytest.mark.parametrize("fruit", ["apples", "pears"])
def test_sell(database: dict[str, int], fruit: str) -> None:
    log.warning("selling %s", fruit)
    database[fruit] -= 1
    assert database[fruit] >= 0, f"sold {fruit} that we do not have"


def test_price(record_property: Callable[[str, object], None]) -> None:
    record_property("currency", "EUR")
    assert round(3 * 0.1, 2) == 0.3


@pytest.mark.skip(reason="the bank is closed on Sundays")
def test_payment() -> None:
    raise AssertionError


@pytest.mark.xfail(reason="cents get lost", strict=True)
def test_exact_price() -> None:
    assert 3 * 0.1 == 0.3
