"""New projects: whole, committed, and never over somebody's files."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from mainspring.automation.delivery.project import create
from mainspring.base.errors import Conflict, UsageError
from mainspring.store.workspace import Workspace
from mainspring.versioning.data import status

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_a_new_project_is_valid_committed_and_its_data_versioned(tmp_path: Path) -> None:
    written = create(tmp_path / "Churn 2")
    workspace = Workspace(tmp_path / "Churn 2")
    assert workspace.settings.project == "churn-2"
    assert all(path.is_file() for path in written)
    assert [item.state for item in status(workspace)] == ["up to date"]
    assert git(workspace.root, "status", "--porcelain") == ""
    assert "data/measurements.parquet.dvc" in git(workspace.root, "ls-files").split()
    assert "data/measurements.parquet" not in git(workspace.root, "ls-files").split()
    workspace.close()


def test_files_of_others_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(Conflict, match=r"README\.md"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    (tmp_path / "README.md").unlink()
    create(tmp_path, name="churn")
    with pytest.raises(Conflict, match="is a project already"):
        create(tmp_path)


def test_inside_a_repository_nothing_is_committed(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    create(tmp_path / "churn")
    assert not (tmp_path / "churn" / ".git").exists()
    assert "?? churn/" in git(tmp_path, "status", "--porcelain")


@pytest.mark.parametrize("name", ["-x", "a/b", "a b", "{{ project }}"])
def test_names_that_no_model_can_have_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a project's name"):
        create(tmp_path / "new", name=name)
    assert not (tmp_path / "new").exists()
