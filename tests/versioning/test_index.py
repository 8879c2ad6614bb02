"""The index of files: a cache that may be lost, and never lies."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from mainspring.store.workspace import Workspace
from mainspring.versioning import contents, data
from mainspring.versioning.index import NOTHING, Index, Remembered

if TYPE_CHECKING:
    from pathlib import Path

REMEMBERED = Remembered({"a\nb": (1, 2, 3), "ü": (4, -5, 6)}, {"a\nb": "0" * 32, "ü": "f" * 32}, "1" * 32 + ".dir")


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    (workspace.root / "mainspring.yaml").write_text("project: x\ndatasets: {rows: {path: rows}}\n")
    folder = workspace.root / "rows"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_text(name)
    past = time.time() - 60
    for name in "ab":
        os.utime(folder / name, (past, past))
    return folder


def test_what_is_kept_is_loaded(tmp_path: Path) -> None:
    Index(tmp_path, "key").keep(REMEMBERED)
    assert Index(tmp_path, "key").load() == REMEMBERED
    assert Index(tmp_path, "other").load() == NOTHING
    Index(tmp_path, "key").keep(NOTHING)
    assert Index(tmp_path, "key").load() == NOTHING


@pytest.mark.parametrize("cut", [0, 3, 4, 20, -1])
def test_a_damaged_index_is_as_none(tmp_path: Path, cut: int) -> None:
    Index(tmp_path, "key").keep(REMEMBERED)
    [path] = (tmp_path / "index").iterdir()
    path.write_bytes(path.read_bytes()[:cut])
    assert Index(tmp_path, "key").load() == NOTHING


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    Index(tmp_path, "key").keep(REMEMBERED)
    [path] = (tmp_path / "index").iterdir()
    held = bytearray(path.read_bytes())
    for place in range(len(held)):
        held[place] ^= 1
        path.write_bytes(held)
        assert Index(tmp_path, "key").load() == NOTHING
        held[place] ^= 1


def test_a_folder_where_nothing_can_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file where the folder should be")
    Index(tmp_path, "key").keep(REMEMBERED)
    assert Index(tmp_path, "key").load() == NOTHING


def test_what_was_too_young_to_be_remembered_does_not_stand_for_the_whole(workspace: Workspace, folder: Path) -> None:
    first = contents.read_contents(workspace, folder)
    (folder / "c").unlink()
    rest = contents.read_contents(workspace, folder)
    assert rest.md5 != first.md5
    assert set(rest.files) == {"a", "b"}
    (folder / "c").write_text("c")
    assert contents.read_contents(workspace, folder) == first


def test_losing_the_index_loses_nothing(workspace: Workspace, folder: Path) -> None:
    version = data.add(workspace, "rows")
    for path in (workspace.state / "index").iterdir():
        path.write_bytes(b"not an index")
    assert data.add(workspace, "rows") == version
    assert [found.state for found in data.status(workspace)] == ["up to date"]


@pytest.mark.parametrize("links", ["hardlink", "copy", "reflink, copy"])
def test_what_was_checked_out_is_known_at_once_and_a_change_at_once_too(
    workspace: Workspace, folder: Path, links: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"project: x\nstate: {{links: [{links}]}}\ndatasets: {{rows: {{path: rows}}}}\n"
    (workspace.root / "mainspring.yaml").write_text(text)
    workspace = Workspace(workspace.root)
    version = data.add(workspace, "rows")
    for path in folder.iterdir():
        path.unlink()
    data.checkout(workspace, "rows", version.number)
    with monkeypatch.context() as patched:
        patched.setattr(contents, "md5_file", lambda _path: pytest.fail("it was read again"))
        assert [found.state for found in data.status(workspace)] == ["up to date"]
    changed = folder / "b"
    changed.chmod(0o644)
    changed.write_text("B")  # the same size, the same moment
    [found] = data.status(workspace)
    assert (found.state, found.modified) == ("modified", 1)
    if links == "hardlink":  # the object was the same file: it is never served again
        damages = data.verify(workspace)
        assert [damage.problem for damage in damages] and "damaged" in damages[0].problem
