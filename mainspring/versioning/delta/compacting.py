"""Writing many small files of a Delta table as few large ones. No row changes, so no version of a dataset comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import InvalidData, did_you_mean
from mainspring.versioning.delta.committing import again, check_free, commit_options, conflict
from mainspring.versioning.delta.opening import check_follows, open_table, translated
from mainspring.versioning.delta.pins import read_pointer
from mainspring.versioning.delta.reading import schema_of
from mainspring.versioning.delta.versions import last_pin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deltalake import DeltaTable

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.delta.sources import Source

_MEMORY = 512_000_000


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """How many files a table has now and had before, and its version; if nothing was to be done, nothing was committed."""

    version: int
    files: int
    before: int


def compact(workspace: Workspace, source: Source, *, by: Sequence[str] = (), run_id: str | None = None) -> Compaction:
    """Write small files together, of each partition its own, until they have some 100 MB (``delta.targetFileSize``).

    With columns to go ``by``, all files are written anew in the order of a space-filling curve over them (Z-order), so that
    who asks for a range of one has few files to read. Files of before stay as long as pinned versions need them. It takes up
    to 512 MB of memory beside what it reads, and goes on on disk.

    Raises:
        InvalidData: a column to go by is none, parts the table, or has a point in its name; or a part of it is an empty text.
        Refused: a version of the dataset is held.
        Conflict: another table lies there now, its log was put back, or others left no gap to commit in.
        NotFound, Corrupted, StorageError: as ``open_table``.
    """
    check_free(source)
    table = open_table(source)
    if (before := last_pin(workspace, source, read_pointer(source))) is not None:
        check_follows(source, before, table)
    _check_order(source, table, by)
    _check_parts(source, table)
    return again(lambda: _compact(workspace, source, by, run_id))


def _check_order(source: Source, table: DeltaTable, by: Sequence[str]) -> None:
    names = list(schema_of(table))
    for name in by:
        if name not in names:
            raise InvalidData(
                f"{source.shown} has no column '{name}'",
                hint=did_you_mean(name, names) or f"it has {', '.join(names[:20])}",
                column=name,
            )
        if name in table.metadata().partition_columns:
            raise InvalidData(f"'{name}' parts {source.shown} already", hint="go by other columns", column=name)
        if "." in name:
            raise InvalidData(
                f"files cannot be ordered by '{name}': the library takes the point for a field of a column",
                hint="go by other columns",
                column=name,
            )


def _check_parts(source: Source, table: DeltaTable) -> None:
    """Refuse a table that is parted by an empty text: the library would write it as null."""
    for part in table.partitions():
        if empty := [name for name, value in part.items() if value == ""]:
            raise InvalidData(
                f"{source.shown} is parted by '{empty[0]}', where some rows have an empty text: compacted, it would be null",
                hint="give those rows another value; no file was touched",
                column=empty[0],
            )


def _compact(workspace: Workspace, source: Source, by: Sequence[str], run_id: str | None) -> Compaction:
    from deltalake.exceptions import CommitFailedError

    table = open_table(source)
    before = len(table.file_uris())
    options = commit_options(workspace, run_id) | {"max_spill_size": _MEMORY}
    with translated(source, doing="written"):
        try:
            if by:
                table.optimize.z_order(list(by), **options)
            else:
                table.optimize.compact(**options)
        except CommitFailedError as error:
            raise conflict(source, error) from error
    return Compaction(version=table.version(), files=len(table.file_uris()), before=before)
