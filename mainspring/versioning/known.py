"""The versions of datasets, read without opening the records where those did not change.

Opening them is most of what a quick look costs. What was read last is kept beside the index of files, with size and time
of SQLite's files; while these are the same, it is the answer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from mainspring.base import caches
from mainspring.base.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.store.workspace import Workspace

_LAYOUT = 3
_DIGITS = 6
_SETTLED_NS = 2_000_000_000


class DatasetVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a dataset at one moment; ``path`` is relative to the workspace, ``files`` a count.

    Of a Delta table, ``path`` may be an address, and ``md5`` is that of the record which says what the two last fields say.
    """

    id: str
    dataset: str
    number: int
    path: str
    md5: str
    size: int
    files: int
    created_at: int
    actor: str
    table_id: str | None = None
    table_version: int | None = None


Known = dict[str, list[DatasetVersion]]
"""Every dataset that was ever added, by name: its versions, oldest first."""


class _Kept(msgspec.Struct, array_like=True):
    layout: int
    mark: list[int]
    versions: Known


def known(workspace: Workspace) -> Known:
    """Return the versions of every dataset that was ever added."""
    kept = _kept(workspace)
    return _recorded(workspace) if kept is None else kept


def log(workspace: Workspace, name: str) -> list[DatasetVersion]:
    """Return the versions of a dataset, oldest first."""
    kept = _kept(workspace)
    return _recorded(workspace, name).get(name, []) if kept is None else kept.get(name, [])


def find(versions: Sequence[DatasetVersion], wanted: int | str) -> DatasetVersion:
    """Return one of the versions of a dataset by its number, or by the beginning of its md5: six digits at least.

    Raises:
        NotFound: there is none.
    """
    text = str(wanted).removeprefix("v")
    for version in reversed(versions):
        if text == str(version.number) or (len(text) >= _DIGITS and version.md5.startswith(text)):
            return version
    name, numbers = versions[-1].dataset, f"1 to {versions[-1].number}" if len(versions) > 1 else "1"
    raise NotFound(f"the dataset '{name}' has no version '{wanted}'", hint=f"its versions: {numbers}", dataset=name)


def _kept(workspace: Workspace) -> Known | None:
    """Return what is kept, read anew where it is out of date; None where nothing can be kept at the moment.

    It is read while nobody writes: what is being committed shows in the files before readers see it.
    """
    mark = _mark(workspace)
    if not mark:
        return None if mark is None else {}
    file = workspace.state / "index" / "datasets"
    held = caches.kept(file, _Kept)
    if held is not None and (held.layout, held.mark) == (_LAYOUT, mark):
        return held.versions
    from mainspring.store.plain import unwritten  # with SQLite, which who finds that nothing changed does without

    with unwritten(workspace) as is_still:
        mark = _mark(workspace) if is_still else None
        if not mark:
            return None
        found = _recorded(workspace)
        if mark == _mark(workspace):
            caches.keep(file, _Kept(_LAYOUT, mark, found))
        return found


def _mark(workspace: Workspace) -> list[int] | None:
    """Return size and time of SQLite's files; empty where nothing was ever recorded, None where they tell nothing.

    Times of less than two seconds ago tell nothing: a write in the same moment would not move them.
    """
    if workspace.settings.state.database is not None:
        return None
    mark: list[int] = []
    for ending in ("-wal", ""):  # a log that goes meanwhile leaves a newer database
        try:
            status = (workspace.state / f"mainspring.db{ending}").stat()
        except FileNotFoundError:
            continue
        if not status.st_size:  # a log without content, which every reader makes
            continue
        if status.st_mtime_ns > time.time_ns() - _SETTLED_NS:
            return None
        mark += [len(ending), status.st_size, status.st_mtime_ns]
    return mark


def _recorded(workspace: Workspace, name: str | None = None) -> Known:
    from mainspring.versioning.records.datasets import select_dataset_versions

    found: Known = {}
    for row in select_dataset_versions(workspace, name):
        found.setdefault(row["dataset"], []).append(msgspec.convert(row, DatasetVersion))
    return found
