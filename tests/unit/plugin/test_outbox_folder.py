from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from pytest_publish.plugin import outbox_folder
from pytest_publish.plugin.outbox_folder import default_outbox_folder


class FakeConfig:
    """Stands in for pytest's Config: its cache, and whether there is one."""

    def __init__(self, folder: Path) -> None:
        self.has_cache = True
        self.pluginmanager = SimpleNamespace(hasplugin=lambda _name: self.has_cache)
        self.cache = pytest.Cache(folder / ".cache", cast("pytest.Config", self), _ispytest=True)


def folder_for(config: FakeConfig) -> Path | None:
    return default_outbox_folder(cast("pytest.Config", config))


@pytest.fixture
def config(rootdir: Path) -> FakeConfig:
    return FakeConfig(rootdir)


@pytest.fixture
def without_cache(config: FakeConfig) -> FakeConfig:
    config.has_cache = False
    return config


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a folder of temporary files that is ours."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


def test_the_outbox_is_in_the_cache_where_clearing_it_does_not_reach(
    config: FakeConfig, rootdir: Path
) -> None:
    outbox = folder_for(config)
    assert outbox == rootdir / ".cache" / "publish"
    assert (rootdir / ".cache" / ".gitignore").is_file()
    assert not (rootdir / ".cache" / "d").exists()
    (outbox / "left.jsonl").write_text("{}")
    pytest.Cache.clear_cache(rootdir / ".cache", _ispytest=True)
    assert (outbox / "left.jsonl").is_file()
    assert folder_for(config) == outbox


def test_the_outbox_is_in_the_cache_also_if_other_plugins_keep_folders_there(
    config: FakeConfig, rootdir: Path
) -> None:
    theirs = [config.cache.mkdir("other") / "file", config.cache.mkdir("publish") / "file"]
    for path in theirs:
        path.write_text("theirs")
    assert folder_for(config) == rootdir / ".cache" / "publish"
    assert [path.read_text() for path in theirs] == ["theirs", "theirs"]


def test_without_a_cache_the_outbox_is_in_a_temporary_folder_of_the_user(
    without_cache: FakeConfig, rootdir: Path, temporary: Path
) -> None:
    outbox = folder_for(without_cache)
    assert outbox is not None
    assert outbox.parent == temporary
    assert outbox.is_dir()
    assert list(rootdir.iterdir()) == []
    assert folder_for(without_cache) == outbox


def test_a_temporary_folder_that_others_can_look_into_is_not_used(
    without_cache: FakeConfig, temporary: Path
) -> None:
    first = folder_for(without_cache)
    assert first is not None
    assert first.stat().st_mode & 0o077 == 0
    first.chmod(0o755)
    second = folder_for(without_cache)
    assert second is not None
    assert second != first
    assert second.stat().st_mode & 0o077 == 0
    second.rmdir()
    first.rmdir()
    first.symlink_to(temporary)  # laid out by another user
    assert folder_for(without_cache) != first


@pytest.mark.parametrize("taken", [".cache", ".cache/publish"])
def test_a_cache_that_cant_be_written_is_no_reason_to_stop(
    config: FakeConfig, rootdir: Path, temporary: Path, taken: str
) -> None:
    (rootdir / taken).parent.mkdir(exist_ok=True)
    (rootdir / taken).write_text("a file")
    outbox = folder_for(config)
    assert outbox is not None
    assert outbox.parent == temporary


def test_a_user_without_a_name_has_a_temporary_folder_too(
    without_cache: FakeConfig, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    # As in a container that runs under a number that no user has.
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7, raising=False)
    assert folder_for(without_cache) == temporary / "pytest-publish"


def test_without_a_temporary_folder_the_outbox_is_in_memory(
    without_cache: FakeConfig, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(outbox_folder, "_IN_MEMORY", memory)
    temporary.rmdir()
    outbox = folder_for(without_cache)
    assert outbox is not None
    assert outbox.parent == memory
    assert outbox.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("is_named", [True, False])
def test_where_nothing_can_be_written_there_is_none(
    config: FakeConfig,
    rootdir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_named: bool,
) -> None:
    gone = tmp_path / "gone"
    monkeypatch.setattr(outbox_folder, "_IN_MEMORY", gone)
    if is_named:
        monkeypatch.setattr(tempfile, "tempdir", str(gone))
    else:  # tempfile looks at all the folders that it knows, and finds that none will do
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(gone)])
    (rootdir / ".cache").write_text("a file")
    assert folder_for(config) is None
