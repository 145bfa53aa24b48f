from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def rootdir(tmp_path: Path) -> Path:
    """Return the folder of a project, in which there is nothing yet."""
    path = tmp_path / "project"
    path.mkdir()
    return path
