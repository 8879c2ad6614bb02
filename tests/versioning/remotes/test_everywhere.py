"""What every kind of remote does: push, fetch, damage, mending, collecting."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import Corrupted
from mainspring.store.remotes import inventory
from mainspring.store.remotes.parts import PART
from mainspring.versioning import data, exchange, pull
from mainspring.versioning.clearance import clear
from mainspring.versioning.remotes import open_remote
from tests.versioning.remotes.scene import FILES, git, tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.store.workspace import Workspace

    Make = Callable[..., Workspace]

pytestmark = pytest.mark.slow


@pytest.fixture
def ours(make: Make, remote: dict[str, str]) -> Workspace:
    workspace = make(**remote)
    data.add(workspace, workspace.root / "data")
    return workspace


def held(workspace: Workspace) -> tuple[str, list[str]]:
    """Return the address of the dataset's listing, and those of its files."""
    md5 = data.log(workspace, "data")[0].md5
    return md5, [entry.md5 for entry in workspace.objects.listing(md5)]


def strangely(workspace: Workspace, md5: str, content: bytes) -> None:
    """Write an object of the remote behind the platform's back."""
    store = open_remote(workspace, write=True)
    store.store.put(store.path(md5), content)


def test_what_was_pushed_comes_back(make: Make, ours: Workspace, remote: dict[str, str]) -> None:
    assert exchange.push(ours).objects == len(FILES) + 1
    assert exchange.push(ours).objects == 0
    other = make("other", files={}, **remote)
    (other.root / "data.dvc").write_bytes((ours.root / "data.dvc").read_bytes())
    pull.pull(other)
    assert tree(other.root) == FILES
    shutil.rmtree(ours.objects.root)
    assert exchange.fetch(ours).objects == len(FILES) + 1
    assert not list(ours.objects.verify())


def test_damage_there_is_named_and_can_be_mended(ours: Workspace) -> None:
    exchange.push(ours)
    _, [victim, *_] = held(ours)
    strangely(ours, victim, b"other")
    kept = ours.objects.root.with_name("kept")
    ours.objects.root.rename(kept)
    with pytest.raises(Corrupted, match=victim):
        exchange.fetch(ours)
    shutil.rmtree(ours.objects.root)
    kept.rename(ours.objects.root)
    exchange.push(ours, replace=True)
    shutil.rmtree(ours.objects.root)
    assert exchange.fetch(ours).lost == []


def test_a_large_object_goes_in_parts(ours: Workspace) -> None:
    content = os.urandom(2 * PART + 12_345)
    (ours.root / "large.bin").write_bytes(content)
    data.add(ours, "large.bin")
    exchange.push(ours)
    shutil.rmtree(ours.objects.root)
    exchange.fetch(ours)
    assert ours.objects.read_bytes(data.log(ours, "large")[0].md5) == content


def test_what_nobody_needs_is_collected(ours: Workspace) -> None:
    exchange.push(ours)
    strangely(ours, "ab" + "c" * 30, b"nobody's")
    git(ours.root, "init", "-q")
    assert clear(ours, "store", older_than_seconds=-60, remove=True).objects == 1
    assert exchange.push(ours).objects == 0


def test_what_somebody_else_removed_meanwhile_is_no_error(ours: Workspace) -> None:
    exchange.push(ours)
    store = open_remote(ours, write=True)
    listing, files = held(ours)
    inventory.delete(store, [*(f"{number:032x}" for number in range(20)), *files])
    assert {item.md5 for item in inventory.held(store)} == {listing}
