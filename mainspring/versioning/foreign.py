"""Data of other repositories: at a revision, from their store or their remote, with where it came from."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from mainspring.base.errors import Conflict, ExternalToolError, NotFound, UsageError, did_you_mean
from mainspring.base.git import run_git
from mainspring.base.settings.dvc import find_outs, is_root
from mainspring.store.listings import Entry
from mainspring.store.objects import Objects
from mainspring.store.workspace import Workspace
from mainspring.versioning import legacy
from mainspring.versioning.contents import Contents, read_contents, refuse_reserved
from mainspring.versioning.exchange import fetch_wanted
from mainspring.versioning.placing import put_in_place, refuse_place
from mainspring.versioning.pointers import LegacyPointer, is_executable, pointer_path, read_origin, read_pointer
from mainspring.versioning.turns.repositories import alone
from mainspring.versioning.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.versioning.known import DatasetVersion
    from mainspring.versioning.moving import Moved

_SECRET = re.compile(r"(?<=://)[^/@]*@")


class Got(msgspec.Struct, frozen=True, kw_only=True):
    """What came from another repository, and the commit it was taken from."""

    path: str
    url: str
    commit: str
    files: int


def get(url: str, path: str, out: Path, *, rev: str | None = None, tick: Moved | None = None) -> Got:
    """Put a file or folder of a repository, or of its data, at ``out``; nothing is recorded, and no workspace is needed.

    Raises:
        Conflict: there is something at ``out``.
        NotFound: no such repository, revision or path, or its objects can nowhere be had.
    """
    if out.exists():
        raise Conflict(f"there is something at {out}", hint="name another place with --out, or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=".mainspring-") as folder, _cloned(url, rev) as (clone, commit):
        objects = Objects(Path(folder) / "objects")
        contents, may_run = _gather(clone, url, path, objects, tick)
        refuse_reserved(contents.md5, contents.files)
        for name, md5 in contents.files.items():
            objects.restore(md5, Path(folder, "out", name), mode=0o755 if name in may_run else 0o644)
        Path(folder, "out").rename(out)
    return Got(path=str(out), url=_shown(url), commit=commit, files=len(contents.files))


def bring(
    workspace: Workspace,
    url: str,
    path: str,
    out: Path,
    *,
    rev: str | None = None,
    force: bool = False,
    tick: Moved | None = None,
) -> DatasetVersion:
    """Make a file or folder of another repository a dataset at ``out``; its pointer says where it came from, as DVC's do.

    Done again, it takes what that revision holds by now. Passwords in the address are not written down.

    Raises:
        Conflict: another dataset, or data from elsewhere, is at ``out``; or DVC is at work in the repository.
        Refused: files at ``out`` are in no version; ``force`` loses them.
        NotFound, UsageError: as ``get`` and ``locate``.
    """
    out = Path(os.path.normpath(out))
    _check_free(workspace, out, path, _shown(url))
    with _cloned(url, rev) as (clone, commit), alone(workspace, writes=[out]):
        contents, may_run = _gather(clone, url, path, workspace.objects, tick)
        repo = {"url": _shown(url)} | ({"rev": rev} if rev else {}) | {"rev_lock": commit}
        origin = {"frozen": True, "deps": [{"path": path, "repo": repo}]}
        return put_in_place(workspace, out, contents, origin, force=force, executable="" in may_run)


def _check_free(workspace: Workspace, out: Path, path: str, url: str) -> None:
    refuse_place(workspace, out)
    if not pointer_path(out).is_file():
        return
    deps = read_origin(out)
    if not any(dep.get("path") == path and dep.get("repo", {}).get("url") == url for dep in deps):
        raise Conflict(f"{out} is a dataset already, and did not come from there", hint="name another place with --out")


@contextmanager
def _cloned(url: str, rev: str | None) -> Iterator[tuple[Workspace, str]]:
    """Give a clone of a repository at a revision, and the commit that this is."""
    with TemporaryDirectory() as folder:
        root = Path(folder) / Path(url.rstrip("/")).name.removesuffix(".git")
        done = run_git(["clone", "-q", "--no-checkout", "--", url, str(root)], Path.cwd())
        if done.returncode != 0:
            raise _failed(f"cannot clone {_shown(url)}", done.stderr, "check the address, and that git may read it")
        for name in (f"refs/remotes/origin/{rev}", rev) if rev else ("HEAD",):
            found = run_git(["rev-parse", "-q", "--verify", "--end-of-options", f"{name}^{{commit}}"], root)
            if found.returncode == 0:
                break
        else:
            raise NotFound(f"{_shown(url)} has no revision '{rev}'", hint="name a branch, a tag or a commit")
        commit = os.fsdecode(found.stdout).strip()
        done = run_git(["-c", "advice.detachedHead=false", "checkout", "-q", commit], root)
        if done.returncode != 0:
            raise _failed(f"cannot check {commit} out", done.stderr, "see whether git can, by hand")
        yield Workspace(root), commit


class _Gathered(NamedTuple):
    contents: Contents
    may_run: frozenset[str] = frozenset()
    """Files that their owner may execute, as far as git or a pointer says it."""


def _gather(clone: Workspace, url: str, path: str, objects: Objects, tick: Moved | None) -> _Gathered:
    """Put what a path of a clone means into a store, and return it."""
    place = Path(os.path.normpath(clone.root / path))
    if not place.is_relative_to(clone.root) or place == clone.root:
        raise UsageError(f"'{path}' is no path of a repository", hint="give it relative to the repository's folder")
    above = [folder for folder in place.parents if folder.is_relative_to(clone.root)]
    home = next(filter(is_root, above), clone.root)  # one repository can hold several projects
    project = clone if home == clone.root else Workspace(home)
    project.objects = objects
    outs = set(find_outs(home))
    for out in (place, *place.parents):
        if out in outs:
            part = "" if out == place else place.relative_to(out).as_posix()
            near = _neighbour(url, home.relative_to(clone.root))
            try:
                md5 = read_pointer(out)
            except LegacyPointer as error:
                return _Gathered(_of_legacy(project, near, url, Wanted(md5=error.md5, what=path, part=part)))
            if md5 is None:
                break
            may_run = frozenset({""}) if is_executable(out) else frozenset[str]()
            return _Gathered(_fetched(project, near, url, Wanted(md5=md5, what=path, part=part), tick), may_run)
    if place.exists():
        return _stored(project, place)
    names = [out.relative_to(clone.root).as_posix() for out in outs]
    hint = did_you_mean(path, names) or f"its data: {', '.join(sorted(names)[:10]) or 'none'}"
    raise NotFound(f"{_shown(url)} has no '{path}'", hint=hint, path=path)


def _stored(clone: Workspace, place: Path) -> _Gathered:
    """Store a file or folder that git itself holds."""
    contents = read_contents(clone, place, store=True)
    if contents.is_folder:
        _put_listing(clone.objects, contents.files)
    return _Gathered(contents, frozenset(name for name in contents.files if os.access(place / name, os.X_OK)))


def _fetched(clone: Workspace, near: Workspace | None, url: str, wanted: Wanted, tick: Moved | None) -> Contents:
    """Bring what a pointer means from the store of a repository on this machine, or else from its remote."""
    objects = clone.objects
    if near is not None:
        _take(near.objects, objects, wanted)
        near.objects, clone = objects, near  # its remotes may be relative to where it is
    try:
        fetch_wanted(clone, [wanted], tick=tick)
    except UsageError as error:
        raise NotFound(
            f"'{wanted.what}' of {_shown(url)} is not in its store, and {error.message}",
            hint="push it from where it was added (mainspring data push, dvc push)",
        ) from None
    if not wanted.md5.endswith(".dir"):
        return _contents(objects, {"": wanted.md5})
    return _part(objects, url, wanted, {entry.relpath: entry.md5 for entry in objects.listing(wanted.md5)})


def _of_legacy(clone: Workspace, near: Workspace | None, url: str, wanted: Wanted) -> Contents:
    """Bring what a pointer of DVC 2's means from the old cache of a repository on this machine."""
    if near is None:
        raise NotFound(
            f"'{wanted.what}' of {_shown(url)} has a pointer of an old DVC, whose remotes are not read",
            hint="clone it and get its data with DVC (dvc pull), then name the clone's folder",
        )
    contents = legacy.take(clone, near.root, wanted.md5, cache=near.objects.root)
    return contents if not wanted.part else _part(clone.objects, url, wanted, contents.files)


