"""An outbox's path, and another process that sends it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run-1.jsonl"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start another process that holds the outbox's lock."""
    code = (
        "import sys, pathlib; from pytest_publish.delivery.locks import sender_lock\n"
        "from pytest_publish.delivery.outbox import Outbox\n"
        "lock = sender_lock(Outbox(pathlib.Path(sys.argv[1])))\n"
        "assert lock is not None\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that each example of a property writes anew."""
    return tmp_path_factory.mktemp("outbox") / "scratch.jsonl"


@pytest.fixture
def others() -> list[bytes]:
    """Return the beginnings of files that are no outboxes."""
    return [
        b"[project]\nname = 'mine'\n",
        b'{"type":"result","session_id":"ffffffff","seq":0}\n',
        b'{"seq":0,"session_id":"0a1b2c3d4e5f"}\n',
        b'{"type":"pytest-publish outbox","url":\n',
        b"\xff\xfe\n",
    ]
