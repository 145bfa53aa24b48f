"""The tree as a user finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support import by_name
from support import Endpoint
from support import RunPytest
from support import tree_results


pytestmark = [pytest.mark.one_worker, pytest.mark.in_process]


SUITE = """
    import sys
    import logging
    import pytest

    def test_quiet():
        pass

    def test_talkative():
        print("to stdout")
        print("to stderr", file=sys.stderr)
        logging.warning("to the log")

    def test_fail():
        assert 1 == 2

    @pytest.mark.skip(reason="closed")
    def test_skip():
        pass
"""


def files_below(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*") if found.is_file()}


def test_a_result_has_files_that_say_something(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(SUITE)
    run_pytest("--pubdir", pubdir, *mode)
    always = {"brief.txt", "result.json"}
    assert files_below(pubdir) == {
        ".gitignore",
        *(
            f"{test}/{file}"
            for test in ("test_quiet", "test_talkative")
            for file in (".lock", "count")
        ),
        *(f"{test}/{file}" for test in ("test_fail", "test_skip") for file in (".lock", "count")),
        *(f"test_quiet/0.pass/{file}" for file in always),
        *(
            f"test_talkative/0.pass/{file}"
            for file in always | {"stdout.txt", "stderr.txt", "log.txt"}
        ),
        *(f"test_fail/0.fail/{file}" for file in always | {"exception.txt"}),
        *(f"test_skip/0.skip/{file}" for file in always | {"exception.txt"}),
    }
    assert (pubdir / "test_quiet/count").read_text() == "1"
    assert (pubdir / "test_talkative/0.pass/stdout.txt").read_text() == "to stdout\n"
    exception = (pubdir / "test_fail/0.fail/exception.txt").read_text()
    assert exception.startswith("Traceback (most recent call last):\n")
    assert exception.endswith("    assert 1 == 2\nAssertionError: assert 1 == 2\n")


def test_two_sessions_at_once_share_a_tree(
    pytester: pytest.Pytester, own_plugins: tuple[str, ...], pubdir: Path
) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("number", range(40))
        def test_it(number): pass
        """
    )
    command = (sys.executable, "-m", "pytest", *own_plugins, "--pubdir", str(pubdir))
    sessions = [
        subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL) for _ in range(3)
    ]
    assert [session.wait(60) for session in sessions] == [0, 0, 0]
    assert len(tree_results(pubdir)) == 3 * 40
    for folder in pubdir.glob("test_*"):
        assert (folder / "count").read_text() == "3"
        assert {path.name for path in folder.glob("*.*") if path.is_dir()} == {
            "0.pass",
            "1.pass",
            "2.pass",
        }


