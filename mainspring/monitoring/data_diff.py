"""What changed in a dataset between two of its states: files, columns, rows, and how its columns are distributed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mainspring.base.errors import UsageError, did_you_mean
from mainspring.monitoring.drift import ColumnFinding, compare
from mainspring.versioning.data import name_of
from mainspring.versioning.difference.columns import SchemaChange, compare_schemas
from mainspring.versioning.difference.files import FileChanges, apart, compare_files
from mainspring.versioning.difference.rows import RowChanges, Rows, compare_rows
from mainspring.versioning.difference.sides import Side, sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.store.workspace import Workspace

SAMPLE = 250_000


class ColumnChange(msgspec.Struct, frozen=True, kw_only=True):
    """How a column was and is distributed. Nulls (NaN too), mean, least and greatest value are of all rows.

    ``finding`` is the drift of the column with its effect, of the rows it counts in ``n_reference`` and ``n``; None where there
    is nothing to compare (moments, lists).
    """

    column: str
    nulls: tuple[int, int]
    mean: tuple[float | None, float | None] | None = None
    least: tuple[Any, Any] | None = None
    greatest: tuple[Any, Any] | None = None
    finding: ColumnFinding | None = None


class DataDiff(msgspec.Struct, frozen=True, kw_only=True):
    """The answer; ``files`` is None for a Delta table, whose files say nothing, ``rows`` and ``profile`` where there are none."""

    dataset: str
    before: str
    after: str
    files: FileChanges | None = None
    schema: list[SchemaChange] = []
    rows: RowChanges | None = None
    profile: list[ColumnChange] | None = None

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.schema or self.files_differ or (self.rows is not None and not self.rows.same))

    @property
    def files_differ(self) -> bool:
        """Whether files differ."""
        return self.files is not None and bool(self.files.added or self.files.removed or self.files.changed)


def diff(
    workspace: Workspace,
    name: str,
    before: str | None = None,
    after: str | None = None,
    *,
    key: Sequence[str] | None = None,
    profile: bool = True,
    examples: int = 0,
) -> DataDiff:
    """Compare two states of a dataset; see ``versioning.difference.sides`` for how they are named. Changes nothing.

    Rows are compared by ``key``, by default that of the dataset's settings where both states have it, else as a multiset. Only
    files that the other state does not have are read for that. The profile compares up to 250,000 rows of each side, evenly
    spread; keys have none.

    Raises:
        NotFound: no such dataset or state, or rows of it are gone.
        InvalidData, Corrupted: a state cannot be read.
        UsageError: a key was given that is no column of both.
    """
    first, second = sides(workspace, name, before, after)
    name = name_of(workspace, name)
    said: dict[str, Any] = {"dataset": name, "before": first.label, "after": second.label}
    if not (first.is_table and second.is_table):
        said["files"] = compare_files(first.parts, second.parts)
    if first.schema is None or second.schema is None:
        return DataDiff(**said)
    changes, shared = compare_schemas(first.schema, second.schema)
    settings = workspace.settings.datasets.get(name)
    keys = _keys(key, settings.key if settings else [], shared)
    names = apart(first.parts, second.parts)
    whole = [_all(side).select(pl.len()) for side in (first, second)]
    counts = [int(side.collect(each).item()) for side, each in zip((first, second), whole, strict=True)]
    pair = [
        Rows(lazy=_some(side, some), collect=side.collect, count=count)
        for side, some, count in zip((first, second), names, counts, strict=True)
    ]
    rows = compare_rows(pair[0], pair[1], shared, keys, examples=examples)
    wanted = profile and all(counts) and not (rows.same and not changes)
    described = [column for column in shared if column not in keys]
    shifts = _profile(first, second, counts, described) if wanted and described else None
    return DataDiff(**said, schema=changes, rows=rows, profile=shifts)


def _keys(given: Sequence[str] | None, settled: Sequence[str], shared: dict[str, pl.DataType]) -> list[str]:
    if given is None:
        return list(settled) if all(name in shared for name in settled) else []
    for name in given:
        if name not in shared:
            raise UsageError(
                f"the key '{name}' is no column that both states have in comparable types",
                hint=did_you_mean(name, shared) or f"they share {', '.join(shared)}",
                column=name,
            )
    return list(given)


def _all(side: Side) -> pl.LazyFrame:
    assert side.scan is not None
    return side.scan(None)


def _some(side: Side, parts: list[str]) -> pl.LazyFrame:
    assert side.scan is not None
    return side.scan(parts)


def _profile(before: Side, after: Side, counts: Sequence[int], shared: list[str]) -> list[ColumnChange]:
    pair = list(zip((before, after), counts, strict=True))
    every = [_facts(side, shared) for side, _ in pair]
    samples = [side.collect(_all(side).gather_every(-(-count // SAMPLE)).select(shared)) for side, count in pair]
    report = compare(samples[0], samples[1], ordered=False)
    findings = {finding.column: finding for finding in report.columns}
    columns = [_column(name, every[0], every[1], findings.get(name)) for name in shared]
    return sorted(columns, key=lambda each: -_weight(each.finding))


def _weight(finding: ColumnFinding | None) -> float:
    return (finding.effect or 0) / (finding.floor or 1) if finding is not None else -1


def _facts(side: Side, names: list[str]) -> dict[str, dict[str, Any]]:
    """Return what all rows come to, column by column, read in one pass."""
    assert side.schema is not None
    asked: list[pl.Expr] = []
    for name in names:
        kind, column = side.schema[name], pl.col(name)
        if kind.is_float():
            column = column.fill_nan(None)
        asked.append(column.null_count().alias(f"{name}\x00nulls"))
        if kind.is_numeric():
            asked.append(column.mean().cast(pl.Float64).alias(f"{name}\x00mean"))
        if kind.is_numeric() or kind.is_temporal():
            asked += [column.min().alias(f"{name}\x00least"), column.max().alias(f"{name}\x00greatest")]
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for label, value in side.collect(_all(side).select(asked)).row(0, named=True).items():
        name, _, fact = label.rpartition("\x00")
        found[name][fact] = value
    return found


def _column(
    name: str, before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], finding: ColumnFinding | None
) -> ColumnChange:
    pair = {
        fact: (before[name][fact], after[name][fact])
        for fact in ("mean", "least", "greatest")
        if fact in before[name] and fact in after[name]
    }
    return ColumnChange(column=name, nulls=(before[name]["nulls"], after[name]["nulls"]), finding=finding, **pair)
