"""Putting a version of a dataset back on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import NotFound, did_you_mean
from mainspring.base.files import staged
from mainspring.base.folders import make
from mainspring.store.links import Linker
from mainspring.store.seals import sealed
from mainspring.versioning.contents import (
    Contents,
    NoFiles,
    index_of,
    read_contents,
    refuse_reserved,
    remember,
    scan_files,
)
from mainspring.versioning.datasets import known_datasets, locate, record
from mainspring.versioning.displaced import files_at, refuse_changed, refuse_loss, refuse_obstacles, watch
from mainspring.versioning.index import Identity, identity
from mainspring.versioning.known import DatasetVersion, find, log
from mainspring.versioning.laying import Laying
from mainspring.versioning.places import refuse_linked
from mainspring.versioning.pointers import (
    LegacyPointer,
    is_executable,
    is_legacy,
    is_written_by_stage,
    read_pointer,
    write_pointer,
)
from mainspring.versioning.scratch import scratch
from mainspring.versioning.states import command
from mainspring.versioning.turns.repositories import alone

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.contents import Tick


def find_version(workspace: Workspace, name: str, wanted: int | str | None) -> DatasetVersion:
    """Return a version of a dataset by number, or by the beginning of its md5; None is the pointer's, else the newest.

    Raises:
        NotFound: there is none.
    """
    held = log(workspace, name)
    if not held:
        known = known_datasets(workspace)
        hint = did_you_mean(name, known) if name not in known else f"add it: {command('add', name)}"
        raise NotFound(f"the dataset '{name}' has no versions", hint=hint, dataset=name)
    if wanted is None:
        pointed = read_pointer(workspace.root / held[-1].path)
        return next((version for version in reversed(held) if version.md5 == pointed), held[-1])
    return find(held, wanted)


def checkout(
    workspace: Workspace,
    name: str | Path,
    version: int | str | None = None,
    *,
    force: bool = False,
    tick: Tick | None = None,
    linker: Linker | None = None,
) -> DatasetVersion:
    """Make a dataset on disk exactly a version of it; only files that differ are written.

    Everything is read and checked before anything on disk is touched. What would be overwritten or removed is in the
    store, sound, so nothing is lost, unless ``force`` says that it may be.

    Raises:
        NotFound: no such version, or objects of it are not in the store.
        Corrupted: objects of it are damaged; the disk is as it was.
        Refused: files on disk are in no version, or something else is in the way.
        Conflict: DVC is at work in the repository, or files on disk changed meanwhile.
    """
    name, path = locate(workspace, name)
    refuse_linked(workspace, path)
    with alone(workspace, writes=[path]):
        return _checkout(workspace, name, path, version, force=force, tick=tick, linker=linker)


def _checkout(
    workspace: Workspace,
    name: str,
    path: Path,
    version: int | str | None,
    *,
    force: bool,
    tick: Tick | None,
    linker: Linker | None,
) -> DatasetVersion:
    found = find_version(workspace, name, version) if version is not None else _pointed(workspace, name, path)
    executable = is_executable(path)
    wanted = _files(workspace, found.md5)
    present = _present(workspace, path, wanted)
    changed = {file: md5 for file, md5 in wanted.items() if present.get(file) != md5}
    leaving = [file for file in present if file not in wanted or file in changed]
    seen = watch(path, (*changed, *leaving))
    refuse_obstacles(path, changed, leaving)
    refuse_loss(workspace, path, present, leaving, force=force)
    sound = workspace.objects.all_sound(changed.values(), identity)
    laying = Laying(workspace.objects, path, changed, linker or Linker(workspace.settings.state.links), tick)
    with scratch(workspace, near=path if "" not in wanted else None) as folder:
        laying.make_aside(folder)
        if not force:
            refuse_changed(path, seen, present)
        linked = laying.put(leaving, is_folder="" not in wanted)
        if not wanted:  # a folder without files
            make(path)
    contents = Contents(files=wanted, size=found.size, md5=found.md5)
    if executable and not contents.is_folder:
        _make_executable(path)
    if wanted and seen is None and linked and not executable:  # files that are the objects themselves
        remember(workspace, path, contents, {file: sound[md5] for file, md5 in wanted.items()})
    elif wanted:
        remember(workspace, path, contents, _believed(workspace, path, wanted))
    if not is_written_by_stage(path) and (version is not None or not is_legacy(path)):
        write_pointer(path, contents)
    return found


def _believed(workspace: Workspace, path: Path, wanted: dict[str, str]) -> dict[str, Identity]:
    """Return what those files are recognised by that are surely the version's: another checkout may be at work there.

    They have the seal of their address, or were looked at and are as they were.
    """
    held = index_of(workspace, path).load()
    return {
        file: seen
        for file, seen in scan_files(path).items()
        if file in wanted
        and (
            sealed(seen[1], wanted[file])
            or (held.identities.get(file) == seen and held.addresses.get(file) == wanted[file])
        )
    }


def _pointed(workspace: Workspace, name: str, path: Path) -> DatasetVersion:
    """Return the version that the pointer names, recorded now if DVC or somebody else added it; else the newest."""
    try:
        md5 = read_pointer(path)
    except LegacyPointer as error:
        from mainspring.versioning import legacy  # rare by now

        return record(workspace, name, path, legacy.take(workspace, path, error.md5))
    if md5 is None or any(version.md5 == md5 for version in log(workspace, name)):
        return find_version(workspace, name, None)
    if not workspace.objects.has(md5):
        raise NotFound(
            f"not all of what the pointer of {path} names is in the store",
            hint=f"fetch it: {command('pull', name)}",
            md5=md5,
        )
    files = _files(workspace, md5)
    size = sum(os.stat(workspace.objects.place(file)).st_size for file in files.values())
    return record(workspace, name, path, Contents(files=files, size=size, md5=md5))


def _make_executable(path: Path) -> None:
    """Let the owner execute a file, as DVC does; one that shares the object is copied first."""
    status = path.stat()
    if status.st_mode & stat.S_IXUSR:
        return
    with staged(path, mode=status.st_mode | stat.S_IXUSR) as temporary:
        import shutil  # seldom needed, and slow to load

        shutil.copy2(path, temporary)


def _files(workspace: Workspace, md5: str) -> dict[str, str]:
    if not md5.endswith(".dir"):
        return {"": md5}
    entries = workspace.objects.listing(md5)
    refuse_reserved(md5, (entry.relpath for entry in entries))
    return {entry.relpath: entry.md5 for entry in entries}


def _present(workspace: Workspace, path: Path, wanted: dict[str, str]) -> dict[str, str]:
    """Return the files that are there, those included that are no data but stand where data belongs."""
    try:
        files = read_contents(workspace, path).files
    except (NotFound, NoFiles):
        files = {}
    return files | files_at(path, (file for file in wanted if file not in files))
