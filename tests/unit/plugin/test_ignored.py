from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_publish.plugin.ignored import hide_from_git
from pytest_publish.plugin.ignored import Ignored
from pytest_publish.plugin.ignored import ignored_folders
from pytest_publish.plugin.ignored import remove_if_empty


def ignored_in(rootdir: Path, *folders: Path) -> Ignored:
    return Ignored(rootdir, ignored_folders(folders, rootdir))


def test_a_folder_that_is_ours_is_ignored_whole(rootdir: Path) -> None:
    missing, empty = rootdir / "missing", rootdir / "empty"
    empty.mkdir()
    ours = ignored_in(rootdir, missing, empty)
    assert ours.pytest_ignore_collect(missing) is True
    assert ours.pytest_ignore_collect(empty) is True
    assert ours.pytest_ignore_collect(rootdir / "test_it.py") is None
    assert ours.pytest_ignore_collect(rootdir / "missing_too") is None


def test_a_folder_with_other_things_is_ignored_where_we_write(rootdir: Path) -> None:
    folder = rootdir / "tests"
    folder.mkdir()
    (folder / "test_it.py").touch()
    ours = ignored_in(rootdir, folder)
    for name in ("0.pass", "12.fail", ".3.skip.tmp", "20261124T154946Z-463707d4-1.cursor"):
        assert ours.has(folder / "deep" / name)
        assert not ours.has(rootdir / name)
    for name in ("test_it.py", "0.passed", "x0.pass", "count", "notes.jsonl"):
        assert not ours.has(folder / name)
    assert not ours.has(folder)


def test_a_folder_is_ignored_by_its_mark_when_it_holds_results(rootdir: Path) -> None:
    folder = rootdir / "tree"
    folder.mkdir()
    hide_from_git(folder, rootdir)
    assert (folder / ".gitignore").read_text() == "# Created by pytest-publish automatically.\n*\n"
    (folder / "test_it").mkdir()
    assert ignored_in(rootdir, folder).has(folder)
    (folder / ".gitignore").unlink()
    os.mkfifo(folder / ".gitignore")  # which is not waited for
    assert not ignored_in(rootdir, folder).has(folder)


@pytest.mark.parametrize("path", [".", "..", "sub/.."])
def test_the_project_itself_is_never_ours(rootdir: Path, path: str) -> None:
    folder = rootdir / path
    hide_from_git(folder, rootdir)
    assert not ignored_in(rootdir, folder).has(rootdir)
    assert not list(rootdir.iterdir())


def test_another_machine_ignores_the_copy_of_a_folder_below_the_rootdir(
    rootdir: Path, tmp_path: Path
) -> None:
    folders = ignored_folders([rootdir / "tree", tmp_path / "else"], rootdir)
    elsewhere = Ignored(Path("/elsewhere"), folders)
    assert elsewhere.has(Path("/elsewhere/tree"))
    assert elsewhere.has(tmp_path / "else")
    assert not elsewhere.has(Path("/elsewhere/else"))


def test_a_link_and_a_roundabout_way_name_the_same_folder(rootdir: Path) -> None:
    real = rootdir / "real"
    (rootdir / "link").symlink_to(real)
    ours = ignored_in(rootdir, rootdir / "sub/../link")
    assert ours.has(real)
    assert ours.has(rootdir / "link")


@pytest.mark.parametrize("content", ["*\n", "# Created by pytest-publish automatically.\n*\nmine"])
def test_a_gitignore_that_is_not_ours_is_neither_changed_nor_removed(
    rootdir: Path, content: str
) -> None:
    folder = rootdir / "kept"
    folder.mkdir()
    (folder / ".gitignore").write_text(content)
    hide_from_git(folder, rootdir)
    remove_if_empty(folder)
    assert (folder / ".gitignore").read_text() == content


def test_a_folder_that_holds_only_our_mark_is_removed(rootdir: Path) -> None:
    folder = rootdir / "kept"
    folder.mkdir()
    hide_from_git(folder, rootdir)
    (folder / "a.jsonl").touch()
    remove_if_empty(folder)
    assert (folder / ".gitignore").is_file()
    (folder / "a.jsonl").unlink()
    remove_if_empty(folder)
    assert not folder.exists()
