"""Which pinned versions of a Delta table still have rows that fit a condition, although the table has none any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from mainspring.base.errors import NotFound
from mainspring.versioning.delta.conditions import BadCondition, fitting, read_condition
from mainspring.versioning.delta.identity import pinned
from mainspring.versioning.delta.opening import open_table
from mainspring.versioning.delta.reading import collected, scan, scan_some, schema_of, splits
from mainspring.versioning.known import log

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.delta.conditions import Condition
    from mainspring.versioning.delta.sources import Source

_FILE = "mainspring file"


class Remains(msgspec.Struct, frozen=True, kw_only=True):
    """A pinned version of a table, and the dataset versions that name it; ``rows`` is None where it has not all the columns."""

    version: int
    numbers: list[int]
    rows: int | None


def remains(workspace: Workspace, source: Source, where: str) -> list[Remains]:
    """Return the pinned versions that have rows which fit a condition, newest first. Each file is read once.

    Versions whose files are gone have no rows.

    Raises:
        NotFound, Corrupted, StorageError: the table cannot be read.
        InvalidData: a file of a version cannot be read.
    """
    versions = pinned(workspace, source, str(open_table(source).metadata().id))
    numbers: dict[int, list[int]] = {}
    for each in log(workspace, source.name):
        if each.table_version is not None and versions.get(each.table_version) == each.table_id:
            numbers.setdefault(each.table_version, []).append(each.number)
    found: list[Remains] = []
    files: dict[str, int] = {}
    for version in sorted(versions, reverse=True):
        try:
            table = open_table(source, version)
            rows: int | None = _count(source, table, read_condition(where, schema_of(table), table=source.shown), files)
        except BadCondition:
            rows = None
        except NotFound:
            continue
        if rows != 0:
            found.append(Remains(version=version, numbers=numbers.get(version, []), rows=rows))
    return found


def _count(source: Source, table: DeltaTable, condition: Condition, files: dict[str, int]) -> int:
    """Count the rows that fit; ``files`` is what is known of single files, and learns of others."""
    if not splits(table):
        some = fitting(scan(source, table).select(condition.columns), condition).select(pl.len())
        return int(collected(source, table.version(), lambda: some.collect(engine="streaming")).item())
    uris = table.file_uris()
    fresh = [uri for uri in uris if uri not in files]
    rows = scan_some(table, fresh, file=_FILE).select(_FILE, *condition.columns)
    counts = fitting(rows, condition).group_by(_FILE).len()
    told = dict(collected(source, table.version(), lambda: counts.collect(engine="streaming")).iter_rows())
    files.update({uri: told.get(uri, 0) for uri in fresh})
    return sum(files[uri] for uri in uris)
