from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pytest_publish.delivery.cursor import Cursor
from pytest_publish.delivery.cursor import CursorFile
from pytest_publish.delivery.leftovers import found_in
from pytest_publish.delivery.leftovers import refused_in
from pytest_publish.delivery.leftovers import waiting_in
from pytest_publish.delivery.outbox import Outbox
from pytest_publish.delivery.outbox import OutboxWriter


NAME = "20261123T010203Z-0a1b2c3d"


def test_only_outboxes_are_found_in_a_folder(tmp_path: Path, others: list[bytes]) -> None:
    path = tmp_path / f"{NAME}.jsonl"
    OutboxWriter(Outbox(path))
    OutboxWriter(Outbox(tmp_path / f"{NAME}.refused.jsonl"))
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "20261123T010203Z-0a1b2c3e.jsonl")
    (tmp_path / "gone.jsonl").symlink_to("nowhere")
    for number, content in enumerate(others):
        (tmp_path / f"data{number}.jsonl").write_bytes(content)
    assert found_in(tmp_path) == [Outbox(path)]
    assert waiting_in(tmp_path) == [Outbox(path)]


def test_refused_results_wait_once_no_process_adds_to_them(
    path: Path, holder: subprocess.Popen[bytes]
) -> None:
    other = path.with_name("another.jsonl")
    for each in (path, other):
        OutboxWriter(Outbox(each))
        Outbox(each).set_aside(b"{}")
    assert refused_in(path.parent) == [Outbox(other).refused]
    holder.kill()
    holder.wait()
    assert refused_in(path.parent) == [Outbox(other).refused, Outbox(path).refused]


def test_an_outbox_in_which_nothing_waits_is_removed_with_what_stands_beside(path: Path) -> None:
    code = (
        "import os, sys, pathlib\n"
        "from pytest_publish.delivery.locks import WriterLock\n"
        "from pytest_publish.delivery.outbox import Outbox, OutboxWriter\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "lock = WriterLock(Outbox(path))\n"
        "writer = OutboxWriter(Outbox(path))\n"
        "for body in sys.argv[2:]: writer.append(body.encode())\n"
        "os._exit(0)"
    )

    def leave(*bodies: str) -> None:
        subprocess.run([sys.executable, "-c", code, str(path), *bodies], check=True)

    leave()
    assert waiting_in(path.parent) == []
    assert list(path.parent.iterdir()) == []
    leave("{}")
    assert waiting_in(path.parent) == [Outbox(path)]
    file = CursorFile(Outbox(path))
    file.write(Cursor(offset=path.stat().st_size, sent=1))
    file.close()
    assert waiting_in(path.parent) == []
    assert list(path.parent.iterdir()) == []


def test_a_file_that_no_run_has_made_is_not_removed(path: Path) -> None:
    path.touch()
    assert waiting_in(path.parent) == []
    assert list(path.parent.iterdir()) == [path]


NAMES = st.sampled_from(["data.jsonl", "data.refused.jsonl", f"{NAME}.jsonl", f"{NAME}-2.jsonl"])


@given(NAMES, st.binary() | st.binary().map(b'{"type":"pytest-publish outbox",'.__add__))
def test_a_file_of_others_is_neither_an_outbox_nor_touched(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        assert waiting_in(path.parent) == ([Outbox(path)] if name[0] == "2" and not content else [])
        assert path.read_bytes() == content
