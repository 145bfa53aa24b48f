"""A small shop with one database, for the tests beside this file."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


log = logging.getLogger("shop")


@pytest.fixture
def database() -> Iterator[dict[str, int]]:
    log.info("opening the database")
    yield {"apples": 3, "pears": 0}
    log.info("closing the database")
