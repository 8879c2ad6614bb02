"""Whatever pointers name, anywhere in git, keeps its objects; what cannot be read is no reason to take them for garbage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import ExternalToolError, StorageError
from mainspring.versioning.named import named

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESSES = [f"{number:x}" * 32 for number in range(1, 10)]


def git(folder: Path, *words: str) -> None:
    names = {"user.name": "me", "user.email": "me@here"}
    set_to = [word for name, value in names.items() for word in ("-c", f"{name}={value}")]
    subprocess.run(["git", "-C", str(folder), *set_to, *words], check=True, capture_output=True)


def point(folder: Path, number: int) -> str:
    (folder / "data.dvc").write_text(f"outs:\n- md5: {ADDRESSES[number]}\n  hash: md5\n  path: data\n")
    return ADDRESSES[number]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository whose first commit names something that nothing names since."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    point(folder, 0)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "one")
    point(folder, 1)
    return folder


def test_what_git_is_about_to_commit_is_named(folder: Path) -> None:
    git(folder, "add", "--all")
    point(folder, 2)
    assert named(folder) == {ADDRESSES[0], ADDRESSES[1], ADDRESSES[2]}


def test_a_merge_that_is_going_on_names_both_sides(folder: Path) -> None:
    git(folder, "commit", "--quiet", "--all", "--message", "two")
    git(folder, "checkout", "--quiet", "-b", "side", "HEAD~1")
    point(folder, 3)
    git(folder, "commit", "--quiet", "--all", "--message", "three")
    with pytest.raises(subprocess.CalledProcessError):
        git(folder, "merge", "main")
    git(folder, "update-ref", "-d", "refs/heads/main")
    git(folder, "reflog", "expire", "--expire=now", "--all")
    (folder / "data.dvc").unlink()
    assert {ADDRESSES[1], ADDRESSES[3]} <= named(folder)


@pytest.mark.parametrize("where", ["stash", "worktree", "detached", "tag"])
def test_every_corner_of_git_is_looked_into(folder: Path, tmp_path: Path, where: str) -> None:
    if where == "stash":
        git(folder, "stash")
        point(folder, 2)
        git(folder, "stash")
    elif where == "worktree":
        git(folder, "worktree", "add", "--detach", str(tmp_path / "other"))
        point(tmp_path / "other", 1)
        git(tmp_path / "other", "commit", "--quiet", "--all", "--message", "two")
    else:
        git(folder, "checkout", "--quiet", "--detach")
        git(folder, "commit", "--quiet", "--all", "--message", "two")
        if where == "tag":
            git(folder, "tag", "--annotate", "--message", "it", "it")
        git(folder, "checkout", "--quiet", "main")
        if where == "tag":
            git(folder, "reflog", "expire", "--expire=now", "--all")
    (folder / "data.dvc").unlink()
    assert {ADDRESSES[0], ADDRESSES[1]} <= named(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [("log.showRoot", "false"), ("diff.relative", "true"), ("diff.external", "true"), ("log.follow", "true")],
)
def test_nothing_that_git_was_told_hides_a_commit(folder: Path, name: str, value: str) -> None:
    git(folder, "config", name, value)
    (folder / "sub").mkdir()
    assert ADDRESSES[0] in named(folder)
    assert ADDRESSES[0] in named(folder / "sub")


def test_attributes_and_replaced_commits_hide_nothing(folder: Path) -> None:
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "attributes").write_text("*.dvc -diff -text filter=none\n")
    git(folder, "commit", "--quiet", "--all", "--message", "two")
    (folder / "data.dvc").unlink()
    git(folder, "commit", "--quiet", "--all", "--message", "gone")
    git(folder, "replace", "HEAD~2", "HEAD")
    git(folder, "replace", "HEAD~1", "HEAD")
    assert named(folder) == {ADDRESSES[0], ADDRESSES[1]}


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_LITERAL_PATHSPECS", "GIT_INDEX_FILE", "GIT_WORK_TREE"])
def test_what_a_hook_tells_git_of_another_repository_is_not_meant(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    git(other, "init", "--quiet")
    values = {"GIT_DIR": other / ".git", "GIT_WORK_TREE": other, "GIT_INDEX_FILE": other / ".git" / "index"}
    monkeypatch.setenv(name, str(values.get(name, 1)))
    assert named(folder) == {ADDRESSES[0], ADDRESSES[1]}


def test_a_history_that_cannot_be_read_is_an_error(folder: Path) -> None:
    [head] = (folder / ".git" / "refs" / "heads").iterdir()
    commit = head.read_text().strip()
    (folder / ".git" / "objects" / commit[:2] / commit[2:]).unlink()
    with pytest.raises(ExternalToolError, match="git could not read the history"):
        named(folder)


_UNPRIVILEGED = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
_CALL = "import sys, pathlib; from mainspring.versioning.named import named; named(pathlib.Path(sys.argv[1]))"


@pytest.mark.parametrize(
    "lock", [lambda folder: folder.chmod(0), lambda folder: (folder / "more.dvc").chmod(0)], ids=["folder", "pointer"]
)
def test_pointers_that_may_not_be_read_are_an_error(folder: Path, lock: Callable[[Path], None]) -> None:
    below = folder / "below"
    below.mkdir()
    (below / "more.dvc").write_text("outs: []\n")
    lock(below)
    done = subprocess.run(
        [*_UNPRIVILEGED, sys.executable, "-c", _CALL, str(folder)], capture_output=True, text=True, check=False
    )
    below.chmod(0o755)
    assert StorageError.__name__ in done.stderr
    assert "so what pointers name there is not known" in done.stderr
