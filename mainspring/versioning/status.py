"""How datasets on disk compare with their versions; asked often, so it loads and reads as little as it can."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import Conflict, Corrupted, InvalidData, MainspringError, StorageError
from mainspring.base.files import disk_error
from mainspring.versioning.contents import EMPTY, NoFiles, address_of, read_contents
from mainspring.versioning.known import known
from mainspring.versioning.pointers import LegacyPointer, read_origin, read_pointer
from mainspring.versioning.states import DatasetStatus, command, compare

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.contents import Tick
    from mainspring.versioning.known import DatasetVersion
    from mainspring.versioning.states import Remedy, State


def status(workspace: Workspace, *, tick: Tick | None = None) -> list[DatasetStatus]:
    """Return how every dataset compares with its version, by name; changes nothing.

    What pointers name that nobody here has added yet, as after ``git pull``, goes by its path.

    Whether the stored files of a version are there is looked at where something differs (they may be on a remote), and
    never whether they are whole: that is what ``verify`` does.
    """
    recorded = known(workspace)
    declared = {name: settings.path for name, settings in workspace.settings.datasets.items()}
    paths = {name: versions[-1].path for name, versions in recorded.items()} | declared
    if not workspace.is_dvc_repository:
        paths = _pointed(workspace, paths) | paths
    told = []
    for name, path in sorted(paths.items()):
        found = recorded.get(name, [])
        if _may_be_table(workspace, name, path, found):
            table = _of_table(workspace, name)
            if table is not None:
                told.append(table)
                continue
        told.append(_of_files(workspace, name, Path(os.path.normpath(workspace.root / path)), found, tick))
    return told


def _pointed(workspace: Workspace, paths: dict[str, str]) -> dict[str, str]:
    from mainspring.base.settings.dvc import find_outs

    found = {os.path.relpath(path, workspace.root) for path in find_outs(workspace.root)}
    return {path: path for path in found - {os.path.normpath(path) for path in paths.values()}}


def _may_be_table(workspace: Workspace, name: str, path: str, found: list[DatasetVersion]) -> bool:
    settings = workspace.settings.datasets.get(name)
    declared = settings is not None and (settings.table is not None or "://" in path)
    return (
        declared
        or (bool(found) and found[-1].table_id is not None)
        or os.access(workspace.root / path / "_delta_log", os.F_OK)  # which one may not look for is none
    )


def _of_table(workspace: Workspace, name: str) -> DatasetStatus | None:
    from mainspring.versioning.delta import sources, versions  # with polars and deltalake

    try:
        table = sources.find(workspace, name)
    except MainspringError as error:
        return DatasetStatus(dataset=name, path=name, state="damaged", problem=error.message)
    if table is None:
        return None
    found = versions.status(workspace, table)
    return msgspec.structs.replace(found, remedy="add") if found.state in {"not added", "modified"} else found


def _of_files(
    workspace: Workspace, name: str, path: Path, found: list[DatasetVersion], tick: Tick | None
) -> DatasetStatus:
    shown = path.relative_to(workspace.root).as_posix() if path.is_relative_to(workspace.root) else str(path)
    try:
        try:
            return _compared(workspace, name, path, shown, found, tick)
        except LegacyPointer as error:
            return _of_legacy(workspace, name, path, shown, error.md5, tick)
    except (InvalidData, Corrupted, StorageError) as error:
        return DatasetStatus(dataset=name, path=shown, state="damaged", problem=error.message)
    except Conflict as error:  # somebody writes it at this moment
        return DatasetStatus(dataset=name, path=shown, state="modified", problem=error.message)
    except OSError as error:
        unread = disk_error(error, Path(error.filename or path), doing="read")
        return DatasetStatus(dataset=name, path=shown, state="damaged", problem=unread.message)


def _of_legacy(workspace: Workspace, name: str, path: Path, shown: str, md5: str, tick: Tick | None) -> DatasetStatus:
    from mainspring.versioning import legacy  # rare by now

    if not path.exists():
        hint = f"restore it: {command('checkout', name)}"
        return DatasetStatus(dataset=name, path=shown, state="missing", md5=md5, problem=hint, remedy="checkout")
    hint = f"a pointer of an old DVC; bring it up to date: {command('add', name)}"
    differs = legacy.compare(workspace, path, md5, tick=tick)
    if differs is None:
        return DatasetStatus(dataset=name, path=shown, state="up to date", md5=md5, problem=hint, remedy="add")
    added, modified, deleted = compare(*differs)
    return DatasetStatus(
        dataset=name, path=shown, state="modified", md5=md5, added=added, modified=modified, deleted=deleted,
        problem=hint, remedy="add",
    )  # fmt: skip


def _compared(
    workspace: Workspace, name: str, path: Path, shown: str, found: list[DatasetVersion], tick: Tick | None
) -> DatasetStatus:
    wanted = read_pointer(path) or (found[-1].md5 if found else None)
    numbers = {version.md5: version.number for version in found}

    def said(
        state: State,
        remedy: Remedy | None = None,
        problem: str | None = None,
        changes: tuple[int, int, int] = (0, 0, 0),
    ) -> DatasetStatus:
        added, modified, deleted = changes
        return DatasetStatus(
            dataset=name, path=shown, state=state, number=numbers.get(wanted or ""), md5=wanted,
            added=added, modified=modified, deleted=deleted, problem=problem, remedy=remedy,
        )  # fmt: skip

    if wanted is None:
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            return said("not added", "add", f"add it: {command('add', name)}")
        is_noted = bool(read_origin(path))  # by an import that has not downloaded anything yet
        return said(
            "missing", problem=f"import it: mainspring data import {name}" if is_noted else "nothing is at its path"
        )
    is_here = workspace.objects.path(wanted).is_file()
    present = _present(workspace, path, tick)
    if present is None or present == EMPTY != wanted:
        if is_here:
            return said("missing", "checkout", f"restore it: {command('checkout', name)}")
        return said("missing", "pull", f"get it: {command('pull', name)}")
    if present == wanted:
        lost = f"the version is not in the store; add the data again: {command('add', name)}"
        return said("up to date") if is_here else said("damaged", "add", lost)
    is_whole = is_here and workspace.objects.has(wanted)
    remedy: Remedy = "checkout" if present in numbers else "add"  # what pointer is on disk came with git, or by hand
    problem = None
    if not is_whole:
        remedy, problem = "pull", f"not all of the version is in the store; get it: {command('pull', name)}"
    if not wanted.endswith(".dir"):
        return said("modified", remedy, problem, (0, 1, 0))
    if not is_here:
        return said("modified", remedy, problem)
    before = {entry.relpath: entry.md5 for entry in workspace.objects.listing(wanted)}
    return said("modified", remedy, problem, compare(before, read_contents(workspace, path).files))


def _present(workspace: Workspace, path: Path, tick: Tick | None) -> str | None:
    """Return the address of what is at a path; None where nothing is."""
    if not path.exists():
        return None
    try:
        return address_of(workspace, path, tick=tick)
    except NoFiles:
        return EMPTY
