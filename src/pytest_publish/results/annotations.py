"""What a worker adds to its reports."""

from __future__ import annotations

from typing import Any
from typing import Final
from typing import TypeAlias


#: What the process that ran the test added to its report.
WorkerAnnotations: TypeAlias = dict[str, Any]


#: The attribute of a report that holds what is forwarded, a dict.
ATTRIBUTE: Final = "pytest_publish"
