"""Workspaces: found upwards, opened lazily, described when missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import NotFound
from mainspring.store.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_the_nearest_folder_upwards_is_the_workspace(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert Workspace.open().root == project.resolve()


def test_without_settings_there_is_no_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match=r"no mainspring\.yaml") as caught:
        Workspace.open()
    assert "mainspring init" in str(caught.value.hint)
    with pytest.raises(NotFound):
        Workspace.open(tmp_path / "nowhere")


def test_opening_writes_nothing_until_something_is_stored(project: Path) -> None:
    workspace = Workspace.open(project)
    assert workspace.settings.project == "example"
    assert not workspace.state.exists()
    _ = workspace.database
    assert (workspace.state / "mainspring.db").exists()
    workspace.close()
