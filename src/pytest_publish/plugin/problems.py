"""What went wrong in publishing, counted instead of raised."""

from __future__ import annotations

from collections.abc import Iterator


class _Problem:
    def __init__(self, first: str) -> None:
        self.first = first
        self.count = 0


class Problems:
    """Counts what went wrong in publishing, which is never raised into the run."""

    def __init__(self) -> None:
        self._by_kind: dict[str, _Problem] = {}

    def add(self, kind: str, error: BaseException | str) -> None:
        """Count a problem; of each kind only the first error is shown."""
        if isinstance(error, OSError) and error.strerror:
            error = error.strerror
        elif isinstance(error, BaseException):
            error = f"{type(error).__name__}: {error}"
        self._by_kind.setdefault(kind, _Problem(error)).count += 1

    def __bool__(self) -> bool:
        return bool(self._by_kind)

    def lines(self) -> Iterator[str]:
        """Yield one line for each kind of problem."""
        for kind, problem in self._by_kind.items():
            times = "" if problem.count == 1 else f" ({problem.count} times)"
            yield f"publish: {kind}{times}: {problem.first}"
