from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_publish._os import realos
from pytest_publish.results.encoding import to_json
from pytest_publish.results.result import ExcInfo
from pytest_publish.results.result import TestResult
from pytest_publish.tree import writer
from pytest_publish.tree.writer import Filter
from pytest_publish.tree.writer import TreeWriter


#: The rest of a script of another process.
MAKE_RESULT = """
import sys, pathlib
from pytest_publish.results.encoding import to_json
from pytest_publish.tree.writer import TreeWriter
from pytest_publish.results.result import TestResult

tree = TreeWriter(pathlib.Path(sys.argv[1]))

def write(name):
    result = TestResult(result="pass", outcome="passed", nodeid="m.py::" + name, name=name,
                        start_time=1.0, stop_time=2.0, duration=1.0)
    tree.write(tree.reserve(result), result, to_json(result))

"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "below" / "tree"


@pytest.fixture
def run_python() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start other Python processes, and end them with the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(code: str, *args: str | Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", code, *map(str, args)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def lock(
    root: Path, run_python: Callable[..., subprocess.Popen[bytes]]
) -> Callable[[str], subprocess.Popen[bytes]]:
    """Return what has another process take the lock of a test's directory."""

    def take(name: str) -> subprocess.Popen[bytes]:
        code = (
            "import sys, fasteners\n"
            "lock = fasteners.InterProcessLock(sys.argv[1])\n"
            "assert lock.acquire(blocking=False)\n"
            "print('held', flush=True)\n"
            "sys.stdin.read()"
        )
        process = run_python(code, root / name / ".lock")
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        return process

    return take


def make_result(**changed: Any) -> TestResult:
    fields: dict[str, Any] = {
        "result": "pass",
        "outcome": "passed",
        "nodeid": "tests/test_mod.py::test_a",
        "name": "test_a",
        "start_time": 1.0,
        "stop_time": 2.0,
        "duration": 1.0,
    }
    return TestResult(**(fields | changed))


def failed(**changed: Any) -> TestResult:
    excinfo = ExcInfo("ValueError", "no", ['  File "a.py", line 1, in f\n    g()\n'])
    return make_result(result="fail", outcome="failed", excinfo=excinfo, **changed)


def write(tree: TreeWriter, result: TestResult) -> str | None:
    """Publish a result and return its directory's name; None if it is filtered out."""
    reservation = tree.reserve(result)
    if reservation is None:
        return None
    tree.write(reservation, result, to_json(result))
    assert os.path.isdir(reservation.path)
    return os.path.basename(reservation.path)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("result", "names"),
    [
        (make_result(), ["brief.txt", "result.json"]),
        (failed(), ["brief.txt", "exception.txt", "result.json"]),
        (
            make_result(result="skip", outcome="skipped", excinfo=ExcInfo("Skipped", "no")),
            ["brief.txt", "exception.txt", "result.json"],
        ),
        (make_result(stdout="o"), ["brief.txt", "result.json", "stdout.txt"]),
        (make_result(stderr="e"), ["brief.txt", "result.json", "stderr.txt"]),
        (make_result(log="l"), ["brief.txt", "log.txt", "result.json"]),
    ],
)
def test_a_file_is_there_only_if_it_has_something_to_say(
    root: Path, result: TestResult, names: list[str]
) -> None:
    name = write(TreeWriter(root), result)
    assert name == f"0.{result.result}"
    assert names_in(root / "test_a" / name) == names
    assert names_in(root / "test_a") == sorted([".lock", name, "count"])


def test_the_files_hold_what_was_published(root: Path) -> None:
    result = failed(stdout="öut\r\n", stderr="err", log="log\udc80\n")
    write(TreeWriter(root), result)
    folder = root / "test_a" / "0.fail"
    assert (folder / "result.json").read_bytes() == to_json(result) + b"\n"
    assert (folder / "stdout.txt").read_bytes() == "öut\r\n".encode()
    assert (folder / "stderr.txt").read_bytes() == b"err"
    assert (folder / "log.txt").read_bytes() == b"log\\udc80\n"
    assert (folder / "brief.txt").read_text("utf-8").startswith("FAILED  tests/test_mod.py::test_a")
    assert (folder / "exception.txt").read_text("utf-8") == (
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nValueError: no\n'
    )


