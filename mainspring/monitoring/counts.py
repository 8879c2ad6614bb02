"""Counts of values on fixed bins, which add up: over batches, over workers, over days."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from mainspring.base.errors import InvalidData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class ColumnCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many values fell in each bin, and how many in none.

    ``below`` and ``above`` are out of the reference's range (infinities too); ``unlisted`` are values of no listed
    category, or of a type that cannot be compared. All together are the rows.
    """

    bins: list[int]
    nulls: int
    below: int = 0
    above: int = 0
    unlisted: int = 0

    @property
    def rows(self) -> int:
        """The number of values counted, nulls included."""
        return sum(self.bins) + self.nulls + self.below + self.above + self.unlisted

    def __add__(self, other: ColumnCounts) -> ColumnCounts:
        """Add counts made on the same bins.

        >>> ColumnCounts(bins=[1, 2], nulls=0) + ColumnCounts(bins=[0, 1], nulls=3)
        ColumnCounts(bins=[1, 3], nulls=3, below=0, above=0, unlisted=0)
        """
        if len(self.bins) != len(other.bins):
            raise InvalidData(f"counts on {len(self.bins)} bins cannot be added to counts on {len(other.bins)}")
        return ColumnCounts(
            bins=[a + b for a, b in zip(self.bins, other.bins, strict=True)],
            nulls=self.nulls + other.nulls,
            below=self.below + other.below,
            above=self.above + other.above,
            unlisted=self.unlisted + other.unlisted,
        )


class TableCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of several columns of one table."""

    rows: int
    columns: dict[str, ColumnCounts]

    def __add__(self, other: TableCounts) -> TableCounts:
        """Add the counts of another table; both must have been made by the same profile.

        Raises:
            InvalidData: they hold different columns or bins.
        """
        if self.columns.keys() != other.columns.keys():
            differing = sorted(self.columns.keys() ^ other.columns.keys())
            raise InvalidData(f"counts of different columns cannot be added: {', '.join(differing)}", columns=differing)
        added = {name: held + other.columns[name] for name, held in self.columns.items()}
        return TableCounts(rows=self.rows + other.rows, columns=added)


def count_numbers(values: pl.Series, edges: NDArray[np.float64]) -> ColumnCounts:
    """Count numbers on edges, ``[edges[i], edges[i+1])`` with the last bin closed; NaN is null.

    >>> count_numbers(pl.Series([0.0, 1.0, 2.0, 9.0, None]), np.array([0.0, 1.0, 2.0]))
    ColumnCounts(bins=[1, 2], nulls=1, below=0, above=1, unlisted=0)
    """
    as_float = _numbers(values)
    numbers = as_float.fill_nan(None).drop_nulls().to_numpy()
    below = int(np.count_nonzero(numbers < edges[0]))
    above = int(np.count_nonzero(numbers > edges[-1]))
    inside = numbers[(numbers >= edges[0]) & (numbers <= edges[-1])]
    bins = np.bincount(np.searchsorted(edges[1:-1], inside, side="right"), minlength=len(edges) - 1)
    unlisted = as_float.null_count() - values.null_count()
    nulls = len(values) - len(numbers) - unlisted
    return ColumnCounts(bins=bins.tolist(), nulls=nulls, below=below, above=above, unlisted=unlisted)


def _numbers(values: pl.Series) -> pl.Series:
    if values.dtype.is_nested() or values.dtype in (pl.Categorical, pl.Enum, pl.Binary, pl.Object):
        return pl.Series(values.name, [None] * len(values), dtype=pl.Float64)
    return values.cast(pl.Float64, strict=False)


def count_values(values: pl.Series, categories: Sequence[str], *, listed: bool) -> ColumnCounts:
    """Count values by their text; ``listed`` says that a value of no category is unlisted, otherwise one bin holds all.

    >>> count_values(pl.Series(["a", "b", "z"]), ["b", "a"], listed=True)
    ColumnCounts(bins=[1, 1], nulls=0, below=0, above=0, unlisted=1)
    """
    if values.dtype.is_float():
        values = values.fill_nan(None)
    present = values.drop_nulls()
    nulls = len(values) - len(present)
    if not listed or values.dtype.is_nested():
        return ColumnCounts(bins=[] if listed else [len(present)], nulls=nulls, unlisted=len(present) if listed else 0)
    found = dict(present.cast(pl.String).alias("value").value_counts().iter_rows())
    bins = [int(found.get(category, 0)) for category in categories]
    return ColumnCounts(bins=bins, nulls=nulls, unlisted=len(present) - sum(bins))
