"""What the tests of remotes share."""

from __future__ import annotations

import subprocess
from pathlib import Path

DVC = "dvc[s3,gs,azure]==3.67.1"
FILES = {"data/months/01.csv": "a\n1\n", "data/months/sub/ü 02.csv": "a\n2\n", "data/airports.csv": "b\n1\n"}


def run(program: Path, *words: str, folder: Path) -> str:
    """Run a program in a folder and return what it said."""
    done = subprocess.run([str(program), *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def git(folder: Path, *words: str) -> str:
    """Run git as somebody."""
    return run(Path("git"), "-c", "user.name=t", "-c", "user.email=t@example.org", *words, folder=folder)


def tree(folder: Path) -> dict[str, str]:
    """Return what the files of the project's data hold."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix == ".csv" and ".mainspring" not in path.parts and ".dvc" not in path.parts
    }


def stored(folder: Path) -> set[str]:
    """Return the addresses that a remote's folder holds."""
    return {path.parent.name + path.name for path in (folder / "files" / "md5").glob("*/*")}