def _part(objects: Objects, url: str, wanted: Wanted, listed: dict[str, str]) -> Contents:
    files = {name: md5 for name, md5 in listed.items() if wanted.takes(name)}
    if not files:
        raise NotFound(f"{_shown(url)} has no '{wanted.what}'", hint="look at the folder that it would be in")
    if wanted.part in files:
        return _contents(objects, {"": files[wanted.part]})
    return _contents(objects, {name[len(wanted.part) :].lstrip("/"): md5 for name, md5 in files.items()})


def _neighbour(url: str, inside: Path) -> Workspace | None:
    """Return the workspace in a folder of a repository at an address, where that is on this machine."""
    root = Path(url.removeprefix("file://"), inside)
    return Workspace(root) if is_root(root) else None


def _take(source: Objects, target: Objects, wanted: Wanted) -> None:
    """Copy what is there of a version from store to store; what is damaged there does not come along."""
    try:
        if wanted.md5.endswith(".dir"):
            data = source.path(wanted.md5).read_bytes()
            if target.put_bytes(data, suffix=".dir") != wanted.md5:
                return
            files = {entry.md5 for entry in target.listing(wanted.md5) if wanted.takes(entry.relpath)}
        else:
            files = {wanted.md5}
    except FileNotFoundError:
        return
    missing = [md5 for md5 in sorted(files) if not target.path(md5).is_file()]
    target.put_files(source.path(md5) for md5 in missing if source.path(md5).is_file())


def _contents(objects: Objects, files: dict[str, str]) -> Contents:
    size = sum(objects.path(md5).stat().st_size for md5 in files.values())
    md5 = files[""] if "" in files else _put_listing(objects, files)
    return Contents(files=files, size=size, md5=md5)


def _put_listing(objects: Objects, files: dict[str, str]) -> str:
    return objects.put_listing([Entry(name, md5) for name, md5 in files.items()], 0).md5


def _shown(url: str) -> str:
    return _SECRET.sub("", url)


def _failed(what: str, said: bytes, hint: str) -> ExternalToolError:
    lines = os.fsdecode(said).strip().splitlines()
    return ExternalToolError(f"{what}: {_shown(lines[-1]) if lines else 'git did not say why'}", hint=hint)
