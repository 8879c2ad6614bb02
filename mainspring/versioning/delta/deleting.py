"""Rows that leave a Delta table; the versions before still have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from mainspring.base.errors import Refused, UsageError
from mainspring.versioning.delta.committing import again, check_free, check_takes_changes, commit_options, conflict
from mainspring.versioning.delta.conditions import fitting, read_condition
from mainspring.versioning.delta.history import OPERATION
from mainspring.versioning.delta.opening import check_follows, open_table, translated
from mainspring.versioning.delta.pins import read_pointer
from mainspring.versioning.delta.reading import collected, scan, schema_of
from mainspring.versioning.delta.schemas import quoted
from mainspring.versioning.delta.versions import last_pin

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.delta.conditions import Condition
    from mainspring.versioning.delta.sources import Source

_COUNT = "mainspring count"


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows went, of how many, and the table's version without them; if none fitted, nothing was committed."""

    version: int
    rows: int
    before: int


def delete(
    workspace: Workspace,
    source: Source,
    where: str | None,
    *,
    everything: bool = False,
    dry_run: bool = False,
    run_id: str | None = None,
) -> Deletion:
    """Delete the rows that fit a condition (see ``conditions.read_condition``), or with ``everything`` and no condition all.

    After another commit it is done again on top of that, with what fits then. With ``dry_run`` it is only counted.

    Raises:
        UsageError: no condition, or one that cannot be read; nothing was committed.
        Refused: a version of the dataset is held, the table only takes rows, or all rows fit and ``everything`` does not say so.
        Conflict: another table lies there now, its log was put back, or others left no gap to commit in.
        NotFound, Corrupted, StorageError: as ``open_table``.
    """
    if where is None and not everything:
        raise UsageError(
            f"which rows of '{source.name}' are to go was not said",
            hint=f'mainspring data delete {source.name} --where "id = 7", or --all for every row',
            dataset=source.name,
        )
    check_free(source)
    if (before := last_pin(workspace, source, read_pointer(source))) is not None:
        check_follows(source, before, open_table(source))
    return again(lambda: _delete(workspace, source, where, everything=everything, dry_run=dry_run, run_id=run_id))


def _delete(
    workspace: Workspace, source: Source, where: str | None, *, everything: bool, dry_run: bool, run_id: str | None
) -> Deletion:
    table = open_table(source)
    check_takes_changes(source, table)
    condition = None if where is None else read_condition(where, schema_of(table), table=source.shown)
    count = int(collected(source, table.version(), scan(source, table).select(pl.len()).collect).item())
    found = pl.DataFrame({_COUNT: [count]}) if condition is None else _found(source, table, condition)
    rows = int(found[_COUNT].sum())
    if rows and rows == count and not everything:
        raise Refused(
            f"all {count:,} rows of {source.shown} fit the condition",
            hint="say --all as well, if every row is to go",
            table=source.shown,
            rows=count,
        )
    if rows and not dry_run:
        _commit(workspace, source, table, found.drop(_COUNT), run_id)
    return Deletion(version=table.version(), rows=rows, before=count)


def _found(source: Source, table: DeltaTable, condition: Condition) -> pl.DataFrame:
    """Return what the rows that fit have in the columns that are asked for, and how many there are of each."""
    rows = fitting(scan(source, table).select(condition.columns), condition)
    counted = rows.group_by(condition.columns).agg(pl.len().alias(_COUNT))
    return collected(source, table.version(), lambda: counted.collect(engine="streaming"))


def _commit(workspace: Workspace, source: Source, table: DeltaTable, found: pl.DataFrame, run_id: str | None) -> None:
    """Delete every row that has one of these values; without columns, all rows."""
    from deltalake.exceptions import CommitFailedError

    options = commit_options(workspace, run_id, more={OPERATION: "delete"})
    with translated(source, doing="written"):
        try:
            if not found.columns:
                table.delete(**options)
                return
            merging = table.merge(
                _with_both_zeros(found),
                predicate=" AND ".join(_same(found[name]) for name in found.columns),
                source_alias="source",
                target_alias="target",
                **options,
            )
            merging.when_matched_delete().execute()
        except CommitFailedError as error:
            raise conflict(source, error) from error


def _with_both_zeros(found: pl.DataFrame) -> pl.DataFrame:
    """Add -0.0 for 0.0 and the other way round: they are equal, and not found by each other."""
    for name, kind in found.schema.items():
        if kind.is_float():
            is_zero = (pl.col(name) == 0).fill_null(False)
            zeros = [found.filter(is_zero).with_columns(pl.lit(zero, kind).alias(name)) for zero in (0.0, -0.0)]
            found = pl.concat([found.filter(~is_zero), *zeros])
    return found


def _same(values: pl.Series) -> str:
    """Say that a column has one of these values; whole numbers with their range, so that other files are not read."""
    name = quoted(values.name)
    said = f"(target.{name} IS NOT DISTINCT FROM source.{name})"
    if values.dtype.is_integer() and not values.null_count():
        said += f" AND target.{name} >= {values.min()!r} AND target.{name} <= {values.max()!r}"
    return said