@pytest.mark.parametrize(
    ("excinfo", "text"),
    [
        (ExcInfo("KeyError", ""), "KeyError\n"),
        (ExcInfo("Failed", "a\nb\n\n"), "Failed: a\nb\n"),
        (ExcInfo("Failed", "\udc80"), "Failed: \\udc80\n"),
    ],
)
def test_an_exception_without_frames_is_its_last_line(
    root: Path, excinfo: ExcInfo, text: str
) -> None:
    write(TreeWriter(root), make_result(result="fail", outcome="failed", excinfo=excinfo))
    assert (root / "test_a" / "0.fail" / "exception.txt").read_text("utf-8") == text


def test_the_index_goes_on_from_run_to_run(root: Path) -> None:
    results = [make_result(), failed(), make_result()]
    assert [write(TreeWriter(root), result) for result in results] == ["0.pass", "1.fail", "2.pass"]
    tree = TreeWriter(root)
    for index in range(3, 12):
        assert write(tree, make_result()) == f"{index}.pass"
    assert (root / "test_a" / "count").read_bytes() == b"12"


def test_each_test_has_indexes_of_its_own(root: Path) -> None:
    tree = TreeWriter(root)
    assert write(tree, make_result()) == "0.pass"
    assert write(tree, make_result(name="test_b", nodeid="m.py::test_b")) == "0.pass"
    assert names_in(root) == ["test_a", "test_b"]


@pytest.mark.parametrize(
    ("which", "written"),
    [
        ("all", ["0.pass", "1.skip", "2.fail"]),
        ("bad", ["1.skip", "2.fail"]),
        ("fail", ["2.fail"]),
    ],
)
def test_a_filter_picks_what_is_written_and_the_index_advances(
    root: Path, which: Filter, written: list[str]
) -> None:
    tree = TreeWriter(root, which=which)
    skipped = make_result(result="skip", outcome="xfailed", excinfo=ExcInfo("E", ""))
    found = [write(tree, result) for result in (make_result(), skipped, failed())]
    assert [name for name in found if name is not None] == written
    assert names_in(root / "test_a") == sorted([".lock", *written, "count"])
    assert (root / "test_a" / "count").read_bytes() == b"3"


@pytest.mark.parametrize(
    ("dist", "below"),
    [
        (None, ("test_a",)),
        ("load", ("test_a",)),
        ("loadscope", ("test_a",)),
        ("loadgroup", ("group%2F1", "test_a")),
    ],
)
def test_only_a_loadgroup_run_has_its_tests_below_their_scopes(
    root: Path, dist: str | None, below: tuple[str, ...]
) -> None:
    write(TreeWriter(root), make_result(xdist_dist=dist, xdist_scope="group/1"))
    assert root.joinpath(*below, "0.pass").is_dir()


def test_by_node_id_tests_of_one_name_are_kept_apart(root: Path) -> None:
    tree = TreeWriter(root, scheme="nodeid")
    for module in ("m.py", "n.py"):
        assert write(tree, make_result(nodeid=f"tests/{module}::test_a")) == "0.pass"
    assert names_in(root / "tests") == ["m.py", "n.py"]


BROKEN_COUNTS = [
    None,
    b"",
    b"\n",
    b"garbage, and longer than any number",
    b"-1",
    b"  7",
    b"1 2",
    b"\x00\x00",
    "٣".encode(),
]


@pytest.mark.parametrize("count", BROKEN_COUNTS)
@pytest.mark.parametrize("which", ["all", "fail"])
def test_a_count_that_was_lost_never_gives_out_an_index_again(
    root: Path, count: bytes | None, which: Filter
) -> None:
    writer = TreeWriter(root)
    for _ in range(12):
        write(writer, make_result())
    path = root / "test_a" / "count"
    if count is None:
        path.unlink()
    else:
        path.write_bytes(count)
    tree = TreeWriter(root, which=which)
    # Also where nothing but the count tells that an index was given out.
    for expected in (12, 13, 14):
        write(tree, make_result())
        assert path.read_bytes() == b"%d" % (expected + 1)
    assert write(tree, failed()) == "15.fail"


