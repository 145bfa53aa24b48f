"""Sessions with colours: what is published has none of pytest's, and all of the tests'."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams import logged
from support import by_name
from support import comparable
from support import RunPytest
from support import tree_results


pytestmark = [pytest.mark.one_worker, pytest.mark.in_process]

# Of what is long enough for pytest to cut it, and of texts with escape codes of their own.
SUITE = r"""
import logging
import pytest

log = logging.getLogger("app")

def test_logs():
    log.warning("own \x1b[31mred\x1b[0m")
    log.info("own \x1b[33mWARNING \x1b[0m")
    print("printed \x1b[31mred\x1b[0m")
    assert {"a": 1} == {"a": 2}

def test_text():
    first, second = "a\n\x1b[31mred\x1b[0m\nb", "a\n\x1b[31mred\x1b[0m\nc"
    assert first == second, "own \x1b[35mmessage\x1b[0m"

def test_cut():
    assert list(range(500)) == list(range(1, 501))

def test_cut_text():
    assert " ".join(map(str, range(900))) == "0"

class Coloured:
    def __repr__(self):
        return "\x1b[36mobject\x1b[0m"

def test_repr():
    assert [Coloured()] == [Coloured(), Coloured()]

def test_raises():
    raise ValueError("\x1b[31mred\x1b[0m")

def test_cause():
    try:
        assert [1, 2] == [1, 3]
    except AssertionError as error:
        raise KeyError("after") from error

@pytest.mark.xfail(reason="known")
def test_expected():
    assert {1} == {2}

@pytest.fixture
def broken():
    assert (1, 2) == (1, 3)

def test_setup(broken): pass
"""


def texts_in(pubdir: Path) -> dict[str, str]:
    """Return the text of each file for people, without the lines that tell the time."""
    paths = [path for path in pubdir.rglob("*.txt") if path.is_file()]
    return {
        str(path.relative_to(pubdir)): "\n".join(
            line
            for line in path.read_text("utf-8").split("\n")
            if not line.startswith(("started ", "took ", "worker "))
        )
        for path in paths
    }


def test_colours_change_nothing_that_is_published(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    monkeypatch: pytest.MonkeyPatch,
    mode: tuple[str, ...],
) -> None:
    pytester.makepyfile(SUITE)
    arguments = ("--log-level=INFO", *mode)
    # pytest cuts by the length with colours, and not at all in CI.
    monkeypatch.delenv("CI", raising=False)
    run_pytest("--color=no", "--pubdir=plain", *arguments)
    by_option = run_pytest("--color=yes", "--pubdir=by-option", *arguments)
    monkeypatch.setenv("FORCE_COLOR", "1")
    for stronger in ("PY_COLORS", "NO_COLOR"):  # the first is pytester's
        monkeypatch.delenv(stronger, raising=False)
    by_variable = run_pytest("--pubdir=by-variable", *arguments)
    # The terminal keeps its colours; of the option a worker knows nothing.
    for run in [by_variable] if mode else [by_option, by_variable]:
        assert "\x1b[33mWARNING \x1b[0m app:" in run.stdout.str()
    check_colours(pytester.path / "plain", pytester.path / "by-option")
    check_colours(pytester.path / "plain", pytester.path / "by-variable")


def check_colours(plain: Path, coloured: Path) -> None:
    """Check that the trees of a run with and of one without colours differ in nothing."""
    expected, found = by_name(tree_results(plain)), by_name(tree_results(coloured))
    cut = ("test_cut", "test_cut_text")
    for name in expected.keys() - set(cut):
        assert comparable(found[name]) == comparable(expected[name])
    for name, text in texts_in(plain).items():
        if not name.startswith(cut):
            assert texts_in(coloured)[name] == text
    for name in cut:
        assert "\x1b" not in str(found[name]).replace("\\x1b", "\x1b")
        assert "\x1b" not in (coloured / name / "0.fail" / "brief.txt").read_text()
    # What a test makes by itself stays as it is.
    result = found["test_logs"]
    assert result["stdout"] == "printed \x1b[31mred\x1b[0m\n"
    assert "own \x1b[31mred\x1b[0m\n" in result["log"]
    assert result["log"].endswith("own \x1b[33mWARNING \x1b[0m")
    assert found["test_raises"]["excinfo"]["value"] == "\x1b[31mred\x1b[0m"
    assert "own \x1b[35mmessage\x1b[0m" in found["test_text"]["excinfo"]["value"]


def test_a_source_is_indented_as_pytest_shows_it(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makepyfile("def test_a():\n    assert 0\n")
    run = run_pytest("--pubdir", pubdir)
    text = (pubdir / "test_a" / "0.fail" / "brief.txt").read_text("utf-8")
    assert "\n    def test_a():\n>       assert 0\nE       assert 0\n" in text
    run.stdout.fnmatch_lines(["    def test_a():"])


def test_causes_and_groups_are_as_python_prints_them(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    log: Path,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    pytester.makepyfile(
        """
        import sys
        import pytest

        def look():
            return {}["key"]

        def test_cause():
            try:
                look()
            except KeyError as error:
                raise ValueError("wrong \\udc80") from error

        def test_context():
            try:
                look()
            except KeyError:
                raise ValueError("wrong")

        def test_neither():
            try:
                look()
            except KeyError:
                raise ValueError("wrong") from None

        @pytest.mark.skipif(sys.version_info < (3, 11), reason="no groups")
        def test_group():
            error = KeyError("b")
            error.add_note("look here")
            raise ExceptionGroup("two", [ValueError("a"), error])
        """
    )
    # pytester reads UTF-8, and in what pytest shows of them is a lone surrogate.
    quiet = ("--tb=no", "-rN")
    run_pytest(f"--publish-log={log}", "--pubdir", pubdir, *quiet, *mode)
    results = by_name(tree_results(pubdir))
    assert by_name(logged(log)) == results  # and none has more than the schema names

    def told(name: str) -> str:
        return (pubdir / name / "0.fail" / "exception.txt").read_text("utf-8")

    cause, context = told("test_cause"), told("test_context")
    assert cause.startswith("Traceback (most recent call last):\n  File ")
    assert "in look\n" in cause
    assert "\nKeyError: 'key'\n\nThe above exception was the direct cause of" in cause
    assert cause.endswith("\nValueError: wrong \\udc80\n")
    assert cause.count("  File ") == 3
    assert "\nDuring handling of the above exception, another exception" in context
    assert "KeyError" not in told("test_neither")
    if "test_group" in results and results["test_group"]["result"] == "fail":
        group = told("test_group")
        assert group.startswith("  + Exception Group Traceback (most recent call last):\n")
        assert "\n    | KeyError: 'b'\n    | look here\n" in group
        assert "_pytest" not in group


def test_a_masked_secret_is_not_in_the_cause(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makeconftest("def pytest_publish_result(result): result.mask('hunter2')")
    pytester.makepyfile(
        """
        def test_a():
            raise ValueError("no") from KeyError("hunter2")
        """
    )
    run_pytest("--pubdir", pubdir, *mode)
    files = [path.read_text("utf-8") for path in pubdir.rglob("*") if path.is_file()]
    assert not [text for text in files if "hunter2" in text]
    assert any("KeyError: '***'" in text for text in files)
