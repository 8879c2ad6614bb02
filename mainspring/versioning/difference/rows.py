"""Which rows differ between two tables of any order, by key or as a whole.

Every row is reduced to one or two hashes of 64 bits, so memory is 17 bytes a row a side and what one part of the keys takes.
That two different rows of ten million have the same hash happens once in a few hundred thousand comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Collect = Callable[[pl.LazyFrame], pl.DataFrame]

_ROW, _KEY = 20, 13
_PART = 2_000_000
_LOOKED_AT = 100_000
_KEY_HASH, _ROW_HASH, _KEYED = "mainspring key", "mainspring row", "mainspring keyed"
_HASHES = {_KEY_HASH: pl.UInt64, _ROW_HASH: pl.UInt64, _KEYED: pl.Boolean}


class ChangedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that has the same key in both, and other values: column → before and after."""

    key: dict[str, Any]
    values: dict[str, tuple[Any, Any]]


class RowChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that only one side has, and by ``key`` those that changed; rows are compared in the columns ``compared``.

    ``columns`` counts in how many of the ``looked_at`` changed rows a column differs. Of the rows that differ, ``without_key``
    have a null or NaN in the key and count as added and removed, never as changed; ``repeated_keys`` is how many keys are
    there several times.
    """

    before: int
    after: int
    added: int
    removed: int
    changed: int
    key: list[str]
    compared: list[str]
    without_key: int = 0
    repeated_keys: int = 0
    columns: dict[str, int] = {}
    looked_at: int = 0
    examples_added: list[dict[str, Any]] = []
    examples_removed: list[dict[str, Any]] = []
    examples_changed: list[ChangedRow] = []

    @property
    def same(self) -> bool:
        """Whether no row differs."""
        return not (self.added or self.removed or self.changed)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a side that may differ from the other's, how they are read, and how many the side has in all."""

    lazy: pl.LazyFrame
    collect: Collect
    count: int


@dataclass(frozen=True)
class _Net:
    counts: dict[str, int]
    changed: list[int]
    added: list[int]
    removed: list[int]


def compare_rows(
    before: Rows, after: Rows, shared: Mapping[str, pl.DataType], key: Sequence[str] = (), *, examples: int = 0
) -> RowChanges:
    """Compare rows in columns that both sides have, in the types of ``shared``; without a key as a multiset of rows.

    Null equals null, NaN equals NaN and nothing else; 0.0 equals -0.0. ``examples`` is how many rows of each kind are told.

    >>> def rows(**columns):
    ...     frame = pl.DataFrame(columns)
    ...     return Rows(lazy=frame.lazy(), collect=pl.LazyFrame.collect, count=frame.height)
    >>> before, after = rows(id=[1, 2], x=[1.0, 2.0]), rows(id=[2, 3], x=[2.5, 3.0])
    >>> found = compare_rows(before, after, {"id": pl.Int64(), "x": pl.Float64()}, ["id"])
    >>> found.added, found.removed, found.changed, found.columns
    (1, 1, 1, {'x': 1})
    """
    if not shared:
        n, m = before.count, after.count
        return RowChanges(before=n, after=m, added=m, removed=n, changed=0, key=[], compared=[])
    hashes = [side.collect(_hashed(side.lazy, shared, key).select(*_HASHES)) for side in (before, after)]
    net = _net(*_without_equal_places(*hashes), examples=examples)
    told: dict[str, Any] = net.counts if key else net.counts | {"without_key": 0}
    if net.changed:
        told |= _look(before, after, shared, key, net.changed, examples)
    if examples:
        told["examples_removed"] = _told(before, shared, key, net.removed)
        told["examples_added"] = _told(after, shared, key, net.added)
    return RowChanges(before=before.count, after=after.count, key=list(key), compared=list(shared), **told)


def _hashed(lazy: pl.LazyFrame, shared: Mapping[str, pl.DataType], key: Sequence[str]) -> pl.LazyFrame:
    """Add the hash of the row and of its key; a row without a key stands for itself."""
    kinds = lazy.collect_schema()
    casts = {name: pl.col(name).cast(kind) if kinds[name] != kind else pl.col(name) for name, kind in shared.items()}
    row = pl.struct(list(casts.values())).hash(_ROW)
    if not key:
        return lazy.with_columns(row.alias(_KEY_HASH), row.alias(_ROW_HASH), pl.lit(False).alias(_KEYED))
    missing = [casts[name].is_null() for name in key]
    missing += [casts[name].is_nan().fill_null(True) for name in key if shared[name].is_float()]
    keyed = ~pl.any_horizontal(missing)
    named = pl.struct([casts[name] for name in key]).hash(_KEY)
    return lazy.with_columns(
        pl.when(keyed).then(named).otherwise(row).alias(_KEY_HASH), row.alias(_ROW_HASH), keyed.alias(_KEYED)
    )


