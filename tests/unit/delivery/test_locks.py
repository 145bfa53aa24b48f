from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_publish.delivery.leftovers import waiting_in
from pytest_publish.delivery.locks import is_free
from pytest_publish.delivery.locks import WriterLock
from pytest_publish.delivery.outbox import Outbox
from pytest_publish.delivery.outbox import OutboxWriter
from support import eventually


def test_an_outbox_without_a_lock_is_free_and_stays_without(path: Path) -> None:
    OutboxWriter(Outbox(path))
    assert is_free(Outbox(path))
    assert list(path.parent.iterdir()) == [path]


def test_an_outbox_is_free_only_while_no_process_holds_its_lock(
    path: Path, holder: subprocess.Popen[bytes]
) -> None:
    OutboxWriter(Outbox(path))
    other = path.with_name("another.jsonl")
    OutboxWriter(Outbox(other))
    assert not is_free(Outbox(path))
    assert waiting_in(path.parent) == [Outbox(other)]
    holder.kill()
    holder.wait()
    assert is_free(Outbox(path))
    # What was refused for good waits for a person, and not to be sent.
    Outbox(path).set_aside(b"{}")
    assert waiting_in(path.parent) == [Outbox(other), Outbox(path)]


def test_asking_whether_an_outbox_is_free_does_not_take_its_lock(
    path: Path, holder: subprocess.Popen[bytes]
) -> None:
    OutboxWriter(Outbox(path))
    holder.kill()
    holder.wait()
    assert is_free(Outbox(path))
    code = (
        "import sys, pathlib; from pytest_publish.delivery.locks import is_free\n"
        "from pytest_publish.delivery.outbox import Outbox\n"
        "print(is_free(Outbox(pathlib.Path(sys.argv[1]))))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True)
    assert run.stdout == b"True\n"


def test_a_lock_that_cant_be_asked_for_counts_as_held(path: Path) -> None:
    OutboxWriter(Outbox(path))
    path.with_suffix(".lock").mkdir()
    assert not is_free(Outbox(path))


def test_an_outbox_that_is_being_written_is_not_free(path: Path) -> None:
    code = (
        "import sys, pathlib; from pytest_publish.delivery.leftovers import waiting_in\n"
        "print(waiting_in(pathlib.Path(sys.argv[1])) != [])"
    )
    command = [sys.executable, "-c", code, str(path.parent)]
    writer_lock = WriterLock(Outbox(path))
    OutboxWriter(Outbox(path))
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"False\n"
    writer_lock.release()
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"True\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("is_reused", [True, False])
def test_a_writer_lock_closes_no_file_of_others(path: Path, is_reused: bool) -> None:
    writer_lock = WriterLock(Outbox(path))
    # As a test does that closes all files; the next file gets the same number.
    found = fd_of(path.with_suffix(".run"))
    os.close(found)
    other = os.open(path.parent, os.O_RDONLY) if is_reused else None
    writer_lock.release()
    if other is not None:
        assert other == found
        os.close(other)
    assert list(path.parent.iterdir()) == []


def free_for_others(path: Path) -> bool:
    code = (
        "import sys, pathlib; from pytest_publish.delivery.locks import is_free\n"
        "from pytest_publish.delivery.outbox import Outbox\n"
        "print(is_free(Outbox(pathlib.Path(sys.argv[1]))))"
    )
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, capture_output=True, check=True).stdout == b"True\n"


def test_what_else_happens_in_this_process_releases_no_writer_lock(path: Path) -> None:
    writer_lock = WriterLock(Outbox(path))
    OutboxWriter(Outbox(path)).append(b"{}")
    # As a session does that runs within this one, and as a test that copies the folder.
    assert not is_free(Outbox(path))
    assert waiting_in(path.parent) == []
    shutil.copytree(path.parent, path.parent.with_name("copy"))
    assert not free_for_others(path)
    writer_lock.release()
    assert is_free(Outbox(path))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_writer_lock_is_not_held_by_a_process_that_a_test_leaves_behind(path: Path) -> None:
    writer_lock = WriterLock(Outbox(path))
    OutboxWriter(Outbox(path)).append(b"{}")
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.close(theirs)
        os.read(ours, 1)
        os._exit(0)
    try:
        os.close(fd_of(path.with_suffix(".run")))  # as the system does when this process dies
        eventually(lambda: is_free(Outbox(path)))
        writer_lock.release()
    finally:
        os.close(theirs)
        os.close(ours)
        os.waitpid(child, 0)


def fd_of(path: Path) -> int:
    return next(fd for fd in range(3, 1000) if is_of(fd, path))


def is_of(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False
