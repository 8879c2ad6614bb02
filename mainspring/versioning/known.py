"""Which datasets there are and which versions they have, without opening the records where those did not change.

Opening them is most of what a quick look costs. What was read last is kept beside the index of files, with size and time
of SQLite's files; while these are the same, it is the answer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.files import write_unsafely

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace

_LAYOUT = 1
_SETTLED_NS = 2_000_000_000


class Known(msgspec.Struct, frozen=True, array_like=True):
    """A dataset that was ever added: where it was last, whether it is a Delta table, its versions' numbers by md5."""

    path: str
    table: bool
    numbers: dict[str, int]
    newest: str


class _Kept(msgspec.Struct, array_like=True):
    layout: int
    mark: list[int]
    datasets: dict[str, Known]


def known(workspace: Workspace) -> dict[str, Known]:
    """Return every dataset that was ever added, by name."""
    mark = _mark(workspace)
    if mark == []:
        return {}
    file = workspace.state / "index" / "datasets"
    if mark is not None and (kept := _read(file)) is not None and kept.mark == mark:
        return kept.datasets
    found = _from_records(workspace)
    if mark is not None and mark == _mark(workspace):
        write_unsafely(file, msgspec.msgpack.encode(_Kept(_LAYOUT, mark, found)))
    return found


def _mark(workspace: Workspace) -> list[int] | None:
    """Return size and time of SQLite's files; empty where nothing was ever recorded, None where they tell nothing.

    Times of less than two seconds ago tell nothing: a write in the same moment would not move them.
    """
    if workspace.settings.state.database is not None:
        return None
    mark: list[int] = []
    for ending in ("", "-wal"):
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


def _read(file: Path) -> _Kept | None:
    try:
        kept = msgspec.msgpack.decode(file.read_bytes(), type=_Kept)
    except (OSError, msgspec.MsgspecError):
        return None
    return kept if kept.layout == _LAYOUT else None


def _from_records(workspace: Workspace) -> dict[str, Known]:
    from mainspring.versioning.records.datasets import select_dataset_contents

    found: dict[str, Known] = {}
    for row in select_dataset_contents(workspace.database):
        held = found.get(row.dataset)
        numbers = {} if held is None else held.numbers
        numbers[row.md5] = row.number
        found[row.dataset] = Known(row.path, row.table_id is not None, numbers, row.md5)
    return found
