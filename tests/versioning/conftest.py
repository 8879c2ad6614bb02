from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_project import make_project
from versioning_samples import make_candidate

from mainspring.store.workspace import Workspace
from mainspring.versioning.candidate import Candidate
from scripts.environments import Unavailable, environment
from tests.versioning.remotes.scene import DVC


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with an empty database, to copy."""
    root = tmp_path_factory.mktemp("migrated")
    (root / "mainspring.yaml").write_text("project: x\n")
    opened = Workspace(root)
    opened.database.close()
    return root


@pytest.fixture
def workspace(tmp_path: Path, migrated: Path, state: str) -> Iterator[Workspace]:
    root = tmp_path / "project"
    shutil.copytree(migrated, root)
    with (root / "mainspring.yaml").open("a") as settings:
        settings.write(state)
    opened = Workspace(root)
    yield opened
    opened.close()


@pytest.fixture
def candidate() -> Candidate:
    return make_candidate()


@pytest.fixture
def project(tmp_path: Path, state: str) -> Iterator[Workspace]:
    """A project with a pipeline, a dataset and a git repository."""
    root = tmp_path / "small"
    make_project(root, state)
    opened = Workspace(root)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def dvc() -> Path:
    """The program ``dvc``."""
    try:
        return environment(DVC).parent / "dvc"
    except Unavailable as reason:
        pytest.skip(f"no DVC: {reason}")
