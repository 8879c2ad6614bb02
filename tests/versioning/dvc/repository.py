"""A repository of the real DVC's."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.versioning.remotes.scene import git, run

if TYPE_CHECKING:
    from mainspring.versioning.states import DatasetStatus

STRANGE = {
    "data/a.csv": "a\n1\n",
    "data/copy of a.csv": "a\n1\n",
    "data/sub/ü-日本.csv": "b\n2\n",
    "data/sub/two\nlines'\".csv": "c\n3\n",
    "data/empty": "",
    "data/__pycache__/kept.pyc": "p",
    **{f"data/many/{number}": "the same" for number in range(20)},
}


@cache
def empty(program: Path) -> Path:
    """Return an empty repository to copy, which takes a hundredth of the time that making one does."""
    root = Path(tempfile.mkdtemp(prefix="dvc"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    git(root, "init", "-q")
    run(program, "init", "-q", folder=root)
    return root


@dataclass(frozen=True)
class Repository:
    """A folder with git and DVC in it."""

    program: Path
    root: Path

    @classmethod
    def make(cls, program: Path, root: Path) -> Repository:
        """Make an empty one."""
        shutil.copytree(empty(program), root)
        return cls(program, root)

    def dvc(self, *words: str) -> str:
        """Run DVC and return what it said."""
        return run(self.program, *words, folder=self.root)

    def write(self, files: dict[str, str]) -> None:
        """Write files."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())

    def remove(self, name: str) -> None:
        """Remove a file or folder."""
        path = self.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def tree(self, name: str = "data") -> dict[str, str]:
        """Return what the files below a folder hold."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes().decode()
            for path in sorted((self.root / name).rglob("*"))
            if path.is_file()
        }

    def commit(self) -> None:
        """Commit everything."""
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "x")

    def is_clean(self) -> bool:
        """Say whether DVC finds nothing changed, and git neither."""
        return "up to date" in self.dvc("status") and not git(self.root, "status", "--porcelain")


def states(found: list[DatasetStatus]) -> dict[str, str]:
    """Return states by dataset."""
    return {item.dataset: item.state for item in found}


def age(root: Path) -> None:
    """Make files old enough for their times to be trusted."""
    for path in root.rglob("*"):
        if path.is_file() and ".dvc" not in path.parts:
            os.utime(path, ns=(1_700_000_000_000_000_000, 1_700_000_000_000_000_000))
