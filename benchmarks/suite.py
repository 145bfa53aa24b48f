"""Suites of the smallest possible tests."""

from __future__ import annotations

from pathlib import Path
from typing import Final


_TESTS_A_FILE: Final = 500


def write_suite(folder: Path, tests: int, head: str = "", body: str = "pass") -> Path:
    """Write a number of tests into a new folder, and return the folder."""
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
    for first in range(0, tests, _TESTS_A_FILE):
        numbers = range(first, min(first + _TESTS_A_FILE, tests))
        text = head + "".join(f"def test_{number:06}():\n    {body}\n" for number in numbers)
        (folder / f"test_{first // _TESTS_A_FILE:03}.py").write_text(text, "utf-8")
    return folder
