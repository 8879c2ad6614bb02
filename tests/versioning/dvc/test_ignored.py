"""``.dvcignore`` leaves out what it leaves out for DVC."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mainspring.base.errors import InvalidData
from mainspring.store.workspace import Workspace
from mainspring.versioning import data
from mainspring.versioning.contents import scan_files
from mainspring.versioning.ignored import ignored_below
from tests.versioning.dvc.repository import Repository, states

FILES = [
    "data/a.log", "data/keep.log", "data/sub/b.log", "data/sub/deep/c.log", "data/logs/x", "data/sub/logs/y", "data/log",
    "data/build/o", "data/sub/build/o", "data/ü.tmp", "data/two\nlines.tmp", "data/#hash", "data/!bang", "data/[x]",
    "data/space ", "data/a1", "data/a2", "data/ab", "data/sub/only/q",
]  # fmt: skip
PATTERNS = {
    "suffix": "*.log\n",
    "negation": "*.log\n!keep.log\n!deep/\n",
    "order": "!keep.log\n*.log\n",
    "folder": "logs/\nlog/\n",
    "anchored": "/data/build\n/build\n",
    "stars": "**/build/\ndata/**/c.log\n",
    "below": "data/sub/**\n",
    "comments": "# *.log\n\n   \n*.tmp\n",
    "escaped": "\\#hash\n\\!bang\n\\[x\\]\n",
    "classes": "a[0-9]\na[!b]\n",
    "question": "data/?1\n",
    "again": "data/sub/*\n!data/sub/deep\n",
    "all but": "data/*\n!data/sub\n",
    "many lines": "*.log\n*.tmp\nlogs/\n**/only/q\n!data/a.log\n",
    "windows": "*.log\r\n*.tmp\r\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PATTERNS)
def test_dvc_leaves_out_the_same(repository: Repository, name: str) -> None:
    repository.write(dict.fromkeys(FILES, "x"))
    (repository.root / ".dvcignore").write_bytes(PATTERNS[name].encode())
    repository.dvc("add", "data")
    [listing] = (repository.root / ".dvc/cache/files/md5").glob("*/*.dir")
    theirs = {row["relpath"] for row in json.loads(listing.read_text())}
    assert set(scan_files(repository.root / "data")) == theirs
    assert (name == "order" or len(theirs) < len(FILES)) and theirs


@pytest.mark.slow
def test_ignored_files_are_no_change_and_survive_a_checkout(repository: Repository, opened: Workspace) -> None:
    repository.write({"sub/data/a": "1", "sub/data/x.tmp": "t", "sub/.dvcignore": "*.tmp\n", ".dvcignore": "*.log\n"})
    repository.dvc("add", "sub/data")
    repository.write({"sub/data/y.tmp": "t", "sub/data/z.log": "l"})
    workspace = Workspace.open(repository.root)
    assert states(data.status(workspace)) == {"sub/data": "up to date"}
    assert "up to date" in repository.dvc("status")
    data.add(workspace, "sub/data")
    repository.write({"sub/data/b": "2"})
    assert data.add(workspace, "sub/data").files == 2
    data.checkout(workspace, "sub/data", 1)
    assert set(repository.tree("sub/data")) == {f"sub/data/{name}" for name in ("a", "x.tmp", "y.tmp", "z.log")}
    workspace.close()


def test_patterns_within_a_dataset_are_refused_as_dvc_does(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".dvcignore").write_text("x\n")
    with pytest.raises(InvalidData, match="lies in a dataset"):
        scan_files(tmp_path / "data")


def test_git_is_asked_only_where_there_are_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "top" / "sub" / "data").mkdir(parents=True)
    (tmp_path / "top" / ".dvc").mkdir()
    (tmp_path / "top" / "sub" / "data" / "x").touch()
    (tmp_path / ".dvcignore").write_text("x\n")  # above the repository
    (tmp_path / "top" / ".dvcignore").write_text("# nothing\n\n")
    monkeypatch.setenv("PATH", "")
    assert ignored_below(tmp_path / "top" / "sub" / "data") == frozenset()
