"""Asks the users' hooks about results and events."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING
from typing import TypeVar

import pytest

from pytest_publish.results.guard import guarded
from pytest_publish.results.repair import refuse_unknown
from pytest_publish.results.repair import repaired
from pytest_publish.results.result import TestResult

from .exceptions import error_text
from .problems import Problems


if TYPE_CHECKING:  # a run without events does not load them
    from pytest_publish.results.events import Event

    _Told = TypeVar("_Told", TestResult, Event)


class UsersHooks:
    """Calls ``pytest_publish_result`` and ``pytest_publish_event``, whatever they raise or set."""

    def __init__(self, config: pytest.Config, problems: Problems) -> None:
        self._config = config
        self._problems = problems

    def wants(self, result: TestResult) -> bool:
        """Tell whether to publish a result, which the hook may have changed."""
        ask = self._config.hook.pytest_publish_result
        if not ask.get_hookimpls():  # costs far less than to call no hook
            return True
        asked = functools.partial(ask, config=self._config, result=result)
        return self._wants("result", result, asked, repaired)

    def wants_event(self, event: Event) -> bool:
        """Tell whether to publish an event, which the hook may have changed."""
        ask = self._config.hook.pytest_publish_event
        if not ask.get_hookimpls():
            return True
        from pytest_publish.results.events import repaired_event

        asked = functools.partial(ask, config=self._config, event=event)
        return self._wants("event", event, asked, repaired_event)

    def _wants(
        self,
        kind: str,
        told: _Told,
        ask: Callable[[], list[object]],
        repaired: Callable[[_Told, _Told], list[str]],
    ) -> bool:
        before = deepcopy(told)

        def asked() -> list[object]:
            answers = list(ask())
            refuse_unknown(told)
            return answers

        def withhold(error: BaseException) -> list[object]:
            self._problems.add(f"a pytest_publish_{kind} hook raised", error_text(error))
            # Perhaps before it had masked a secret; its message may hold one too.
            name = type(error).__name__
            told.withhold(f"withheld, because a pytest_publish_{kind} hook raised {name}")
            with contextlib.suppress(AttributeError):
                refuse_unknown(told)
            return []

        answers = guarded(asked, withhold)
        unfit = repaired(told, before)
        if unfit:
            thing = "an event" if kind == "event" else "a result"
            self._problems.add(
                f"a pytest_publish_{kind} hook set what {thing} can't hold", ", ".join(unfit)
            )
        return not any(answer is False for answer in answers)
