"""What ``.dvcignore`` leaves out of datasets. Its patterns are those of ``.gitignore``, so git itself reads them."""

from __future__ import annotations

import os
from pathlib import Path

from mainspring.base.errors import ExternalToolError
from mainspring.base.files import disk_error

FILE = ".dvcignore"
_TOPS = (".dvc", "mainspring.yaml", ".git")
"""What a folder holds above which no ``.dvcignore`` counts."""


def ignored_below(folder: Path) -> frozenset[str]:
    """Return the files and folders below a folder that are left out, as relative POSIX paths; of a folder only itself.

    Those files count that lie in the folders above it, up to the repository's or the workspace's. Without a pattern in any
    of them, as is usual, this costs a few looks.

    Raises:
        ExternalToolError: there are patterns, and git is missing or failed.
        StorageError: patterns cannot be read.
    """
    top = None
    for place in folder.parents:
        top = place if _has_patterns(place / FILE) else top
        if any((place / name).exists() for name in _TOPS):
            return _asked(folder, place) if top is not None else frozenset()
    return frozenset()


def _has_patterns(file: Path) -> bool:
    try:
        lines = file.read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except PermissionError as error:  # without it, files would come in that are to stay out
        raise disk_error(error, file, doing="read") from error
    return any(line.strip() and not line.startswith(b"#") for line in lines)


def _asked(folder: Path, top: Path) -> frozenset[str]:
    from tempfile import TemporaryDirectory  # most datasets need neither

    from mainspring.base.git import run_git

    below = folder.relative_to(top).as_posix()
    with TemporaryDirectory() as empty:
        for name in ("objects", "refs"):
            Path(empty, name).mkdir()
        Path(empty, "HEAD").write_text("ref: refs/heads/main\n")
        words = ["--git-dir", empty, "--work-tree", str(top), "--literal-pathspecs", "ls-files", "-z", "--others"]
        words += ["--ignored", "--directory", f"--exclude-per-directory={FILE}", "--", below]
        done = run_git(words, top)
    if done.returncode != 0:
        said = os.fsdecode(done.stderr).strip() or f"exit code {done.returncode}"
        raise ExternalToolError(f"git could not apply {FILE} to {folder}: {said}", hint=f"look at {top / FILE}")
    names = (os.fsdecode(name).rstrip("/") for name in done.stdout.split(b"\0") if name)
    return frozenset(name[len(below) + 1 :] for name in names)
