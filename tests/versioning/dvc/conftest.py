"""Repositories of the real DVC's, and workspaces whose objects lie in DVC's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mainspring.store.workspace import Workspace
from tests.versioning.dvc.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")


@pytest.fixture
def repository(dvc: Path, tmp_path: Path) -> Repository:
    """An empty repository of git's and DVC's."""
    return Repository.make(dvc, tmp_path / "repository")


@pytest.fixture
def opened(repository: Repository) -> Iterator[Workspace]:
    """The repository as a workspace, without settings of ours."""
    workspace = Workspace.open(repository.root)
    yield workspace
    workspace.close()


@pytest.fixture
def make_settled(repository: Repository) -> Iterator[Callable[[str], Workspace]]:
    """Make the repository a workspace with settings of its own."""
    made: list[Workspace] = []

    def make(settings: str) -> Workspace:
        (repository.root / "mainspring.yaml").write_text(settings)
        made.append(Workspace(repository.root))
        return made[-1]

    yield make
    for workspace in made:
        workspace.close()
