from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_publish._os import Descriptor
from pytest_publish._os import realos


def test_a_descriptor_whose_number_is_another_files_is_left_alone(tmp_path: Path) -> None:
    number = os.open(tmp_path / "ours", os.O_WRONLY | os.O_CREAT)
    ours = Descriptor(number)
    ours.write(b"ours")
    os.close(number)  # as a test does that closes all
    theirs = os.open(tmp_path / "theirs", os.O_WRONLY | os.O_CREAT)
    assert theirs == number
    with pytest.raises(OSError, match="a test has closed it"):
        ours.write(b"more")
    ours.close()
    ours.close()
    assert os.write(theirs, b"theirs") == 6
    os.close(theirs)
    assert (tmp_path / "ours").read_bytes() == b"ours"
    assert (tmp_path / "theirs").read_bytes() == b"theirs"


def test_folders_are_made_with_those_above_and_only_once(tmp_path: Path) -> None:
    path = str(tmp_path / "a" / "b" / "c")
    assert realos.makedirs(path)
    assert not realos.makedirs(path)


def test_what_the_system_writes_in_parts_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = realos.write
    monkeypatch.setattr(realos, "write", lambda fd, data: write(fd, data[:3]))
    realos.create_file(str(tmp_path / "file"), b"0123456789")
    assert realos.read_file(str(tmp_path / "file")) == b"0123456789"