@pytest.mark.parametrize("left", ["7.fail", ".7.fail.tmp"])
def test_where_the_count_was_lost_unfinished_results_count_too(root: Path, left: str) -> None:
    (root / "test_a" / left).mkdir(parents=True)
    assert write(TreeWriter(root), make_result()) == "8.pass"


@pytest.mark.parametrize("name", ["7.other", "x7.pass", "notes", "7", "-7.pass"])
def test_what_is_no_result_does_not_count(root: Path, name: str) -> None:
    (root / "test_a" / name).mkdir(parents=True)
    assert write(TreeWriter(root), make_result()) == "0.pass"


def test_a_count_that_an_editor_ended_with_a_newline_is_understood(root: Path) -> None:
    (root / "test_a").mkdir(parents=True)
    (root / "test_a" / "count").write_bytes(b"9\n")
    tree = TreeWriter(root)
    assert [write(tree, make_result()) for _ in range(2)] == ["9.pass", "10.pass"]


def test_a_result_that_is_there_is_never_written_over(root: Path) -> None:
    # As in a tree that was restored or merged, where count lags behind.
    tree = TreeWriter(root)
    write(tree, make_result(stdout="first"))
    write(tree, failed())
    (root / "test_a" / "count").write_bytes(b"0")
    assert write(tree, make_result(stdout="second")) == "2.pass"
    assert (root / "test_a" / "count").read_bytes() == b"3"
    assert (root / "test_a" / "0.pass" / "stdout.txt").read_text() == "first"


