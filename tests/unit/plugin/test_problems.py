from __future__ import annotations

from pytest_publish.plugin.problems import Problems


def test_each_kind_of_problem_is_one_line_with_its_count_and_its_first_case() -> None:
    problems = Problems()
    assert not problems
    problems.add("can't write", OSError(28, "No space left on device"))
    problems.add("can't write", OSError(13, "Permission denied"))
    problems.add("a hook raised", ValueError("oh"))
    assert problems
    assert list(problems.lines()) == [
        "publish: can't write (2 times): No space left on device",
        "publish: a hook raised: ValueError: oh",
    ]
