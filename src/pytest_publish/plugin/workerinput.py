"""What the controller tells a worker before it starts, through xdist's ``workerinput``."""

from __future__ import annotations

from typing import Any
from typing import Final
from typing import TypedDict


#: The key of ``workerinput``; a worker without it publishes nothing.
KEY: Final = "pytest_publish"


class IgnoredFolders(TypedDict):
    """Folders that pytest must not collect: ``partly`` if there are tests in them too."""

    whole: list[str]
    partly: list[str]


class WorkerInput(TypedDict):
    """All that a worker is told."""

    loadgroup: bool
    ignored: IgnoredFolders
    # The controller's machine, and an execnet channel if the run publishes events.
    host: str
    channel: Any
