"""Checkouts lose nothing: what they overwrite or remove is safe in the store, and what is in their way stops them beforehand."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from folders import tree, write

from mainspring.base.errors import Refused, StorageError
from mainspring.store.workspace import Workspace
from mainspring.versioning import data, pull
from mainspring.versioning.wanted import Wanted


def damage(workspace: Workspace, text: str) -> Path:
    """Write into the object of a text."""
    place = workspace.objects.path(hashlib.md5(text.encode()).hexdigest())
    place.chmod(0o644)
    place.write_text(text[:-1] + "!")
    return place


def test_the_last_good_copy_of_a_damaged_object_heals_it(workspace: Workspace) -> None:
    for text in ("one", "precious"):
        write(workspace, {"data/f.txt": text})
        data.add(workspace, workspace.root / "data/f.txt")
    damage(workspace, "precious")
    data.checkout(workspace, "f", 1)
    assert (workspace.root / "data/f.txt").read_text() == "one"
    data.checkout(workspace, "f", 2)
    assert (workspace.root / "data/f.txt").read_text() == "precious"


def test_a_file_that_leaves_a_folder_heals_its_damaged_object(workspace: Workspace) -> None:
    write(workspace, {"d/a": "1"})
    data.add(workspace, workspace.root / "d")
    write(workspace, {"d/b": "precious"})
    data.add(workspace, "d")
    damage(workspace, "precious")
    data.checkout(workspace, "d", 1, force=True)  # what it lets go is what is in no version
    data.checkout(workspace, "d", 2)
    assert tree(workspace.root / "d") == {"a": "1", "b": "precious"}


def test_what_heals_nothing_is_not_overwritten(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("one", "two"):
        write(workspace, {"f": text})
        data.add(workspace, workspace.root / "f")
    damage(workspace, "two")

    def full(*_arguments: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(workspace.objects, "put_file", full)
    with pytest.raises(StorageError):
        data.checkout(workspace, "f", 1)
    assert (workspace.root / "f").read_text() == "two"


def test_a_part_that_is_pulled_heals_what_it_overwrites(workspace: Workspace) -> None:
    write(workspace, {"d/a": "old", "d/b": "2"})
    old = data.add(workspace, workspace.root / "d")
    write(workspace, {"d/a": "precious"})
    data.add(workspace, "d")
    damage(workspace, "precious")
    pull._put_on_disk(workspace, Wanted(md5=old.md5, what="d", path=workspace.root / "d", part="a"), force=False)
    assert tree(workspace.root / "d") == {"a": "old", "b": "2"}
    data.checkout(workspace, "d", 2)
    assert tree(workspace.root / "d") == {"a": "precious", "b": "2"}


@pytest.mark.parametrize("age", [0, 10])
def test_adding_what_did_not_change_heals(workspace: Workspace, age: int) -> None:
    write(workspace, {"d/a": "precious", "d/b": "2"})
    for path in (workspace.root / "d").iterdir():
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    version = data.add(workspace, workspace.root / "d")
    damage(workspace, "precious")
    assert data.add(workspace, "d") == version
    assert data.verify(workspace) == []


@pytest.mark.parametrize("part", ["", "y"])
def test_what_is_hidden_is_not_overwritten_unseen(workspace: Workspace, part: str) -> None:
    write(workspace, {"data/y": "first", "data/z": "2"})
    version = data.add(workspace, workspace.root / "data")
    write(workspace, {".dvcignore": "data/y\n", "data/y": "never stored"})
    wanted = Wanted(md5=version.md5, what="data", path=workspace.root / "data", part=part)
    for attempt in (
        lambda: data.checkout(workspace, "data"),
        lambda: pull._put_on_disk(workspace, wanted, force=False),
    ):
        with pytest.raises(Refused, match="y would be lost"):
            attempt()
    assert tree(workspace.root / "data") == {"y": "never stored", "z": "2"}
    pull._put_on_disk(workspace, wanted, force=True)
    assert tree(workspace.root / "data") == {"y": "first", "z": "2"}


def test_hidden_files_alone_are_no_hindrance(workspace: Workspace) -> None:
    write(workspace, {"d/a": "1"})
    data.add(workspace, workspace.root / "d")
    (workspace.root / "d/a").unlink()
    write(workspace, {".dvcignore": "*.tmp\n", "d/x.tmp": "t"})
    data.checkout(workspace, "d")
    assert tree(workspace.root / "d") == {"a": "1", "x.tmp": "t"}


@pytest.fixture
def folded(workspace: Workspace) -> Workspace:
    """A dataset ``x`` that is a folder in version 1 and a file in version 2; version 1 is on disk."""
    write(workspace, {"data/x/a": "1", "data/x/sub/b": "2"})
    data.add(workspace, workspace.root / "data/x")
    shutil.rmtree(workspace.root / "data/x")
    write(workspace, {"data/x": "file"})
    data.add(workspace, "x")
    data.checkout(workspace, "x", 1)
    return workspace


@pytest.mark.parametrize("name", ["data/x/.git/q", "data/x/note.tmp", "data/x/sub/note.tmp"])
def test_what_is_in_the_way_of_a_file_stops_a_checkout_before_it_begins(folded: Workspace, name: str) -> None:
    write(folded, {".dvcignore": "*.tmp\n", name: "mine"})
    before = tree(folded.root / "data")
    for force in (False, True):
        with pytest.raises(Refused, match=f"{name} is in the way") as refused:
            data.checkout(folded, "x", 2, force=force)
    assert "move it elsewhere" in str(refused.value.hint)
    assert tree(folded.root / "data") == before
    (folded.root / name).unlink()
    data.checkout(folded, "x", 2)
    assert (folded.root / "data/x").read_text() == "file"


def test_what_is_in_the_way_of_a_folder_stops_a_checkout_before_it_begins(workspace: Workspace) -> None:
    write(workspace, {"d/a": "1", "d/sub/b": "2", "d/logs/c": "3"})
    data.add(workspace, workspace.root / "d")
    shutil.rmtree(workspace.root / "d")
    write(workspace, {"d/a": "1", "d/new": "4"})
    data.add(workspace, "d")
    elsewhere = workspace.root / "elsewhere"
    elsewhere.mkdir()
    write(workspace, {".dvcignore": "sub\nlogs\n", "d/sub": "mine"})
    (workspace.root / "d/logs").symlink_to(elsewhere)
    with pytest.raises(Refused, match=r"d/logs, .*d/sub is in the way|d/sub, .*d/logs is in the way"):
        data.checkout(workspace, "d", 1)
    assert tree(workspace.root / "d") == {"a": "1", "new": "4", "sub": "mine"}
    assert not any(elsewhere.iterdir())


def test_a_file_where_the_folder_of_a_dataset_was(workspace: Workspace) -> None:
    write(workspace, {"data/x": "1"})
    data.add(workspace, workspace.root / "data/x")
    shutil.rmtree(workspace.root / "data")
    write(workspace, {"data": "mine"})
    with pytest.raises(Refused, match="data is in the way"):
        data.checkout(workspace, "x")
    assert (workspace.root / "data").read_text() == "mine"


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_hidden_link_is_not_replaced(workspace: Workspace, target: str) -> None:
    write(workspace, {"d/a": "1", "d/b": "2", "elsewhere/x": "x"})
    data.add(workspace, workspace.root / "d")
    (workspace.root / "d/a").unlink()
    (workspace.root / "d/a").symlink_to(workspace.root / target)
    write(workspace, {".dvcignore": "d/a\n"})
    with pytest.raises(Refused, match="d/a is in the way"):
        data.checkout(workspace, "d")
    assert (workspace.root / "d/a").is_symlink()


def test_a_link_to_what_is_gone_is_replaced_by_the_dataset(workspace: Workspace) -> None:
    write(workspace, {"f": "1"})
    data.add(workspace, workspace.root / "f")
    (workspace.root / "f").unlink()
    (workspace.root / "f").symlink_to(workspace.root / "nowhere")
    data.checkout(workspace, "f")
    assert (workspace.root / "f").read_text() == "1"
