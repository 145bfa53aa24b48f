from __future__ import annotations

import collections
import contextlib
import json
import os
import resource
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_publish._os import realos
from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.process import RelayProcess
from pytest_publish.plugin import retry
from pytest_publish.plugin.problems import Problems
from pytest_publish.plugin.publisher import Publisher
from pytest_publish.plugin.settings import Settings
from pytest_publish.results.result import TestResult
from support import tree_results


def make_result(name: str) -> TestResult:
    return TestResult(
        result="pass",
        outcome="passed",
        nodeid=f"test_it.py::{name}",
        name=name,
        start_time=1.0,
        stop_time=2.0,
        duration=1.0,
    )


def queue_of(names: list[str]) -> collections.deque[TestResult]:
    return collections.deque(map(make_result, names))


def settings_for(folder: Path, *urls: str) -> Settings:
    return Settings(
        folder,
        pubdir=folder / "tree",
        deliveries=tuple(DeliveryConfig(url) for url in urls),
        outbox_folder=folder,
        run_id="nightly",
    )


@pytest.fixture
def no_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have outboxes without the processes that send them."""
    monkeypatch.setattr(RelayProcess, "start", lambda *_args: None)


@contextlib.contextmanager
def no_descriptors(_folder: Path) -> Iterator[None]:
    """Have this process open no file any more."""
    with limited(resource.RLIMIT_NOFILE):
        yield


@contextlib.contextmanager
def no_room_in_files(_folder: Path) -> Iterator[None]:
    """Have no file of this process grow."""
    with limited(resource.RLIMIT_FSIZE):
        yield


@contextlib.contextmanager
def limited(which: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(which)
    resource.setrlimit(which, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(which, (soft, hard))


@contextlib.contextmanager
def another_user(folder: Path) -> Iterator[None]:
    """Have this process not be who may write here; the superuser becomes another one."""
    user, paths = os.geteuid(), [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    if user == 0:
        os.seteuid(65534)
    else:
        for path in reversed(paths):
            path.chmod(0)
    try:
        yield
    finally:
        os.seteuid(user)
        for path in paths:
            path.chmod(modes[path])


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Have the file system be full, which only a small one of its own can be made."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (4096, 1):  # and then the last block's rest
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    try:
        yield
    finally:
        ballast.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of a few pages."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


Problem = Callable[[Path], contextlib.AbstractContextManager[None]]


@pytest.fixture(params=[no_descriptors, no_room_in_files, another_user, full_disk])
def problem(request: pytest.FixtureRequest) -> Problem:
    """Return what has nothing be written below a folder for a while."""
    made: Problem = request.param
    return made


@pytest.fixture
def folder(request: pytest.FixtureRequest, problem: Problem, tmp_path: Path) -> Path:
    """Return the folder in which the problem is made."""
    is_full = problem is full_disk
    disk: Path = request.getfixturevalue("small_disk") if is_full else tmp_path
    return disk


def lines_of(folder: Path) -> list[dict[str, Any]]:
    (outbox,) = folder.glob("*.jsonl")
    _header, *lines = outbox.read_bytes().splitlines()
    return [json.loads(line) for line in lines if line]


def test_results_are_numbered_without_a_gap_and_withheld_ones_have_no_number(
    tmp_path: Path, no_relay: None
) -> None:
    publisher = Publisher(
        settings_for(tmp_path, "http://localhost/"),
        lambda result: result.name != "test_private",
        Problems(),
    )
    publisher.start()
    publisher.publish(queue_of(["test_a", "test_private", "test_b"]))
    results = tree_results(tmp_path / "tree")
    assert [(result["name"], result["seq"]) for result in results] == [("test_a", 0), ("test_b", 1)]
    assert {result["run_id"] for result in results} == {"nightly"}
    assert lines_of(tmp_path) == results
    assert not (tmp_path / "tree/test_private").exists()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("interrupted", ["hook", "mkdir", "rename", "write", "close"])
def test_an_interrupt_in_the_middle_loses_nothing_and_publishes_nothing_twice(
    tmp_path: Path, no_relay: None, monkeypatch: pytest.MonkeyPatch, interrupted: str, when: str
) -> None:
    calls = 0

    def interrupt(*_arguments: object) -> bool:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return True

    problems = Problems()
    in_hook = interrupted == "hook"
    publisher = Publisher(
        settings_for(tmp_path, "http://localhost/"),
        interrupt if in_hook else lambda _result: True,
        problems,
    )
    publisher.start()
    if not in_hook:
        real = getattr(realos, interrupted)

        def call(*arguments: object) -> object:
            if when == "before":
                interrupt()
                return real(*arguments)
            result = real(*arguments)
            interrupt()
            return result

        monkeypatch.setattr(type(realos), interrupted, staticmethod(call))
    with pytest.raises(KeyboardInterrupt):
        publisher.publish(queue_of(["test_a", "test_b", "test_c"]))
    publisher.publish(queue_of([]))
    assert not problems
    assert len(list((tmp_path / "tree").rglob("[0-9]*.*"))) == 3
    for results in (lines_of(tmp_path), tree_results(tmp_path / "tree")):
        assert [(result["name"], result["seq"]) for result in results] == [
            ("test_a", 0),
            ("test_b", 1),
            ("test_c", 2),
        ]


def test_an_interrupt_while_a_result_is_written_does_not_ask_the_hook_again(
    tmp_path: Path, no_relay: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ask(result: TestResult) -> bool:
        asked.append(result.name)
        return True

    publisher = Publisher(settings_for(tmp_path, "http://localhost/"), ask, Problems())
    publisher.start()
    with monkeypatch.context() as patch:

        def interrupt(*_arguments: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(type(realos), "rename", staticmethod(interrupt))
        with pytest.raises(KeyboardInterrupt):
            publisher.publish(queue_of(["test_a", "test_b"]))
    publisher.publish(queue_of([]))
    assert asked == ["test_a", "test_b"]
    assert names_and_numbers(lines_of(tmp_path)) == [("test_a", 0), ("test_b", 1)]


def test_a_result_that_the_tree_can_not_show_still_goes_out(tmp_path: Path, no_relay: None) -> None:
    def spoil(result: TestResult) -> bool:
        result.start_time = float("nan")
        return True

    problems = Problems()
    publisher = Publisher(settings_for(tmp_path, "http://localhost/"), spoil, problems)
    publisher.start()
    publisher.publish(queue_of(["test_a"]))
    assert [line["pubdir_path"] for line in lines_of(tmp_path)] == [None]
    assert len(list(problems.lines())) == 1


def test_a_sink_that_fails_is_counted_and_the_other_gets_everything(
    tmp_path: Path, no_relay: None
) -> None:
    problems = Problems()
    publisher = Publisher(
        settings_for(tmp_path, "http://localhost/"), lambda _result: True, problems
    )
    publisher.start()
    (tmp_path / "tree").touch()
    publisher.publish(queue_of(["test_a", "test_b"]))
    assert [result["pubdir_path"] for result in lines_of(tmp_path)] == [None, None]
    assert not problems, "they may still be written"
    publisher.finish(lambda _url, _waiting: None)
    assert list(problems.lines()) == ["publish: can't write below tree (2 times): Not a directory"]


def names_and_numbers(results: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(result["name"], result["seq"]) for result in results]


@pytest.mark.parametrize("ends", ["before the next result", "before the end"])
def test_what_could_not_be_written_for_a_while_is_written_once_and_in_order(
    folder: Path, problem: Problem, no_relay: None, ends: str
) -> None:
    problems = Problems()
    publisher = Publisher(settings_for(folder, "http://localhost/"), lambda _result: True, problems)
    publisher.start()
    publisher.publish(queue_of(["test_a"]))
    with problem(folder):
        publisher.publish(queue_of(["test_b", "test_a", "test_c"]))
        assert publisher.totals() == ["1 result written to tree"]
    if ends == "before the next result":
        publisher.publish(queue_of(["test_d"]))
        assert publisher.totals() == ["5 results written to tree"]
    publisher.finish(lambda _url, _waiting: None)
    assert list(problems.lines()) == []
    expected = [(name, seq) for seq, name in enumerate(["test_a", "test_b", "test_a", "test_c"])]
    if ends == "before the next result":
        expected.append(("test_d", 4))
    assert names_and_numbers(lines_of(folder)) == expected
    results = tree_results(folder / "tree")
    assert names_and_numbers(results) == expected
    assert f"{len(expected)} results written to tree" in publisher.totals()
    for result in results:
        assert json.loads(Path(result["pubdir_path"], "result.json").read_bytes()) == result
    test_a = sorted(path.name for path in (folder / "tree/test_a").iterdir())
    assert test_a == [".lock", "0.pass", "1.pass", "count"]
    assert not list(folder.rglob(".*.tmp"))


def test_one_test_that_can_never_be_written_holds_up_no_other(
    tmp_path: Path, no_relay: None
) -> None:
    problems = Problems()
    publisher = Publisher(settings_for(tmp_path), lambda _result: True, problems)
    publisher.start()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/test_never").touch()
    publisher.publish(queue_of(["test_never"]))
    with no_descriptors(tmp_path):
        publisher.publish(queue_of(["test_a", "test_b"]))
    publisher.publish(queue_of(["test_never", "test_c", "test_d"]))
    names = {result["name"] for result in tree_results(tmp_path / "tree")}
    assert names == {"test_a", "test_b", "test_c", "test_d"}
    publisher.finish(lambda _url, _waiting: None)
    place = tmp_path / "tree/test_never"
    assert list(problems.lines()) == [
        f"publish: can't write below tree (2 times): {place} is no folder: remove it"
    ]


@pytest.mark.parametrize(("most", "limit"), [("MOST_RESULTS", 3), ("MOST_BYTES", 1300)])
def test_of_too_many_that_wait_the_oldest_are_dropped_and_counted(
    tmp_path: Path, no_relay: None, monkeypatch: pytest.MonkeyPatch, most: str, limit: int
) -> None:
    monkeypatch.setattr(retry, most, limit)
    problems = Problems()
    publisher = Publisher(
        settings_for(tmp_path, "http://localhost/"), lambda _result: True, problems
    )
    publisher.start()
    names = [f"test_{number}" for number in range(10)]
    with no_descriptors(tmp_path):
        publisher.publish(queue_of(names))
    publisher.finish(lambda _url, _waiting: None)
    kept = names_and_numbers(lines_of(tmp_path))
    assert kept == [(name, seq) for seq, name in enumerate(names)][-len(kept) :]
    assert names_and_numbers(tree_results(tmp_path / "tree")) == kept
    assert 2 <= len(kept) <= 3
    lines = list(problems.lines())
    for line, where in zip(lines, ("below tree", "to the outbox"), strict=True):
        assert line.startswith(
            f"publish: the oldest of too many results that can't be written {where}"
        )
        assert line.endswith(f"was dropped ({10 - len(kept)} times): Too many open files")


def test_what_is_too_large_for_an_outbox_holds_up_no_other_for_good(
    tmp_path: Path, no_relay: None
) -> None:
    problems = Problems()
    settings = settings_for(tmp_path, "http://localhost/")._replace(pubdir=None)

    def enlarge(result: TestResult) -> bool:
        result.stdout = "x" * (100_000 if result.name == "test_large" else 1)
        return True

    publisher = Publisher(settings, enlarge, problems)
    publisher.start()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        publisher.publish(queue_of(["test_a", "test_large", "test_b", "test_c"]))
        publisher.finish(lambda _url, _waiting: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names_and_numbers(lines_of(tmp_path)) == [("test_a", 0), ("test_b", 2), ("test_c", 3)]
    assert [line.endswith("File too large") for line in problems.lines()] == [True]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("interrupted", ["mkdir", "rename", "write", "close"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_interrupt_while_kept_results_are_written_loses_none_and_doubles_none(
    tmp_path: Path,
    no_relay: None,
    monkeypatch: pytest.MonkeyPatch,
    interrupted: str,
    when: str,
    number: int,
) -> None:
    problems = Problems()
    publisher = Publisher(
        settings_for(tmp_path, "http://localhost/"), lambda _result: True, problems
    )
    publisher.start()
    with no_descriptors(tmp_path):
        publisher.publish(queue_of(["test_a", "test_b"]))
    real = getattr(realos, interrupted)
    calls = 0

    def call(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if when == "before" and calls == number:
            raise KeyboardInterrupt
        try:
            return real(*arguments)
        finally:
            if when == "after" and calls == number:
                raise KeyboardInterrupt

    monkeypatch.setattr(type(realos), interrupted, staticmethod(call))
    with pytest.raises(KeyboardInterrupt):
        publisher.publish(queue_of(["test_c"]))
    publisher.publish(queue_of([]))
    publisher.finish(lambda _url, _waiting: None)
    assert not problems
    expected = [("test_a", 0), ("test_b", 1), ("test_c", 2)]
    for results in (lines_of(tmp_path), tree_results(tmp_path / "tree")):
        assert names_and_numbers(results) == expected
    assert "3 results written to tree" in publisher.totals()
