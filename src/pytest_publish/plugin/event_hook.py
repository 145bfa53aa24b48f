"""Asks the users' hook about an event."""

from __future__ import annotations

import pytest

from pytest_publish.results.events import copied_event
from pytest_publish.results.events import Event
from pytest_publish.results.events import repaired_event
from pytest_publish.results.events import SessionStart
from pytest_publish.results.guard import guarded

from .exceptions import error_text
from .problems import Problems


class EventHook:
    """Calls ``pytest_publish_event``, whatever it raises or sets."""

    def __init__(self, config: pytest.Config, problems: Problems) -> None:
        self._config = config
        self._problems = problems

    def wants(self, event: Event) -> bool:
        """Tell whether to publish an event, which the hook may have changed."""
        ask = self._config.hook.pytest_publish_event
        if not ask.get_hookimpls():
            return True
        before = copied_event(event)

        def withhold(error: BaseException) -> list[object]:
            self._problems.add("a pytest_publish_event hook raised", error_text(error))
            if isinstance(event, SessionStart):  # perhaps before it had masked a secret
                kind = type(error).__name__
                reason = f"withheld, because a pytest_publish_event hook raised {kind}"
                event.args, event.metadata = [reason], {"withheld": reason}
            return []

        answers = guarded(lambda: list(ask(config=self._config, event=event)), withhold)
        unfit = repaired_event(event, before)
        if unfit:
            self._problems.add(
                "a pytest_publish_event hook set what an event can't hold", ", ".join(unfit)
            )
        return not any(answer is False for answer in answers)
