"""Checkouts on other disks, of objects that rotted, and while somebody works with the same files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.base.errors import Conflict, Corrupted, StorageError
from mainspring.base.hashing import md5_bytes
from mainspring.store.links import Linker
from mainspring.versioning import data
from tests.disks import fill, small_disk
from tests.versioning.folders import tree, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mainspring.store.links import Link
    from mainspring.store.workspace import Workspace

OLD = {"a": "old a", "b": "old b", "sub/c": "old c", "gone": "only in the old one"}
NEW = {"a": "new", "b": "newer", "sub/c": "newest", "sub/d": "x" * 100}


@pytest.fixture
def scene(workspace: Workspace) -> Workspace:
    """A folder in two versions, of which the second is on disk."""
    write(workspace, {f"data/{name}": text for name, text in OLD.items()})
    data.add(workspace, workspace.root / "data")
    (workspace.root / "data" / "gone").unlink()
    write(workspace, {f"data/{name}": text for name, text in NEW.items()})
    data.add(workspace, workspace.root / "data")
    return workspace


def rot(workspace: Workspace, text: str) -> None:
    """Turn a bit of an object without moving its time, as disks do."""
    place = workspace.objects.path(md5_bytes(text.encode()))
    status = place.stat()
    place.chmod(0o644)
    held = bytearray(place.read_bytes())
    held[-1] ^= 1
    place.write_bytes(held)
    place.chmod(0o444)
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_bit_that_turned_without_a_write_is_not_copied_out(scene: Workspace) -> None:
    rot(scene, OLD["sub/c"])
    with pytest.raises(Corrupted, match="is damaged; it was moved to"):
        data.checkout(scene, "data", 1, linker=Linker(["copy"]))
    assert tree(scene.root / "data") == NEW
    assert [found.state for found in data.status(scene)] == ["up to date"]


def test_a_disk_without_room_is_left_as_it_was(workspace: Workspace) -> None:
    with small_disk(workspace.root / "data", "1m") as disk:
        for size in (200_000, 100_000):
            for name in "ab":
                (disk / name).write_bytes(name.encode() * size)
            data.add(workspace, disk)
        (disk / ".git").mkdir()  # which is never data
        filler = fill(disk / ".git")
        with pytest.raises(StorageError, match="no space left"):
            data.checkout(workspace, "data", 1)
        sizes = {path.relative_to(disk).as_posix(): path.stat().st_size for path in disk.rglob("*") if path.is_file()}
        assert sizes == {"a": 100_000, "b": 100_000, ".git/filler": filler.stat().st_size}
        assert {path.name for path in disk.iterdir()} == {"a", "b", ".git"}
        filler.unlink()
        data.checkout(workspace, "data", 1)
        assert {path.name: path.stat().st_size for path in disk.glob("?")} == {"a": 200_000, "b": 200_000}
        assert [found.state for found in data.status(workspace)] == ["up to date"]


@pytest.mark.parametrize(
    ("harm", "left"),
    [
        (lambda folder: (folder / "b").write_text("my edit"), NEW | {"b": "my edit"}),
        (lambda folder: (folder / "gone").write_text("new of mine"), NEW | {"gone": "new of mine"}),
        (lambda folder: (folder / "a").unlink(), {name: NEW[name] for name in NEW if name != "a"}),
    ],
    ids=["edited", "new", "removed"],
)
def test_what_somebody_writes_while_a_version_is_made_ready_stays(
    scene: Workspace, harm: Callable[[Path], None], left: dict[str, str]
) -> None:
    harms = [harm]

    def tick(_done: int, _total: int) -> None:
        if harms:
            harms.pop()(scene.root / "data")

    with pytest.raises(Conflict, match="changed while the version was made ready"):
        data.checkout(scene, "data", 1, tick=tick)
    assert not harms
    assert tree(scene.root / "data") == left


class Meddler(Linker):
    """Links as it should, and writes into a file that was put there before, as another checkout may do."""

    def __init__(self, place: Path, text: str) -> None:
        super().__init__(["hardlink"])
        self._file = place
        self._text = text

    def make(self, source: str, target: str, **how: Any) -> Link:
        made = super().make(source, target, **how)
        if target.endswith("sub/c"):
            self._file.unlink()
            self._file.write_text(self._text)
        return made


def test_what_another_one_put_there_meanwhile_is_not_taken_for_the_version(workspace: Workspace) -> None:
    write(workspace, {f"data/{name}": text for name, text in OLD.items()})
    data.add(workspace, workspace.root / "data")
    for name in ("a", "sub/c"):
        (workspace.root / "data" / name).unlink()
    data.checkout(workspace, "data", linker=Meddler(workspace.root / "data" / "a", "other"))
    assert (workspace.root / "data" / "a").read_text() == "other"
    assert [(found.state, found.modified) for found in data.status(workspace)] == [("modified", 1)]
