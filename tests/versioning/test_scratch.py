"""Temporary folders go, those of killed processes too, and those that somebody writes to stay."""

from __future__ import annotations

import os

from mainspring.store.workspace import Workspace
from mainspring.versioning.scratch import scratch


def test_what_killed_processes_left(workspace: Workspace) -> None:
    old, in_use = (workspace.state / "scratch" / name for name in ("old", "in use"))
    for folder in (old, in_use):
        (folder / "a").mkdir(parents=True)
        (folder / "a" / "0").touch()
    for path in (old / "a" / "0", old / "a", old, in_use / "a", in_use):
        os.utime(path, (0, 0))
    with scratch(workspace) as made:
        assert {path.name for path in made.parent.iterdir()} == {"in use", made.name}
    assert not made.exists()
