"""The first relay, whose modules take longer to load than a short session lasts."""

from __future__ import annotations

import contextlib
from typing import Final
from typing import TYPE_CHECKING

import pytest


if TYPE_CHECKING:  # a run without a URL does not load it
    from pytest_publish.delivery.program import RelayProgram


_KEY: Final = pytest.StashKey["RelayProgram"]()


def start(config: pytest.Config) -> None:
    """Start it; what it will send is told to it when the session begins."""
    from pytest_publish.delivery.program import RelayProgram

    with contextlib.suppress(Exception):  # tried again, and told, when the session begins
        config.stash[_KEY] = RelayProgram()
        config.add_cleanup(lambda: _dismiss(config))


def take(config: pytest.Config) -> RelayProgram | None:
    """Return it, to be used; None if there is none, or none any more."""
    program = config.stash.get(_KEY, None)
    # Else it was killed, or is not this process's child, because a conftest has forked.
    if program is None or program.status is not None:
        return None
    del config.stash[_KEY]
    return program


def _dismiss(config: pytest.Config) -> None:
    """End it where no session has begun."""
    program = config.stash.get(_KEY, None)
    if program is not None:
        program.stop()
        program.close()
