"""Files that are links into DVC's cache, and folders without files."""

from __future__ import annotations

import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import InvalidData, Refused
from mainspring.store.workspace import Workspace
from mainspring.versioning import data, exchange, pull
from tests.versioning.dvc.repository import STRANGE, Repository, states
from tests.versioning.remotes.scene import git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def linked(repository: Repository, tmp_path: Path) -> Repository:
    """A repository whose files are links into its cache, with a remote that has them."""
    repository.dvc("config", "cache.type", "symlink")
    (tmp_path / "store").mkdir()
    repository.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    repository.write({**STRANGE, "single": "s"})
    repository.dvc("add", "data", "single")
    repository.dvc("push")
    repository.commit()
    return repository


@pytest.fixture
def workspace(linked: Repository) -> Iterator[Workspace]:
    opened = Workspace.open(linked.root)
    yield opened
    opened.close()


def are_links(repository: Repository) -> bool:
    """Say whether every file of data leads into the cache."""
    files = [repository.root / name for name in (*STRANGE, "single")]
    return all(file.is_symlink() and ".dvc/cache/files/md5/" in str(file.readlink()) for file in files)


def objects(workspace: Workspace) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mode, path.read_bytes()) for path in workspace.objects.files.glob("*/*")}


def test_links_into_the_cache_are_the_files_themselves(linked: Repository, workspace: Workspace) -> None:
    before = objects(workspace)
    assert are_links(linked)
    assert states(data.status(workspace)) == {"data": "up to date", "single": "up to date"}
    assert data.add(workspace, "data").number == 1
    assert data.checkout(workspace, "single").number == 1
    assert are_links(linked)
    assert linked.is_clean()
    linked.write({"data/new": "n"})
    assert data.add(workspace, "data").files == len(STRANGE) + 1
    assert not (linked.root / "data" / "new").is_symlink()
    assert "up to date" in linked.dvc("status")
    data.checkout(workspace, "data", 1)
    assert are_links(linked)
    assert before.items() <= objects(workspace).items()


def test_checkouts_make_links_and_leave_the_objects_as_they_are(linked: Repository, workspace: Workspace) -> None:
    before = objects(workspace)
    for name in ("data", "single"):
        linked.remove(name)
        data.checkout(workspace, name)
    assert are_links(linked)
    assert linked.tree() == STRANGE
    assert objects(workspace) == before
    assert {mode & 0o777 for mode, _ in before.values()} == {0o444}
    assert linked.is_clean()
    assert states(data.status(workspace)) == {"data": "up to date", "single": "up to date"}
    (linked.root / "single").unlink()
    (linked.root / "single").write_text("mine")
    with pytest.raises(Refused, match="would be lost"):
        data.checkout(workspace, "single")
    data.checkout(workspace, "single", force=True)
    assert are_links(linked)


def test_an_executable_file_is_a_copy(linked: Repository) -> None:
    linked.write({"run.sh": "r"})
    (linked.root / "run.sh").chmod(0o755)
    linked.dvc("add", "run.sh")
    linked.remove("run.sh")
    opened = Workspace.open(linked.root)
    [stored] = [path for path in opened.objects.files.glob("*/*") if path.read_bytes() == b"r"]
    stored.chmod(0o444)  # DVC lets the object itself be executed
    data.checkout(opened, "run.sh")
    assert (linked.root / "run.sh").stat().st_mode & stat.S_IXUSR
    assert not (linked.root / "run.sh").is_symlink()
    assert not stored.stat().st_mode & stat.S_IXUSR
    opened.close()


def test_links_to_what_is_gone_are_missing_files_and_come_back(linked: Repository, workspace: Workspace) -> None:
    lost = next(iter(entry.md5 for entry in workspace.objects.listing(_address(workspace)) if entry.relpath == "a.csv"))
    workspace.objects.path(lost).unlink()
    told = {item.dataset: item for item in data.status(workspace)}
    assert (told["data"].state, told["data"].deleted, told["data"].remedy) == ("modified", 2, "pull")
    pull.pull(workspace)
    assert are_links(linked)
    shutil.rmtree(workspace.objects.root)
    assert states(data.status(workspace)) == {"data": "missing", "single": "missing"}
    pull.pull(workspace)
    assert are_links(linked)
    assert linked.tree() == STRANGE
    assert linked.is_clean()
    (linked.root / "data" / "nowhere").symlink_to("/nowhere")
    told = {item.dataset: item for item in data.status(workspace)}
    assert told["data"].state == "damaged", "that link leads to no object"


def _address(workspace: Workspace) -> str:
    return next(item.md5 for item in data.status(workspace) if item.dataset == "data" and item.md5)


def test_our_own_settings_may_ask_for_links(make_settled: Callable[[str], Workspace], repository: Repository) -> None:
    workspace = make_settled("project: x\nstate: {links: [symlink]}\n")
    repository.write({"data/a": "1", "data/b": "2"})
    data.add(workspace, repository.root / "data")
    repository.remove("data")
    data.checkout(workspace, "data")
    assert all((repository.root / "data" / name).is_symlink() for name in "ab")
    assert repository.tree() == {"data/a": "1", "data/b": "2"}
    assert states(data.status(workspace)) == {"data": "up to date"}


def test_folders_without_files_are_what_they_are_for_dvc(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    repository.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    (repository.root / "none").mkdir()
    repository.write({"dvc.yaml": "stages: {none: {cmd: mkdir -p made/below, outs: [made]}}\n"})
    repository.dvc("add", "none")
    repository.dvc("repro")
    repository.commit()
    workspace = Workspace.open(repository.root)
    assert states(data.status(workspace)) == {"made": "up to date", "none": "up to date"}
    assert data.add(workspace, "none").files == 0
    assert exchange.push(workspace).objects == 1
    (repository.root / "none").rmdir()
    assert states(data.status(workspace))["none"] == "missing"
    data.checkout(workspace, "none")
    assert (repository.root / "none").is_dir()
    repository.write({"none/new": "n"})
    assert states(data.status(workspace))["none"] == "modified"
    assert data.add(workspace, "none").number == 2
    data.checkout(workspace, "none", 1)
    assert not list((repository.root / "none").iterdir())
    assert repository.is_clean()
    git(tmp_path, "clone", "-q", str(repository.root), "clone")
    clone = Workspace.open(tmp_path / "clone")
    pull.pull(clone)
    assert (clone.root / "none").is_dir()
    assert (clone.root / "made").is_dir()
    assert Repository(repository.program, clone.root).is_clean()
    (clone.root / "fresh").mkdir()
    with pytest.raises(InvalidData, match="holds no files"):
        data.add(clone, clone.root / "fresh")
    clone.close()
    workspace.close()
