"""Putting a run's code into a fresh folder, byte for byte as it lay on disk."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import Corrupted, NotFound
from mainspring.base.git import git, run_git
from mainspring.base.hashing import md5_file
from mainspring.versioning.code import place_of, repository
from mainspring.versioning.worktree import attributes_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mainspring.store.workspace import Workspace

_AS_IT_IS = "* -text -ident !filter !working-tree-encoding\n"
"""Attributes by which git converts nothing: what it would have converted was recorded as it lay on disk."""
_QUIET = {"core.hooksPath": "/dev/null", "advice.detachedHead": "false"}
_CONVERSIONS = r"^(filter\..*|core\.(autocrlf|eol|safecrlf))$"


def restore_code(
    workspace: Workspace, recorded: Mapping[str, Any], folder: Path, say: Callable[[str], None]
) -> list[str]:
    """Rebuild what a snapshot says of code in ``folder``; return the files that could not be had.

    Raises:
        NotFound, Corrupted: a commit or an object is gone or damaged.
        ExternalToolError: git is missing, or failed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if recorded.get("commit") is None and recorded.get("untracked") is None:
        raise NotFound("the run recorded no code", hint="runs made in an empty folder cannot be made again")
    top = repository(workspace.root)
    if top is None and recorded.get("commit") is not None:
        raise NotFound(
            f"commit {recorded['commit'][:12]} was recorded, and {workspace.root} is in no git repository any more",
            hint="bring the repository back, for example by cloning it",
            commit=recorded["commit"],
        )
    return _restored(workspace, recorded, folder, top or workspace.root, say)


def _restored(
    workspace: Workspace, recorded: Mapping[str, Any], folder: Path, top: Path, say: Callable[[str], None]
) -> list[str]:
    """Restore a repository and those in it, from where they lay; return what is missing."""
    commit = recorded.get("commit")
    if commit is None:
        folder.mkdir(exist_ok=True)
    else:
        say(f"code: commit {commit[:12]}")
        _check_out(_source(top, commit), commit, folder)
    if address := recorded.get("diff"):
        say("code: changes that were not committed")
        git(["apply", "--binary", "--whitespace=nowarn", "-"], folder, feed=workspace.objects.read_bytes(address))
    if address := recorded.get("untracked"):
        say("code: files that git did not hold")
        workspace.objects.restore(address, folder)
    if address := recorded.get("exact"):
        say("code: files that git converts or does not look at")
        _overwrite(workspace, address, folder)
    missing = [item["path"] for item in recorded.get("large") or () if not _copy_large(top, recorded, item, folder)]
    _finish(workspace, recorded, folder)
    if commit is not None:
        _convert_again(top, folder)
    for path, inner in (recorded.get("repositories") or {}).items():
        inside = _inside(folder, path)
        inside.parent.mkdir(parents=True, exist_ok=True)
        missing += [f"{path}/{name}" for name in _restored(workspace, inner, inside, top / path, say)]
    return missing + list(recorded.get("skipped") or ())


def _finish(workspace: Workspace, recorded: Mapping[str, Any], folder: Path) -> None:
    """Give files the modes and names that they had, make links, and take away what was not there."""
    for name in recorded.get("executables") or ():
        if (place := _inside(folder, name)).is_file():
            mode = place.stat().st_mode
            place.chmod(mode | (mode & 0o444) >> 2)
    for name in recorded.get("renamed") or ():
        if (place := _inside(folder, name)).is_file():
            place.rename(_inside(folder, place_of(recorded, name)))
    for name, target in (recorded.get("links") or {}).items():
        place = _inside(folder, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
    if address := recorded.get("absent"):
        for name in workspace.objects.read_bytes(address).split(b"\0")[:-1]:
            _inside(folder, os.fsdecode(name)).unlink(missing_ok=True)


def _source(top: Path, commit: str) -> Path:
    """Return a repository that has a commit: the one that it was made in, or what a repository around keeps of it."""
    for place in (top, *_kept_by_others(top)):
        is_one = (place / ".git").exists() or (place / "HEAD").is_file()
        if is_one and run_git(["cat-file", "-e", f"{commit}^{{commit}}"], place).returncode == 0:
            return place
    raise NotFound(
        f"commit {commit[:12]} is not in {top} any more",
        hint="fetch it from where it was pushed: git fetch origin " + commit,
        commit=commit,
    )


def _kept_by_others(top: Path) -> Iterator[Path]:
    for parent in top.parents:
        if (parent / ".git").is_dir():
            yield parent / ".git" / "modules" / top.relative_to(parent)


def _check_out(source: Path, commit: str, folder: Path) -> None:
    clone = ["clone", "--quiet", "--local", "--no-reject-shallow", "--no-checkout", str(source), str(folder)]
    git(clone, source, settings=_QUIET)
    attributes = attributes_file(folder)
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text(_AS_IT_IS, encoding="ascii")
    git(["checkout", "--quiet", "--detach", "--no-recurse-submodules", commit], folder, settings=_QUIET)


def _convert_again(top: Path, folder: Path) -> None:
    """Let git convert what it did in the original, so that it finds as little changed as there."""
    attributes_file(folder).unlink()
    if (held := attributes_file(top)).is_file():
        shutil.copyfile(held, attributes_file(folder))
    said = run_git(["config", "--local", "-z", "--get-regexp", _CONVERSIONS], top)
    for entry in said.stdout.split(b"\0")[:-1]:
        name, _, value = os.fsdecode(entry).partition("\n")
        git(["config", "--local", "--add", name, value], folder)


def _overwrite(workspace: Workspace, address: str, folder: Path) -> None:
    """Restore files over others, whose modes stay."""
    for entry in workspace.objects.listing(address):
        place = _inside(folder, entry.relpath)
        mode = stat.S_IMODE(place.stat().st_mode) if place.is_file() and not place.is_symlink() else 0o644
        workspace.objects.restore(entry.md5, place, mode=mode)


def _copy_large(top: Path, recorded: Mapping[str, Any], item: Mapping[str, Any], folder: Path) -> bool:
    """Copy a file that was recorded by its hash only, if it still is what it was, under the name of the records."""
    source, target = top / place_of(recorded, item["path"]), _inside(folder, item["path"])
    if not source.is_file() or md5_file(source) != item["md5"]:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    return True


def _inside(folder: Path, name: str) -> Path:
    """Return a place below a folder.

    Raises:
        Corrupted: the name leads out of it, or through a link.
    """
    relative = PurePosixPath(name)
    place = folder / relative
    if relative.is_absolute() or ".." in relative.parts or not place.parent.resolve().is_relative_to(folder.resolve()):
        raise Corrupted(f"the records put a file of the code at {name}, outside of the repository", path=name)
    return place
