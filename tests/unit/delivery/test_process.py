from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemons import our_relay
from faulty_server import FaultyServer
from faulty_server import status
from pytest_publish import cli
from pytest_publish.delivery.config import DeliveryConfig
from pytest_publish.delivery.locks import is_free
from pytest_publish.delivery.process import DeliveryReport
from pytest_publish.delivery.process import RelayProcess
from support import eventually


def delivery_to(faulty_server: FaultyServer, folder: Path, grace: float = 30.0) -> RelayProcess:
    return RelayProcess(folder, "run", DeliveryConfig(faulty_server.url, grace=grace))


def fill(delivery: RelayProcess, count: int) -> None:
    for number in range(count):
        delivery.append(b'{"type":"result","session_id":"s1","seq":%d}' % number)


def test_all_is_sent_and_nothing_is_left(faulty_server: FaultyServer, tmp_path: Path) -> None:
    delivery = delivery_to(faulty_server, tmp_path)
    delivery.start()
    fill(delivery, 5)
    delivery.end()
    assert delivery.wait(lambda _waiting: None) == DeliveryReport(5, 0, 0, "", "")
    assert len(faulty_server.posts) == 5
    assert not list(tmp_path.iterdir())


def test_progress_counts_what_waits(faulty_server: FaultyServer, tmp_path: Path) -> None:
    faulty_server.answer = lambda _post: status(503)
    delivery = delivery_to(faulty_server, tmp_path, grace=0.2)
    delivery.start()
    fill(delivery, 3)
    delivery.end()
    seen: set[int] = set()
    outcome = delivery.wait(seen.add)
    assert seen == {3}
    assert outcome == DeliveryReport(0, 0, 3, "503 Whatever", "")
    assert delivery.path.exists()


def test_a_ctrl_c_ends_the_waiting_and_the_relay(
    faulty_server: FaultyServer, tmp_path: Path
) -> None:
    faulty_server.answer = lambda _post: status(503)
    delivery = delivery_to(faulty_server, tmp_path)
    delivery.start()
    fill(delivery, 3)
    delivery.end()

    def interrupt(_waiting: int) -> None:
        raise KeyboardInterrupt

    assert delivery.wait(interrupt) == DeliveryReport(0, 0, 3, "interrupted", "")
    assert is_free(delivery.outbox)


def test_a_relay_that_hangs_is_not_waited_for_without_end(
    faulty_server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_publish.delivery.process._STARTING", 0.3)
    config = DeliveryConfig(faulty_server.url, timeout=0.1, grace=0.1)
    delivery = RelayProcess(tmp_path, "run", config)
    delivery.start()
    lock = delivery.outbox.sender_lock
    eventually(lock.exists, "the relay to be there")
    (process,) = [int(path.name) for path in Path("/proc").glob("[0-9]*") if has_open(path, lock)]
    os.kill(process, signal.SIGSTOP)
    fill(delivery, 1)
    delivery.end()
    outcome = delivery.wait(lambda _waiting: None)
    assert (outcome.waiting, outcome.reason) == (1, "the relay hangs")
    assert delivery.path.exists()


def has_open(process: Path, file: Path) -> bool:
    """Tell whether a process has a file open."""
    try:
        return str(file) in [os.readlink(link) for link in (process / "fd").iterdir()]
    except OSError:
        return False


def test_a_relay_that_fails_says_why(
    faulty_server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in an environment from which requests was removed.
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "requests.py").write_text("raise ImportError('requests is broken here')")
    monkeypatch.setenv("PYTHONPATH", str(shadow))
    delivery = delivery_to(faulty_server, tmp_path)
    delivery.start()
    fill(delivery, 1)
    delivery.end()
    outcome = delivery.wait(lambda _waiting: None)
    assert outcome.waiting == 1
    assert outcome.reason == "the relay ended: ImportError: requests is broken here"
    assert {path.name for path in tmp_path.glob("run*")} == {"run.jsonl"}


def test_a_relay_heeds_nothing_of_how_the_tests_are_run(
    faulty_server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What lies in the current folder, and beside a conftest, is not imported.
    (tmp_path / "requests.py").write_text("raise ImportError('not that one')")
    monkeypatch.chdir(tmp_path)
    # An import path may be longer than a command line.
    folders = [f"/nowhere/{'x' * 100}/{number}" for number in range(3000)]
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path, *folders])
    # Warnings that are errors for the tests are none for the relay.
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    delivery = delivery_to(faulty_server, tmp_path)
    delivery.start()
    fill(delivery, 1)
    delivery.end()
    assert delivery.wait(lambda _waiting: None).sent == 1


