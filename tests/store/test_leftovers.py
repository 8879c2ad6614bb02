"""What killed writers left is seen, and goes when others write; what is under way stays."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from mainspring.cli.main import run as command
from mainspring.store.leftovers import leftovers
from mainspring.store.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = 3600


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "mainspring.yaml").write_text("project: x\n")
    opened = Workspace(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def incoming(workspace: Workspace) -> Path:
    """What is on its way: old, in part old, and as an hour ago."""
    folder = workspace.objects.root / "incoming"
    for name in ("old/a", "going on/a", "hour/a"):
        (folder / name).mkdir(parents=True)
        (folder / name / "0").write_bytes(b"half")
    for path in folder.rglob("*"):
        age = 2 * HOUR if "hour" in path.parts else 2 * 24 * HOUR
        os.utime(path, (time.time() - age,) * 2)
    os.utime(folder / "going on/a/0")
    return folder


def test_what_is_under_way_is_no_leftover(incoming: Path) -> None:
    assert [(left.path.name, left.size) for left in leftovers(incoming)] == [("old", 4)]
    assert len(list(leftovers(incoming, older_than_seconds=HOUR))) == 2
    assert list(leftovers(incoming / "nowhere")) == []


def test_who_stores_sweeps(workspace: Workspace, incoming: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    workspace.objects.put_file(tmp_path / "a")
    assert sorted(path.name for path in incoming.iterdir()) == ["going on", "hour"]


def test_gc_counts_them_before_it_removes_them(
    workspace: Workspace, incoming: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace.root)
    beside = workspace.objects.files / "ab"
    beside.mkdir(parents=True)
    for name, age in ((".old.tmp", 2 * HOUR), (".new.tmp", 0)):
        (beside / name).write_bytes(b"hal")
        os.utime(beside / name, (time.time() - age,) * 2)
    for words, there in ((["gc", "--json"], 3), (["gc", "--json", "--remove"], 1)):
        assert command(words) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["unfinished"], told["unfinished_bytes"]) == (3, 11)
        assert len(list(incoming.iterdir())) == there
    assert [path.name for path in beside.iterdir()] == [".new.tmp"]
    (incoming / "old").mkdir()
    os.utime(incoming / "old", (0, 0))
    assert command(["gc"]) == 0
    assert "unfinished is what killed writers left: 0 B" in capsys.readouterr().out
