"""What went wrong in publishing, counted instead of raised."""

from __future__ import annotations

from collections.abc import Iterator

from .exceptions import error_text


class Problems:
    """Counts what went wrong in publishing, which is never raised into the run."""

    def __init__(self) -> None:
        # Of each kind the first error, and how many there were.
        self._by_kind: dict[str, tuple[str, int]] = {}

    def add(self, kind: str, error: BaseException | str) -> None:
        """Count a problem; of each kind only the first error is shown."""
        if isinstance(error, OSError) and error.strerror:
            error = error.strerror
        elif isinstance(error, BaseException):
            error = error_text(error)
        first, count = self._by_kind.get(kind, (error, 0))
        self._by_kind[kind] = first, count + 1

    def __bool__(self) -> bool:
        return bool(self._by_kind)

    def lines(self) -> Iterator[str]:
        """Yield one line for each kind of problem."""
        for kind, (first, count) in self._by_kind.items():
            times = "" if count == 1 else f" ({count} times)"
            yield f"publish: {kind}{times}: {first}"