def test_an_outbox_is_its_runs_before_the_relay_starts_and_after_it_died(
    faulty_server: FaultyServer, tmp_path: Path
) -> None:
    name = "20261123T010203Z-0a1b2c3d"
    delivery = RelayProcess(tmp_path, name, DeliveryConfig(faulty_server.url))
    fill(delivery, 2)
    arguments = ["send", str(tmp_path), "--to", faulty_server.url]
    command = [sys.executable, "-m", "pytest_publish", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, faulty_server.posts) == (1, [])
    assert "a process is still sending it" in done.stdout
    delivery.end()
    assert delivery.wait(lambda _waiting: None).waiting == 2
    assert cli.main(arguments) == 0
    assert len(faulty_server.posts) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("accepts", [True, False])
@pytest.mark.parametrize("obstacle", ["full disk", "outbox removed"])
def test_a_relay_learns_of_the_end_where_no_end_mark_can_be_written(
    faulty_server: FaultyServer, tmp_path: Path, obstacle: str, accepts: bool
) -> None:
    resource = pytest.importorskip("resource")
    if not accepts:
        faulty_server.answer = lambda _post: status(503)
    delivery = delivery_to(faulty_server, tmp_path, grace=30.0 if accepts else 0.1)
    delivery.start()
    fill(delivery, 5)
    eventually(lambda: faulty_server.posts, "the relay to have read them")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if obstacle == "full disk":
        resource.setrlimit(resource.RLIMIT_FSIZE, (delivery.path.stat().st_size, before[1]))
    else:
        delivery.path.unlink()
    try:
        delivery.end()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    outcome = delivery.wait(lambda _waiting: None)
    if accepts:
        assert outcome == DeliveryReport(5, 0, 0, "", "")
        assert len(faulty_server.posts) == 5
        assert not list(tmp_path.iterdir())
    else:
        assert outcome == DeliveryReport(0, 0, 5, "503 Whatever", "")


def test_a_relay_that_cant_learn_of_the_end_is_ended_once_all_is_sent(
    faulty_server: FaultyServer, tmp_path: Path
) -> None:
    delivery = delivery_to(faulty_server, tmp_path)
    delivery.start()
    fill(delivery, 2)
    eventually(lambda: len(faulty_server.posts) == 2)
    # As a test does that closes all files and empties its folder.
    (pipe,) = [fd for fd in map(int, os.listdir("/proc/self/fd")) if leads_to(fd, delivery)]
    os.close(pipe)
    delivery.path.unlink()
    delivery.end()
    assert delivery.wait(lambda _waiting: None) == DeliveryReport(2, 0, 0, "", "")


def leads_to(fd: int, delivery: RelayProcess) -> bool:
    """Tell whether it is the end of a pipe that is the relay's standard input."""
    relay = our_relay()
    try:
        ours, theirs = os.readlink(f"/proc/self/fd/{fd}"), os.readlink(relay / "fd/0")
    except OSError:
        return False
    return bool(ours == theirs)


def test_an_exit_status_that_is_lost_is_not_taken_for_success(
    faulty_server: FaultyServer, tmp_path: Path
) -> None:
    faulty_server.answer = lambda _post: status(503)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        delivery = delivery_to(faulty_server, tmp_path, grace=0.1)
        delivery.start()
        fill(delivery, 1)
        delivery.end()
        assert delivery.wait(lambda _waiting: None).waiting == 1
    finally:
        signal.signal(signal.SIGCHLD, before)
