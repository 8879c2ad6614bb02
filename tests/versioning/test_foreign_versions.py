"""Versions and pointers that others made: by hand, by DVC, or to do harm; and what is said of odd names."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import InvalidData
from mainspring.base.hashing import md5_bytes
from mainspring.versioning import data
from mainspring.versioning.pull import pull
from tests.versioning.folders import tree, write

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace


def point(workspace: Workspace, *names: str) -> None:
    """Store a folder that has files of those names, as somebody else may push it, and point at it."""
    rows = [{"md5": workspace.objects.put_bytes(name.encode()), "relpath": name} for name in sorted(names)]
    md5 = workspace.objects.put_bytes(json.dumps(rows, sort_keys=True).encode(), suffix=".dir")
    (workspace.root / "data.dvc").write_text(
        f"outs:\n- md5: {md5}\n  size: 1\n  nfiles: 1\n  hash: md5\n  path: data\n"
    )


@pytest.mark.parametrize(
    "name",
    [".git/config", "sub/.git/hooks/post-checkout", ".git", ".dvc/config", ".mainspring/mainspring.db", ".dvcignore"],
)
@pytest.mark.parametrize("target", ["data", "data/sub"])
def test_what_git_would_obey_is_never_put_on_disk(workspace: Workspace, name: str, target: str) -> None:
    if target == "data/sub" and not name.startswith("sub/"):
        name = f"sub/{name}"
    point(workspace, "a", name)
    with pytest.raises(InvalidData, match="which is never data; nothing was changed"):
        pull(workspace, [target])
    assert not (workspace.root / "data").exists()


def test_names_that_only_look_like_it_are_data(workspace: Workspace) -> None:
    names = [".gitignore", "x.git/config", ".github/workflows/a", "sub/.gitkeep", "a.dvc", "git/.gitattributes"]
    point(workspace, *names)
    pull(workspace, ["data"])
    assert tree(workspace.root / "data") == {name: name for name in names}


def test_each_file_of_a_pointer_that_names_several_is_a_dataset(workspace: Workspace) -> None:
    outs = "".join(
        f"- md5: {workspace.objects.put_bytes(name.encode())}\n  size: 1\n  hash: md5\n  path: {name}\n"
        for name in "ab"
    )
    (workspace.root / "both.dvc").write_text(f"outs:\n{outs}")
    pull(workspace)
    assert [(workspace.root / name).read_text() for name in "ab"] == ["a", "b"]
    assert [(found.dataset, found.state) for found in data.status(workspace)] == [
        ("a", "up to date"),
        ("b", "up to date"),
    ]
    (workspace.root / "a").unlink()
    data.checkout(workspace, workspace.root / "a")
    assert (workspace.root / "a").read_text() == "a"


@pytest.mark.parametrize("name", ["in two words", "$HOME", "-rf", "it's", "*"])
def test_what_is_to_be_typed_can_be_typed(workspace: Workspace, name: str) -> None:
    write(workspace, {name: "1"})
    data.add(workspace, workspace.root / name)
    (workspace.root / name).unlink()
    [found] = data.status(workspace)
    assert found.remedy == "checkout"
    words = shlex.split(str(found.command))
    assert words[:3] == ["mainspring", "data", "checkout"]
    assert words[-1] == name
    assert ("--" in words) == name.startswith("-")
    assert md5_bytes(b"1") == found.md5