def test_sessions_that_share_a_tree_give_out_each_index_once(
    root: Path, run_python: Callable[..., subprocess.Popen[bytes]]
) -> None:
    code = MAKE_RESULT + "for _ in range(50):\n    write('test_a')\n    write('test_b')\n"
    processes = [run_python(code, root) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    for name in ("test_a", "test_b"):
        expected = [f"{index}.pass" for index in range(200)]
        assert names_in(root / name) == sorted([".lock", "count", *expected])
        assert (root / name / "count").read_bytes() == b"200"


def test_a_reader_never_sees_half_a_result(
    root: Path, run_python: Callable[..., subprocess.Popen[bytes]]
) -> None:
    code = MAKE_RESULT + "for _ in range(500):\n    write('test_a')\n"
    writer = run_python(code, root)
    seen: set[str] = set()
    running = True
    while running:
        running = writer.poll() is None
        names = names_in(root / "test_a") if (root / "test_a").is_dir() else []
        for name in set(names) - seen:
            if name.endswith(".pass"):
                assert names_in(root / "test_a" / name) == ["brief.txt", "result.json"]
                text = (root / "test_a" / name / "result.json").read_text("utf-8")
                assert json.loads(text)["name"] == "test_a"
                assert (
                    (root / "test_a" / name / "brief.txt")
                    .read_text()
                    .endswith("took      1.000 s\n")
                )
                seen.add(name)
    assert writer.returncode == 0
    assert len(seen) == 500


def test_a_result_that_cant_be_finished_is_not_there(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = realos.create_file

    def fill_up(path: str, data: bytes) -> None:
        if path.endswith("stdout.txt"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, data)

    tree = TreeWriter(root)
    monkeypatch.setattr(realos, "create_file", fill_up)
    with pytest.raises(OSError, match=re.escape(os.strerror(errno.ENOSPC))):
        write(tree, make_result(stdout="text"))
    assert not [name for name in names_in(root / "test_a") if name.endswith(".pass")]
    assert write(tree, make_result()) == "1.pass"


def test_a_directory_that_another_process_keeps_locked_is_given_up(
    root: Path,
    lock: Callable[[str], subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "LOCK_TIMEOUT", 0.02)
    tree = TreeWriter(root)
    holder = lock("test_a")
    with pytest.raises(TimeoutError, match=re.escape(str(root / "test_a" / ".lock"))):
        tree.reserve(make_result())
    # Only that test's results are affected, and only while the lock is held.
    assert write(tree, make_result(name="test_b", nodeid="m.py::test_b")) == "0.pass"
    holder.kill()
    holder.wait()
    assert write(tree, make_result()) == "0.pass"


def test_a_run_that_has_waited_long_enough_waits_for_no_lock_any_more(
    root: Path,
    lock: Callable[[str], subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    sleep = realos.sleep

    def count_sleep(seconds: float) -> None:
        slept.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(writer, "LOCK_TIMEOUT", 0.05)
    monkeypatch.setattr(writer, "LOCK_TIMEOUT_OF_RUN", 0.05)
    monkeypatch.setattr(realos, "sleep", count_sleep)
    tree = TreeWriter(root)
    lock("test_a")
    with pytest.raises(TimeoutError):
        tree.reserve(make_result())
    assert slept
    slept.clear()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            tree.reserve(make_result())
    assert slept == []
    # What nobody else holds needs no patience.
    assert write(tree, make_result(name="test_b", nodeid="m.py::test_b")) == "0.pass"


def test_a_file_system_without_locks_is_an_os_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_fd: int, _command: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    tree = TreeWriter(root)
    monkeypatch.setattr(realos, "lockf", refuse)
    with pytest.raises(OSError, match=re.escape(os.strerror(errno.ENOLCK))):
        tree.reserve(make_result())


def test_a_tree_that_vanishes_between_two_results_begins_anew(root: Path) -> None:
    tree = TreeWriter(root)
    write(tree, make_result())
    root.rename(root.with_name("moved"))
    assert write(tree, make_result()) == "0.pass"
    assert names_in(root.with_name("moved") / "test_a") == [".lock", "0.pass", "count"]


def test_a_tree_that_vanishes_in_the_middle_of_a_result_is_an_os_error(root: Path) -> None:
    tree = TreeWriter(root)
    result = make_result()
    reservation = tree.reserve(result)
    assert reservation is not None
    root.rename(root.with_name("moved"))
    with pytest.raises(FileNotFoundError):
        tree.write(reservation, result, to_json(result))


def test_a_root_that_is_a_file_is_an_os_error(root: Path) -> None:
    root.parent.mkdir()
    root.write_text("a file")
    with pytest.raises(NotADirectoryError):
        TreeWriter(root).reserve(make_result())
    assert root.read_text() == "a file"


def test_a_test_whose_place_is_taken_by_a_file_is_an_os_error(root: Path) -> None:
    root.mkdir(parents=True)
    (root / "test_a").write_text("a file")
    tree = TreeWriter(root)
    with pytest.raises(OSError, match="test_a"):
        tree.reserve(make_result())
    assert write(tree, make_result(name="test_b", nodeid="m.py::test_b")) == "0.pass"


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """Return a folder of somebody else's, in which nothing may change."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "count").write_text("5")
    (folder / "brief.txt").write_text("not ours")
    yield folder
    assert names_in(folder) == ["brief.txt", "count"]
    assert (folder / "count").read_text() == "5"
    assert (folder / "brief.txt").read_text() == "not ours"


@pytest.mark.parametrize("target", ["outside", "outside/new"])
@pytest.mark.parametrize("link", ["group", "group/test_a", "group/test_a/count"])
def test_no_link_below_the_root_is_followed(
    root: Path, outside: Path, link: str, target: str
) -> None:
    path = root / link
    path.parent.mkdir(parents=True)
    path.symlink_to(outside.parent / target / ("count" if path.name == "count" else ""))
    tree = TreeWriter(root)
    result = make_result(xdist_dist="loadgroup", xdist_scope="group")
    for _again in range(2):
        with pytest.raises(OSError, match=f"{re.escape(str(path))} is a link.*: remove it"):
            tree.reserve(result)
    assert write(tree, make_result(name="test_b", nodeid="m.py::test_b")) == "0.pass"
    path.unlink()
    assert write(tree, result) == "0.pass"


def test_a_lock_that_is_a_link_is_not_followed(root: Path, outside: Path) -> None:
    (root / "test_a").mkdir(parents=True)
    (root / "test_a/.lock").symlink_to(outside / "new")
    with pytest.raises(OSError, match=r"test_a/\.lock is a link or no regular file: remove it"):
        TreeWriter(root).reserve(make_result())


def test_an_unfinished_result_that_is_a_link_is_not_emptied(root: Path, outside: Path) -> None:
    tree = TreeWriter(root)
    reservation = tree.reserve(make_result())
    assert reservation is not None
    temporary = root / "test_a/.0.pass.tmp"
    temporary.symlink_to(outside)
    result = make_result()
    for _again in range(2):
        with pytest.raises(OSError, match=r"File exists|is a link"):
            tree.write(reservation, result, to_json(result))
    temporary.unlink()
    tree.write(reservation, result, to_json(result))
    assert names_in(root / "test_a") == [".lock", "0.pass", "count"]


def test_a_folder_that_became_a_link_is_not_written_to_when_a_result_is_tried_again(
    root: Path, outside: Path
) -> None:
    tree = TreeWriter(root)
    result = make_result()
    reservation = tree.reserve(result)
    assert reservation is not None
    (root / "test_a").rename(root / "moved")
    for error in ("No such file", "is a link"):
        with pytest.raises(OSError, match=error):
            tree.write(reservation, result, to_json(result))
        with contextlib.suppress(FileExistsError):
            (root / "test_a").symlink_to(outside)


def test_the_root_itself_may_be_a_link(root: Path) -> None:
    real = root.parent / "real"
    real.mkdir(parents=True)
    root.symlink_to(real)
    assert write(TreeWriter(root), make_result()) == "0.pass"
    assert names_in(real) == ["test_a"]


@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize("name", [".lock", "count"])
def test_a_fifo_is_neither_waited_for_nor_read(root: Path, name: str, is_read: bool) -> None:
    fifo = root / "test_a" / name
    fifo.parent.mkdir(parents=True)
    os.mkfifo(fifo)
    tree = TreeWriter(root)
    other_end = os.open(fifo, os.O_RDWR | os.O_NONBLOCK) if is_read else None
    if other_end is not None:
        os.write(other_end, b"7")
    if is_read and name == ".lock":  # it locks as well as a file, and is not read
        assert write(tree, make_result()) == "0.pass"
    else:
        with pytest.raises(OSError, match=f"{re.escape(str(fifo))} is a link or no regular file"):
            tree.reserve(make_result())
    if other_end is not None:
        assert os.read(other_end, 9) == b"7"
        os.close(other_end)


def test_the_folders_of_many_groups_are_not_all_kept_in_mind(
    root: Path, monkeypatch: pytest.MonkeyPatch, outside: Path
) -> None:
    monkeypatch.setattr(writer, "_MOST_PARENTS", 2)
    tree = TreeWriter(root)
    for number in range(5):
        scope = f"group {number}"
        assert write(tree, make_result(xdist_dist="loadgroup", xdist_scope=scope)) == "0.pass"
    (root / "group 0").rename(root / "moved")
    (root / "group 0").symlink_to(outside)
    with pytest.raises(OSError, match="group 0 is a link: remove it"):
        tree.reserve(make_result(xdist_dist="loadgroup", xdist_scope="group 0"))


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs the permissions of POSIX")
def test_a_tree_that_may_not_be_written_is_an_os_error(
    root: Path, run_python: Callable[..., subprocess.Popen[bytes]]
) -> None:
    root.mkdir(parents=True, mode=0o555)
    # The superuser may write anywhere.
    code = MAKE_RESULT + (
        "import os\n"
        "if os.geteuid() == 0:\n"
        "    os.seteuid(65534)\n"
        "try:\n"
        "    write('test_a')\n"
        "except PermissionError:\n"
        "    print('refused')\n"
    )
    out, _err = run_python(code, root).communicate()
    assert out.strip() == b"refused"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that takes no folders")
def test_a_root_that_cant_be_made_is_an_os_error() -> None:
    # As on a drive that was taken away.
    tree = TreeWriter(Path("/proc/pytest-publish/tree"))
    error: Exception | None = None
    try:
        tree.reserve(make_result())
    except Exception as raised:
        error = raised.with_traceback(None)  # it may be of a thousand frames
    assert isinstance(error, OSError)


def test_threads_of_one_process_do_not_disturb_each_other(root: Path) -> None:
    # Two sessions in one process, as pytester's runpytest_inprocess has them: a lock
    # of the process does not hold them apart, but they write below different roots.
    trees = [TreeWriter(root / name) for name in "ab"]
    written: dict[TreeWriter, list[str | None]] = {}

    def write_all(tree: TreeWriter) -> None:
        written[tree] = [write(tree, make_result()) for _ in range(20)]

    threads = [threading.Thread(target=write_all, args=(tree,)) for tree in trees]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [written[tree] for tree in trees] == [[f"{index}.pass" for index in range(20)]] * 2
