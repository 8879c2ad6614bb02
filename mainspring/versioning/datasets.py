"""Datasets by name: which file or folder they are, and their versions."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.clock import now
from mainspring.base.errors import Conflict, InvalidData, NotFound, did_you_mean
from mainspring.base.folders import alone_in
from mainspring.base.ids import new_id
from mainspring.store.links import Linker
from mainspring.versioning.contents import EMPTY, Contents, NoFiles, read_contents
from mainspring.versioning.known import DatasetVersion, known, log
from mainspring.versioning.places import is_dataset, refuse_linked, refuse_outside, refuse_taken
from mainspring.versioning.pointers import LegacyPointer, is_written_by_stage, read_pointer, write_pointer
from mainspring.versioning.records.datasets import insert_dataset_version
from mainspring.versioning.states import command
from mainspring.versioning.turns.repositories import turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.contents import Tick


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset as a pipeline gets it: where it is, which version it is, and how to read it."""

    name: str
    path: Path
    version: DatasetVersion
    time: str | None = None

    def frame(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return it as a table.

        Raises:
            InvalidData: it cannot be read; names the file.
        """
        from mainspring.versioning.tables import read_table  # with polars, which listing datasets does without

        return read_table(self.path, columns=columns)

    def scan(self) -> pl.LazyFrame:
        """Return it as a table that is not read yet."""
        from mainspring.versioning.tables import scan_table

        return scan_table(self.path)


def open_dataset(workspace: Workspace, name: str, *, add: bool = True) -> Dataset:
    """Return a dataset of the settings, as it is on disk now."""
    version = current(workspace, name, add=add)
    settings = workspace.settings.datasets.get(name)
    return Dataset(
        name=name, path=workspace.root / version.path, version=version, time=settings.time if settings else None
    )


def add(
    workspace: Workspace, target: str | Path, *, tick: Tick | None = None, linker: Linker | None = None
) -> DatasetVersion:
    """Store a dataset, given by its name or path, as its next version, and write its pointer beside it.

    Content that is the newest version's, or the one the pointer names, makes no new version. Objects first, then the
    row, then the pointer: an interrupted add is done again, and loses nothing. What a stage of ``dvc.yaml`` writes gets no
    pointer: it has ``dvc.lock``, which is DVC's. ``linker`` says how the store gets the bytes, by default as
    ``state.links`` does.

    Raises:
        NotFound: there is nothing at the path.
        Conflict: it changed while it was read, another dataset has its name, it is taken by another one or by git, or DVC is at
            work in the repository.
        UsageError: it is outside of the workspace, or a link to a folder.
    """
    name, path = locate(workspace, target)
    refuse_linked(workspace, path)
    refuse_taken(workspace, name, path)
    linker = _unshared(workspace) if _may_run(path) else linker or Linker(workspace.settings.state.links)
    with turns(workspace, reads=[path]) as take:
        contents = _stored(workspace, path, take, tick, linker)
        if not _is_pointed(path, contents.md5) and take():  # what was found in the store may be gone by now
            contents = _stored(workspace, path, take, tick, linker)
        if contents.is_folder:
            _put_listing(workspace, contents)
        with alone_in(workspace.state):
            if not is_dataset(path):  # another process may have taken its name or its place meanwhile
                locate(workspace, path)
                refuse_taken(workspace, name, path)
            version = record(workspace, name, path, contents)
            if not is_written_by_stage(path):
                write_pointer(path, contents)
        return version


def _stored(workspace: Workspace, path: Path, take: Callable[[], bool], tick: Tick | None, linker: Linker) -> Contents:
    try:
        return read_contents(workspace, path, store=True, before=take, tick=tick, linker=linker)
    except NoFiles:
        if not _is_pointed(path, EMPTY):  # what DVC added, or a stage wrote, stays what it is
            raise
        return Contents(files={}, size=0, md5=EMPTY)


def _may_run(path: Path) -> bool:
    return path.is_file() and bool(path.stat().st_mode & stat.S_IXUSR)


def _unshared(workspace: Workspace) -> Linker:
    """Return what stores a file that its owner may execute: objects may not be, so it cannot be one of them."""
    return Linker([kind for kind in workspace.settings.state.links if kind != "hardlink"])


def current(workspace: Workspace, name: str, *, add: bool = True) -> DatasetVersion:
    """Return the version of what is on disk now; if it is none, it is added, or with ``add`` off refused.

    Raises:
        NotFound: no such dataset, nothing on disk, or not added.
    """
    if add:
        return _add(workspace, name)
    name, path = locate(workspace, name)
    contents = read_contents(workspace, path)
    for version in reversed(log(workspace, name)):
        if version.md5 == contents.md5:
            return version
    raise NotFound(f"what is at {path} is no version of '{name}'", hint=f"add it: {command('add', name)}", dataset=name)


_add = add


def known_datasets(workspace: Workspace) -> dict[str, Path]:
    """Return every dataset of the settings, and every other one that was ever added, with its path."""
    found = {name: _absolute(workspace, settings.path) for name, settings in workspace.settings.datasets.items()}
    for name, versions in known(workspace).items():
        found.setdefault(name, workspace.root / versions[-1].path)
    return dict(sorted(found.items()))


def locate(workspace: Workspace, target: str | Path) -> tuple[str, Path]:
    """Return name and path of a dataset given by its name or its path.

    A path has the name that the settings give it, else the one it was added under, else its stem. Its pointer may be named, too.

    Raises:
        UsageError: the path is outside of the workspace, or its state.
        NotFound: neither a dataset nor a path.
        Conflict: another dataset has that name.
    """
    known = known_datasets(workspace)
    is_here = (
        workspace.is_dvc_repository and Path.cwd() / target in known.values()
    )  # names are paths, and this one is nearer
    if isinstance(target, str) and target in known and not is_here:
        refuse_outside(workspace, known[target])
        return target, known[target]
    path = _find(workspace, target, known)
    refuse_outside(workspace, path)
    for name, place in known.items():
        if place == path:
            return name, path
    name = path.relative_to(workspace.root).as_posix() if workspace.is_dvc_repository else path.stem
    if name in known:
        raise Conflict(
            f"the dataset '{name}' is {known[name]}, not {path}",
            hint="give this one a name of its own under `datasets:` in mainspring.yaml",
            dataset=name,
        )
    return name, path


def _find(workspace: Workspace, target: str | Path, known: dict[str, Path]) -> Path:
    given = Path(os.path.normpath(target))
    given = given.with_suffix("") if given.suffix == ".dvc" else given
    places = [given] if given.is_absolute() else [Path.cwd() / given, workspace.root / given]
    for place in places:
        if place.exists() or is_dataset(place):
            return Path(os.path.normpath(place))
    for place in places:
        if place in known.values():
            return place
    hint = did_you_mean(str(target), known) or f"known datasets: {', '.join(known) or 'none'}"
    raise NotFound(f"'{target}' is neither a dataset nor a path", hint=hint, target=str(target))


def _absolute(workspace: Workspace, path: str) -> Path:
    return Path(os.path.normpath(workspace.root / path))


def _put_listing(workspace: Workspace, contents: Contents) -> None:
    from mainspring.store.listings import Entry

    entries = [Entry(name, md5) for name, md5 in contents.files.items()]
    workspace.objects.put_listing(entries, contents.size)


def record(workspace: Workspace, name: str, path: Path, contents: Contents) -> DatasetVersion:
    """Return the version that stored contents are: the newest's or the pointer's if they are the same, or else the next one."""
    relative = path.relative_to(workspace.root).as_posix()
    same = [version for version in log(workspace, name) if (version.md5, version.path) == (contents.md5, relative)]
    if same and _pointed(path) == contents.md5:
        return same[-1]
    row = {
        "id": new_id(),
        "dataset": name,
        "path": relative,
        "md5": contents.md5,
        "size": contents.size,
        "files": len(contents.files),
        "created_at": now(),
        "actor": workspace.actor,
    }
    return msgspec.convert(insert_dataset_version(workspace, row), DatasetVersion)


def _is_pointed(path: Path, md5: str) -> bool:
    with suppress(InvalidData):  # a pointer that cannot be read is written anew
        return read_pointer(path) == md5
    return False


def _pointed(path: Path) -> str | None:
    try:
        return read_pointer(path)
    except LegacyPointer:
        return None
