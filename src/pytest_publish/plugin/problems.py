"""What went wrong in publishing, counted instead of raised."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator


@dataclasses.dataclass(slots=True)
class Problem:
    """Something that went wrong, once or often: how often, and how it was at first."""

    first: str
    count: int = 0


class Problems:
    """Counts what went wrong in publishing, which is never raised into the run."""

    def __init__(self) -> None:
        self._of: dict[str, Problem] = {}

    def add(self, what: str, error: BaseException | str) -> None:
        """Count one trouble; ``what`` tells which are of the same kind."""
        if isinstance(error, OSError) and error.strerror:
            error = error.strerror
        elif isinstance(error, BaseException):
            error = f"{type(error).__name__}: {error}"
        self._of.setdefault(what, Problem(error)).count += 1

    def __bool__(self) -> bool:
        return bool(self._of)

    def lines(self) -> Iterator[str]:
        """Yield one line for each kind of trouble."""
        for what, problem in self._of.items():
            times = "" if problem.count == 1 else f" ({problem.count} times)"
            yield f"publish: {what}{times}: {problem.first}"