def _without_equal_places(before: pl.DataFrame, after: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Drop rows that are the same at the same place, which most are when a table was written again."""
    common = min(before.height, after.height)
    differs = (before[_ROW_HASH].head(common) != after[_ROW_HASH].head(common)) | (
        before[_KEY_HASH].head(common) != after[_KEY_HASH].head(common)
    )
    kept = [pl.concat([side.head(common).filter(differs), side.slice(common)]) for side in (before, after)]
    return kept[0], kept[1]


def _net(before: pl.DataFrame, after: pl.DataFrame, *, examples: int) -> _Net:
    counts = dict.fromkeys(("added", "removed", "changed", "without_key", "repeated_keys"), 0)
    changed: list[int] = []
    added: list[int] = []
    removed: list[int] = []
    parts = max(1, (before.height + after.height) // _PART)
    for part in range(parts):
        mine = pl.col(_KEY_HASH) % parts == part
        both = pl.concat([before.filter(mine).with_columns(n=pl.lit(-1)), after.filter(mine).with_columns(n=pl.lit(1))])
        left = (
            both.group_by(_KEY_HASH, _ROW_HASH).agg(pl.col("n").sum(), pl.col(_KEYED).first()).filter(pl.col("n") != 0)
        )
        keys = (
            left.group_by(_KEY_HASH)
            .agg(
                gone=-pl.col("n").clip(upper_bound=0).sum(),
                came=pl.col("n").clip(lower_bound=0).sum(),
                keyed=pl.col(_KEYED).first(),
            )
            .with_columns(changed=pl.min_horizontal("gone", "came"))
        )
        sums = keys.select(
            added=(pl.col("came") - pl.col("changed")).sum(),
            removed=(pl.col("gone") - pl.col("changed")).sum(),
            changed=pl.col("changed").sum(),
            without_key=(pl.col("gone") + pl.col("came")).filter(~pl.col("keyed")).sum(),
            repeated_keys=(pl.col("keyed") & (pl.max_horizontal("gone", "came") > 1)).sum(),
        ).row(0, named=True)
        counts = {name: counts[name] + int(sums[name] or 0) for name in counts}
        single = keys.filter((pl.col("gone") == 1) & (pl.col("came") == 1))
        changed += single[_KEY_HASH].head(_LOOKED_AT - len(changed)).to_list()
        alone = left.join(keys.filter(pl.col("changed") == 0), on=_KEY_HASH, how="semi")
        added += alone.filter(pl.col("n") > 0)[_ROW_HASH].head(examples - len(added)).to_list()
        removed += alone.filter(pl.col("n") < 0)[_ROW_HASH].head(examples - len(removed)).to_list()
    return _Net(counts, changed, added, removed)


def _look(
    before: Rows, after: Rows, shared: Mapping[str, pl.DataType], key: Sequence[str], hashes: list[int], examples: int
) -> dict[str, Any]:
    """Read changed rows from both sides, and count in which columns they differ."""
    wanted = pl.Series(_KEY_HASH, hashes, dtype=pl.UInt64)
    sides = [
        side.collect(
            _hashed(side.lazy, shared, key)
            .filter(pl.col(_KEY_HASH).is_in(wanted.implode()))
            .select(_KEY_HASH, *(pl.col(name).cast(kind) for name, kind in shared.items()))
        ).sort(_KEY_HASH)
        for side in (before, after)
    ]
    others = [name for name in shared if name not in key]
    differs = {name: sides[0][name].ne_missing(sides[1][name]) for name in others}
    columns = {name: int(mask.sum()) for name, mask in differs.items()}
    shown = []
    for index in range(min(examples, sides[0].height)):
        old, new = (side.row(index, named=True) for side in sides)
        values = {name: (old[name], new[name]) for name in others if differs[name][index]}
        shown.append(ChangedRow(key={name: new[name] for name in key}, values=values))
    most = dict(sorted(((name, n) for name, n in columns.items() if n), key=lambda item: -item[1]))
    return {"columns": most, "looked_at": sides[0].height, "examples_changed": shown}


def _told(side: Rows, shared: Mapping[str, pl.DataType], key: Sequence[str], hashes: list[int]) -> list[dict[str, Any]]:
    if not hashes:
        return []
    wanted = pl.Series(_ROW_HASH, hashes, dtype=pl.UInt64)
    rows = _hashed(side.lazy, shared, key).filter(pl.col(_ROW_HASH).is_in(wanted.implode())).head(len(hashes))
    return side.collect(rows.select(pl.exclude(*_HASHES))).to_dicts()
