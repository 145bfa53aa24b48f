"""Asks the users' hooks about results and events."""

from __future__ import annotations

import contextlib
from copy import deepcopy
from typing import Any
from typing import TYPE_CHECKING

import pytest

from pytest_publish.results.guard import guarded
from pytest_publish.results.repair import refuse_unknown
from pytest_publish.results.repair import repaired
from pytest_publish.results.result import TestResult

from .exceptions import error_text
from .problems import Problems


if TYPE_CHECKING:  # a run without events does not load them
    from pytest_publish.results.events import Event


def is_wanted(config: pytest.Config, problems: Problems, told: TestResult | Event) -> bool:
    """Ask the users' hook whether to publish ``told``, which the hook may change.

    What the hook raises, and what it sets that a field can't hold, is counted as a problem.
    """
    if told.type == "result":
        kind, hook = "result", config.hook.pytest_publish_result
    else:
        kind, hook = "event", config.hook.pytest_publish_event
    if not hook.get_hookimpls():  # costs far less than to call no hook
        return True
    before: Any = deepcopy(told)

    def ask() -> list[object]:
        answers: list[object] = hook(config=config, **{kind: told})
        refuse_unknown(told)
        return answers

    def withhold(error: BaseException) -> list[object]:
        problems.add(f"a pytest_publish_{kind} hook raised", error_text(error))
        # Perhaps before it had masked a secret; its message may hold one too.
        name = type(error).__name__
        told.withhold(f"withheld, because a pytest_publish_{kind} hook raised {name}")
        with contextlib.suppress(AttributeError):
            refuse_unknown(told)
        return []

    answers = guarded(ask, withhold)
    # What is published has to fit into JSON.
    if isinstance(told, TestResult):
        unfit = repaired(told, before)
    else:
        from pytest_publish.results.events import repaired_event

        unfit = repaired_event(told, before)
    if unfit:
        thing = "a result" if kind == "result" else "an event"
        problems.add(f"a pytest_publish_{kind} hook set what {thing} can't hold", ", ".join(unfit))
    return not any(answer is False for answer in answers)
