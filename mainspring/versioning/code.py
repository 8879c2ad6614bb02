"""The code of a run: commit, what differs from it, and what git does not hold yet."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import ExternalToolError
from mainspring.base.git import run_git
from mainspring.store.objects import Entry
from mainspring.versioning.contents import read_files
from mainspring.versioning.index import identity
from mainspring.versioning.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.store.workspace import Workspace

LARGE_BYTES = 50_000_000
"""Untracked files beyond this size are recorded by their hash only."""
_NEVER = (".git", ".mainspring")


def capture(workspace: Workspace) -> dict[str, Any]:
    """Return what the code is right now, with what is needed to have it again stored as objects.

    ``commit`` (None before the first), ``branch``, ``remote``, ``dirty``; ``diff``: address of the binary diff against the
    commit; ``untracked``: address of a folder of the files that git neither holds nor ignores; ``large``: those beyond
    50 MB, by hash only; ``skipped``: those that are no regular files; ``folder``: where in the repository the workspace is.
    Without a repository everything that ``.gitignore`` does not name counts as untracked.

    Raises:
        ExternalToolError: git is missing, or failed.
    """
    top = repository(workspace.root)
    if top is None:
        with _bare(workspace) as arguments:
            names = _names([*arguments, "ls-files", "-z", "--others", "--exclude-standard"], workspace.root)
        return _described(workspace, workspace.root, names, commit=None)
    commit = _text(["rev-parse", "--verify", "-q", "HEAD"], top, allowed=(1, 128))
    if commit is None:
        names = _names(["ls-files", "-z", "--cached", "--others", "--exclude-standard"], top)
        return _described(workspace, top, names, commit=None)
    names = _names(["ls-files", "-z", "--others", "--exclude-standard"], top)
    difference = _git(["diff", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD"], top)
    return _described(workspace, top, names, commit=commit, difference=difference)


def repository(folder: Path) -> Path | None:
    """Return the top of the git repository that holds a folder; None if none does, or it ignores the folder."""
    found = _text(["rev-parse", "--show-toplevel"], folder, allowed=(128,), unless="not a git repository")
    if found is None:
        return None
    top = Path(found)
    if folder != top and run_git(["check-ignore", "-q", str(folder)], top).returncode == 0:
        return None
    return top


def head(folder: Path) -> str | None:
    """Return the commit that is checked out; None without a repository or before the first commit."""
    top = repository(folder)
    return _text(["rev-parse", "--verify", "-q", "HEAD"], top, allowed=(1, 128)) if top is not None else None


def changed_files(difference: bytes) -> dict[str, bytes]:
    """Return a difference as ``capture`` stored it, by the file that is changed.

    >>> list(changed_files(b"diff --git a/x.py b/x.py\\n@@ -1 +1 @@\\n-1\\n+2\\n"))
    ['x.py']
    """
    parts = re.split(rb"^(?=diff --git )", difference, flags=re.MULTILINE)
    return {_named(part): part for part in parts if part.startswith(b"diff --git ")}


def _named(part: bytes) -> str:
    head = os.fsdecode(part.split(b"\n", 1)[0]).removeprefix("diff --git ")
    return head.partition(" b/")[2] or head.partition(' "b/')[2].rstrip('"') or head


def _described(
    workspace: Workspace, top: Path, names: list[str], *, commit: str | None, difference: bytes = b""
) -> dict[str, Any]:
    untracked, large, skipped = _untracked(workspace, top, names)
    tracked = repository(workspace.root) is not None
    branch = _text(["symbolic-ref", "--short", "-q", "HEAD"], top, allowed=(1,)) if tracked else None
    remote = _text(["config", "--get", "remote.origin.url"], top, allowed=(1,)) if tracked else None
    return {
        "commit": commit,
        "branch": branch,
        "remote": re.sub(r"(?<=://)[^/@]*@", "", remote) if remote else None,
        "dirty": commit is None or bool(difference or untracked or large),
        "diff": workspace.objects.put_bytes(difference) if difference else None,
        "untracked": untracked,
        "large": large,
        "skipped": skipped,
        "folder": workspace.root.relative_to(top).as_posix(),
    }


def _untracked(workspace: Workspace, top: Path, names: list[str]) -> tuple[str | None, list[dict[str, Any]], list[str]]:
    places: dict[str, Path] = {}
    skipped: list[str] = []
    for name in names:
        place = top / name
        if any(part in _NEVER for part in place.relative_to(top).parts):
            continue
        if place.is_file() and not place.is_relative_to(workspace.state):
            places[name] = place
        elif place.is_dir() or place.is_symlink():
            skipped.append(name)
    found = {name: place.stat() for name, place in places.items()}
    big = {name: place for name, place in places.items() if found[name].st_size > LARGE_BYTES}
    small = {name: place for name, place in places.items() if name not in big}
    large = [
        {"path": name, "md5": md5, "size": found[name].st_size}
        for name, md5 in _read(workspace, "large code", big, found, store=False).items()
    ]
    entries = [Entry(name, md5) for name, md5 in _read(workspace, "code", small, found, store=True).items()]
    size = sum(found[name].st_size for name in small)
    return (workspace.objects.put_listing(entries, size).md5 if entries else None), large, skipped


def _read(
    workspace: Workspace, key: str, places: dict[str, Path], found: dict[str, os.stat_result], *, store: bool
) -> dict[str, str]:
    identities = {name: identity(found[name]) for name in places}
    return read_files(workspace, key, {name: str(place) for name, place in places.items()}, identities, store=store)


@contextmanager
def _bare(workspace: Workspace) -> Iterator[list[str]]:
    """Lend git an empty repository, so that it applies ``.gitignore`` where there is none."""
    with scratch(workspace) as folder:
        _git(["init", "-q", "--bare", str(folder / "git")], folder)
        yield ["--git-dir", str(folder / "git"), "--work-tree", str(workspace.root)]


def _names(arguments: list[str], folder: Path) -> list[str]:
    return sorted({os.fsdecode(name) for name in _git(arguments, folder).split(b"\0") if name})


def _text(arguments: list[str], folder: Path, *, allowed: tuple[int, ...], unless: str = "") -> str | None:
    done = run_git(arguments, folder)
    if done.returncode == 0:
        return os.fsdecode(done.stdout).strip() or None
    if done.returncode in allowed and unless in os.fsdecode(done.stderr):
        return None
    raise _failed(arguments, done)


def _git(arguments: list[str], folder: Path) -> bytes:
    done = run_git(arguments, folder)
    if done.returncode != 0:
        raise _failed(arguments, done)
    return done.stdout


def _failed(arguments: list[str], done: subprocess.CompletedProcess[bytes]) -> ExternalToolError:
    said = os.fsdecode(done.stderr).strip() or f"exit code {done.returncode}"
    hint = "run the same git command in the project's folder to see more"
    if "dubious ownership" in said:
        hint = "the folder belongs to somebody else: git config --global --add safe.directory FOLDER"
    return ExternalToolError(f"git {arguments[0]} failed: {said.splitlines()[0]}", hint=hint)
