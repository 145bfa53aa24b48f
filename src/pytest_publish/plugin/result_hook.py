"""Asks the users' hook about a result."""

from __future__ import annotations

import pytest

from pytest_publish.results.guard import guarded
from pytest_publish.results.repair import copied
from pytest_publish.results.repair import repaired
from pytest_publish.results.result import TestResult

from .exceptions import error_text
from .problems import Problems


class ResultHook:
    """Calls ``pytest_publish_result``, whatever it raises or sets."""

    def __init__(self, config: pytest.Config, problems: Problems) -> None:
        self._config = config
        self._problems = problems

    def wants(self, result: TestResult) -> bool:
        """Tell whether to publish a result, which the hook may have changed."""
        ask = self._config.hook.pytest_publish_result
        if not ask.get_hookimpls():  # costs far less than to call no hook
            return True
        before = copied(result)

        def withhold(error: BaseException) -> list[object]:
            self._problems.add("a pytest_publish_result hook raised", error_text(error))
            # Perhaps before it had masked a secret; its message may hold one too.
            kind = type(error).__name__
            result.withhold(f"withheld, because a pytest_publish_result hook raised {kind}")
            return []

        answers = guarded(lambda: list(ask(config=self._config, result=result)), withhold)
        unfit = repaired(result, before)
        if unfit:
            self._problems.add(
                "a pytest_publish_result hook set what a result can't hold", ", ".join(unfit)
            )
        return not any(answer is False for answer in answers)