def test_loadgroup_keeps_tests_below_their_scope(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makepyfile(
        test_it="""
        import logging
        import pytest

        @pytest.mark.xdist_group("the/group")
        def test_grouped():
            print("to stdout")
            logging.warning("to the log")
            assert 1 == 2, "not equal"

        @pytest.mark.xdist_group(name="a@b")
        class TestClass:
            @pytest.mark.parametrize("value", ["x@y"])
            def test_method(self, value): pass

        def test_alone(): pass
        """
    )
    run = run_pytest("--pubdir", pubdir, "-n", "1", "--dist", "loadgroup")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    results = by_name(tree_results(pubdir))
    assert {name: result["xdist_scope"] for name, result in results.items()} == {
        "test_grouped": "the/group",
        "test_method[x@y]": "a@b",
        "test_alone": "test_it.py::test_alone",
    }
    assert results["test_method[x@y]"]["nodeid"] == "test_it.py::TestClass::test_method[x@y]"
    assert {path.parent.relative_to(pubdir).as_posix() for path in pubdir.rglob("count")} == {
        "the%2Fgroup/test_grouped",
        "a@b/test_method[x@y]",
        "test_it.py%3A%3Atest_alone/test_alone",
    }
    check_brief((pubdir / "the%2Fgroup/test_grouped/0.fail/brief.txt").read_text("utf-8"))


def check_brief(brief: str) -> None:
    """Check that it tells all that a person needs."""
    pytest.LineMatcher(brief.splitlines()).fnmatch_lines(
        [
            "FAILED  test_it.py::test_grouped",
            "result    fail",
            "file      test_it.py:4",
            "started   ????-??-?? ??:??:?? UTC",
            "took      *.??? s (setup * s, call * s, teardown * s)",
            "worker    gw0 (--dist loadgroup)",
            "scope     the/group",
            "=* call =*",
            '>       assert 1 == 2, "not equal"',
            "E       AssertionError: not equal",
            "test_it.py:8: AssertionError",
            "=* captured stdout =*",
            "to stdout",
            "=* captured log =*",
            "*to the log",
        ]
    )


def test_ignored_groups_are_told_once(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.xdist_group("one")
        @pytest.mark.parametrize("number", range(6))
        def test_it(number, request, record_property):
            record_property("scheduled as", request.node.nodeid)
        """
    )
    run = run_pytest("--pubdir", pubdir, "-n", "2", "--dist", "loadgroup")
    results = tree_results(pubdir)
    ignored = not results[0]["properties"]["scheduled as"].endswith("@one")
    assert {result["xdist_scope"] for result in results} == {"one"}
    if not ignored:
        assert len({result["xdist_worker"] for result in results}) == 1
    assert run.stdout.str().count("pytest-xdist issue 1386") == ignored
    assert run.stdout.str().count("GroupsIgnoredWarning: xdist_scope and") == ignored
    ours = "pytest_publish.GroupsIgnoredWarning"
    for option, count in (
        (f"-Wignore::{ours}", 0),
        (f"--override-ini=filterwarnings=ignore::{ours}", 0),
        ("-Werror", ignored),  # said as a line of the summary, and no test fails
    ):
        again = run_pytest(f"--pubdir={pubdir}", "-n1", "--dist=loadgroup", option)
        again.assert_outcomes(passed=6)
        assert again.ret == pytest.ExitCode.OK
        assert again.stdout.str().count("pytest-xdist issue 1386") == count


@pytest.mark.parametrize(
    ("which", "written"),
    [("all", {"0.pass", "0.fail", "0.skip"}), ("bad", {"0.fail", "0.skip"}), ("fail", {"0.fail"})],
)
def test_the_filter_does_not_hold_the_index_up(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    pubdir: Path,
    which: str,
    written: set[str],
) -> None:
    pytester.makepyfile(SUITE)
    run_pytest("--pubdir", pubdir, "--pubdir-filter", which)
    assert {path.parent.name for path in pubdir.rglob("result.json")} == written
    assert {path.read_text() for path in pubdir.rglob("count")} == {"1"}


def test_by_node_id_each_test_has_its_own_folder(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    for module in ("one", "two"):
        pytester.mkdir(module).joinpath(f"test_{module}.py").write_text(
            "class TestClass:\n    def test_it(self): pass\n", "utf-8"
        )
    run_pytest("--pubdir", pubdir, "--pubdir-layout", "nodeid", *mode)
    assert {path.parent.relative_to(pubdir).as_posix() for path in pubdir.rglob("0.pass")} == {
        "one/test_one.py/TestClass/test_it",
        "two/test_two.py/TestClass/test_it",
    }


def test_nothing_is_written_outside_of_the_tree(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.xdist_group("../../group")
        @pytest.mark.parametrize("value", ["../../../evil", "/etc/evil", "x" * 300, "..", "a\\0b"],
                                 ids=lambda value: value)
        def test_it(value): pass
        """
    )
    deep = pubdir / "several/folders/deep"
    run = run_pytest("--pubdir", deep, "-n", "1", "--dist", "loadgroup")
    assert run.ret == 0
    assert len(tree_results(deep)) == 5
    assert files_below(pubdir) == {f"several/folders/deep/{name}" for name in files_below(deep)}
    assert not Path("/etc/evil").exists()


DOCTEST_LIKE = """
    def test_it():
        print(">>> 1 / 0")
"""


def test_what_is_published_is_never_collected(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(DOCTEST_LIKE)
    pytester.maketxtfile(user=">>> 1 + 1\n2")
    outboxes = pytester.path / "outboxes"
    arguments = (
        *(f"--pubdir={pubdir.parent}/./{pubdir.name}", "--doctest-glob=*.txt"),
        *("--doctest-glob=*.jsonl*", f"--publish-outbox={outboxes}"),
        *("--publish=http://127.0.0.1:9", "--publish-grace=0"),
    )
    run_pytest(*arguments, *mode).assert_outcomes(passed=2)
    pytester.makepyfile(f"{DOCTEST_LIKE}\n        assert 0")
    run_pytest(*arguments, *mode).assert_outcomes(passed=1, failed=1)
    # The index goes on over runs.
    folder = pubdir / "test_it"
    assert {path.name for path in folder.iterdir()} == {".lock", "count", "0.pass", "1.fail"}
    assert (folder / "count").read_text() == "2"
    collected = run_pytest(*arguments, "--collect-only", "-q").stdout.str()
    assert "2 tests collected" in collected
    assert {path.name for path in pubdir.iterdir()} == {".gitignore", "test_it", "user.txt"}
    for folder in (pubdir, outboxes):
        assert (folder / ".gitignore").read_text().endswith("\n*\n")
    assert len(list(outboxes.glob("*.jsonl"))) == 2


@pytest.mark.parametrize("path", [".", "tests"])
def test_tests_in_the_tree_are_still_collected(
    pytester: pytest.Pytester, run_pytest: RunPytest, mode: tuple[str, ...], path: str
) -> None:
    folder = pytester.mkdir("tests")
    (folder / "test_it.py").write_text("def test_it():\n    print('>>> 1 / 0')\n", "utf-8")
    for index in (0, 1):
        run_pytest("--pubdir", path, "--doctest-glob=*.txt", *mode).assert_outcomes(passed=1)
        assert (pytester.path / path / f"test_it/{index}.pass/stdout.txt").is_file()
    assert not list(pytester.path.rglob("tests/.gitignore"))
    assert not (pytester.path / ".gitignore").exists()


def test_a_gitignore_of_the_users_is_left_alone(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makepyfile(DOCTEST_LIKE)
    pubdir.mkdir()
    (pubdir / ".gitignore").symlink_to(pytester.path / "elsewhere")
    run_pytest(f"--pubdir={pubdir}").assert_outcomes(passed=1)
    assert not (pytester.path / "elsewhere").exists()
    (pubdir / ".gitignore").unlink()
    (pubdir / ".gitignore").write_text("!*\n")
    run_pytest(f"--pubdir={pubdir}").assert_outcomes(passed=1)
    assert (pubdir / ".gitignore").read_text() == "!*\n"


def test_an_empty_outbox_folder_is_removed(
    pytester: pytest.Pytester, run_pytest: RunPytest, endpoint: Endpoint
) -> None:
    pytester.makepyfile(DOCTEST_LIKE)
    run_pytest("--publish", endpoint.url, "--publish-outbox=kept").assert_outcomes(passed=1)
    assert len(endpoint.posts) == 1
    assert not (pytester.path / "kept").exists()


@pytest.mark.in_process(False)
@pytest.mark.parametrize("path", ["tree", "."])
def test_looponfail_ignores_what_was_published(
    pytester: pytest.Pytester, run_pytest: RunPytest, path: str
) -> None:
    pytest.importorskip("xdist.looponfail", reason="xdist 4 has no -f any more")
    # Instead of waiting for a change, say what has changed already.
    pytester.makepyfile(
        stop="""
        import xdist.looponfail

        def say(self, checkinterval):
            before = {path: stat.st_mtime for path, stat in self.statcache.items()}
            is_changed = self.check()
            after = {path: stat.st_mtime for path, stat in self.statcache.items()}
            names = sorted({path.name for path, _mtime in before.items() ^ after.items()})
            print("changed by the run:", is_changed, names)
            raise KeyboardInterrupt

        xdist.looponfail.StatRecorder.waitonchange = say
        """
    )
    project = pytester.mkdir("project")  # in pytester's own folder its stdout changes
    pytester.makeini("[pytest]\nlooponfailroots = project")
    where = (f"--pubdir=project/{path}", "--publish-outbox=project/kept", "--publish-grace=0")
    arguments = ("-p", "xdist.looponfail", "-p", "stop", "-f", *where, "project")
    for body, changed in (
        ("print('output')", "False []"),
        ("open('project/new', 'w')", "True ['new']"),
    ):
        (project / "test_it.py").write_text(f"def test_it(): {body}", "utf-8")
        run = run_pytest(*arguments, "--publish=http://127.0.0.1:9")
        assert f"changed by the run: {changed}" in run.outlines
    assert len(list((project / path).glob("test_it/*.pass"))) == 2
