"""Folders that are very deep, names that are very long, links in a circle, and files that go while they are read."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import Conflict, InvalidData, NotFound, StorageError, UsageError
from mainspring.store import garbage
from mainspring.versioning import data
from mainspring.versioning.named import named
from tests.versioning.folders import tree, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mainspring.store.workspace import Workspace

DEEP = 1300


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    here = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)


def remove(folder: Path) -> None:
    """Remove a folder, into which Python 3.11 would not reach."""
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.fixture
def removed(workspace: Workspace) -> Iterator[None]:
    """Leave nothing behind that pytest could not remove."""
    yield
    remove(workspace.root)


def dig(folder: Path, name: str, depth: int) -> None:
    """Make a file so many folders below a folder."""
    folder.mkdir()
    with inside(folder):
        for _ in range(depth):
            Path(name).mkdir()
            os.chdir(name)
        Path("file").write_text("deep")


@pytest.mark.usefixtures("removed")
def test_folders_may_be_deeper_than_python_may_call(workspace: Workspace) -> None:
    dig(workspace.root / "data", "a", DEEP)
    version = data.add(workspace, workspace.root / "data")
    assert version.files == 1
    remove(workspace.root / "data")
    data.checkout(workspace, "data")
    with inside(workspace.root / "data"):
        for _ in range(DEEP):
            os.chdir("a")
        assert Path("file").read_text() == "deep"
    assert [found.state for found in data.status(workspace)] == ["up to date"]
    write(workspace, {"data/other": "1"})
    assert [found.added for found in data.status(workspace)] == [1]
    data.checkout(workspace, "data", force=True)
    assert [found.state for found in data.status(workspace)] == ["up to date"]


@pytest.mark.usefixtures("removed")
def test_deep_folders_beside_datasets_are_nobodys_concern(workspace: Workspace) -> None:
    write(workspace, {"data/file": "1"})
    dig(workspace.root / "other", "a", DEEP)
    version = data.add(workspace, workspace.root / "data")
    assert [found.state for found in data.status(workspace)] == ["up to date"]
    assert named(workspace.root) == {version.md5}
    assert garbage.collect(workspace.database, workspace.objects, others=named(workspace.root)).objects == 0


@pytest.mark.usefixtures("removed")
def test_paths_longer_than_the_system_takes_are_an_error_that_says_so(workspace: Workspace) -> None:
    dig(workspace.root / "data", "x" * 200, 25)
    with pytest.raises(StorageError, match="file name too long") as caught:
        data.add(workspace, workspace.root / "data")
    assert "fewer folders" in str(caught.value.hint)


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_names_are_as_long_as_their_pointers_may_be(workspace: Workspace, letter: str) -> None:
    longest = letter * (251 // len(letter.encode()))
    write(workspace, {longest: "1"})
    data.add(workspace, workspace.root / longest)
    (workspace.root / longest).unlink()
    data.checkout(workspace, workspace.root / longest)
    assert (workspace.root / longest).read_text() == "1"
    too_long = letter * (255 // len(letter.encode()))
    write(workspace, {too_long: "1", f"data/{too_long}": "1"})
    with pytest.raises(UsageError, match="is too long"):
        data.add(workspace, workspace.root / too_long)
    assert data.add(workspace, workspace.root / "data").files == 1


def test_links_in_a_circle_are_named(workspace: Workspace) -> None:
    write(workspace, {"data/file": "1"})
    (workspace.root / "data" / "one").symlink_to("two")
    (workspace.root / "data" / "two").symlink_to("one")
    with pytest.raises(InvalidData, match=r"data/(one|two) is no regular file"):
        data.add(workspace, workspace.root / "data")


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "0" / "599").unlink(),
        lambda folder: shutil.rmtree(folder / "0"),
        lambda folder: shutil.move(folder, folder.with_name("elsewhere")),
        lambda folder: (folder / "0" / "599").write_text("longer than before"),
        lambda folder: (folder / "0" / "1").write_text("longer than before"),
        lambda folder: (folder / "0" / "more").write_text("new"),
    ],
    ids=["file gone", "folder gone", "all gone", "written before it is read", "written after it was read", "new"],
)
def test_what_changes_while_it_is_added_is_not_recorded(workspace: Workspace, harm: Callable[[Path], None]) -> None:
    folder = workspace.root / "data"
    write(workspace, {f"data/{number // 600}/{number:03}": str(number) for number in range(620)})
    harms = [harm]

    def tick(_done: int, _total: int) -> None:
        if harms:
            harms.pop()(folder)

    with pytest.raises((Conflict, NotFound)):
        data.add(workspace, folder, tick=tick)
    assert not harms
    assert data.log(workspace, "data") == []
    assert not (workspace.root / "data.dvc").exists()
    if folder.exists() and (folder / "0").exists():
        held = tree(folder)
        data.add(workspace, folder)
        folder.rename(workspace.root / "before")
        data.checkout(workspace, "data")
        assert tree(folder) == held


def test_a_pointer_that_names_no_possible_path_stops_nobody_else(workspace: Workspace) -> None:
    write(workspace, {"rows": "1", "odd.dvc": f'outs:\n- md5: {"0" * 32}\n  hash: md5\n  path: "a\\0b"\n'})
    data.add(workspace, workspace.root / "rows")
    assert [(found.dataset, found.state) for found in data.status(workspace)] == [
        ("odd", "damaged"),
        ("rows", "up to date"),
    ]
