"""A column of two tables, reduced to what its tests need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mainspring.measures.arrays import missing_values
from mainspring.measures.distribution import effective_n

Kind = Literal["numeric", "categorical", "boolean", "empty"]
Column = NDArray[Any] | Sequence[Any] | pl.Series
Table = Mapping[str, Column]

_FEW = 20
_TIMES = (date, time, timedelta)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One column of one table.

    ``rows`` counts all rows; ``worth`` is the share of independent rows among those that hold a value, ``null_worth``
    among all. Numeric columns with many values have them in ``ordered`` (finite, sorted), the others have ``counts``.
    """

    kind: Kind
    rows: int
    nulls: int = 0
    infinite: int = 0
    ordered: NDArray[Any] = field(default_factory=lambda: np.empty(0))
    counts: Mapping[Hashable, int] = field(default_factory=dict)
    worth: float = 1.0
    null_worth: float = 1.0

    @property
    def present(self) -> int:
        """Rows that hold a (finite) value."""
        return self.rows - self.nulls - self.infinite


def sample(column: str, values: Column, *, is_ordered: bool = True) -> Sample | None:
    """Reduce one column; None for dates and times, which are not compared.

    With ``is_ordered`` the order of rows is that of time, and dependence between neighbours lowers ``worth``.

    >>> sample("late", [True, False, None]).counts
    Counter({True: 1, False: 1})
    """
    text = _text(values)
    if text is not None:
        return _written(text, is_ordered)
    array = _array(column, values)
    kind = _kind(array)
    if kind == "time":
        return None
    if kind == "empty":
        return Sample(kind="empty", rows=len(array), nulls=len(array))
    return _numeric(array, is_ordered) if kind == "numeric" else _categorical(array, kind, is_ordered)


def pair(column: str, reference: Sample, current: Sample) -> tuple[Sample, Sample]:
    """Bring both sides of a column to one form: numbers with at most 20 distinct values become counts.

    :raises ValueError: text against numbers.
    """
    kinds = {reference.kind, current.kind} - {"empty"}
    if len(kinds) > 1 and kinds != {"numeric", "boolean"}:
        raise ValueError(f"column {column!r} is {reference.kind} in the reference but {current.kind} now")
    if "numeric" not in kinds:
        return reference, current
    first, second = _as_numbers(reference), _as_numbers(current)
    if _is_few_valued(first.ordered, second.ordered):
        return _as_counts(first), _as_counts(second)
    return first, second


def _as_numbers(side: Sample) -> Sample:
    if side.kind != "boolean":
        return side
    values = np.repeat([0, 1], [side.counts.get(False, 0), side.counts.get(True, 0)])
    return replace(side, kind="numeric", ordered=values, counts={})


def _text(values: Column) -> pl.Series | None:
    """Return a column of nothing but text (and None) as polars counts it; None if it holds anything else."""
    if isinstance(values, pl.Series):
        return values.cast(pl.String) if values.dtype in (pl.String, pl.Categorical, pl.Enum) else None
    if not isinstance(values, np.ndarray) or values.dtype.kind != "O" or values.ndim != 1:
        return None
    if not isinstance(next((value for value in values if value is not None), None), str):
        return None
    try:
        return pl.Series(values=values, dtype=pl.String, strict=True)
    except TypeError:
        return None


def _written(text: pl.Series, is_ordered: bool) -> Sample:
    rows, nulls = len(text), text.null_count()
    if nulls == rows:
        return Sample(kind="empty", rows=rows, nulls=rows)
    held = text.drop_nulls() if nulls else text
    table = held.rename("value").value_counts().sort("count", "value", descending=[True, False])
    counts = dict(zip(table["value"].to_list(), table["count"].to_list(), strict=True))
    worth = null_worth = 1.0
    if is_ordered:
        worth = _worth((held == table["value"][0]).to_numpy())
        null_worth = _worth(text.is_null().to_numpy()) if nulls else 1.0
    return Sample(kind="categorical", rows=rows, nulls=nulls, counts=counts, worth=worth, null_worth=null_worth)


def _array(column: str, values: Column) -> NDArray[Any]:
    array: NDArray[Any] = values if isinstance(values, np.ndarray) else np.fromiter(values, dtype=object)
    if array.ndim != 1:
        raise ValueError(f"column {column!r} must be one-dimensional, not of shape {array.shape}")
    if array.dtype.kind != "O":
        return array
    missing = missing_values(array)
    types = {type(value) for value in array[~missing].tolist()}
    if types and all(issubclass(kind, (bool, np.bool_)) for kind in types) and not missing.any():
        return array.astype(np.bool_)
    if types and all(issubclass(kind, (int, float, Decimal, np.number)) and kind is not bool for kind in types):
        filled = np.full(len(array), np.nan)
        filled[~missing] = array[~missing].astype(np.float64)
        return filled
    return array


def _kind(array: NDArray[Any]) -> Kind | Literal["time"]:
    if array.dtype.kind in "iuf":
        hollow = len(array) == 0 or (array.dtype.kind == "f" and bool(np.isnan(array).all()))
        return "empty" if hollow else "numeric"
    if array.dtype.kind in "mM":
        return "time"
    held = array[~missing_values(array)]
    if len(held) == 0:
        return "empty"
    if array.dtype.kind == "b" or all(isinstance(value, (bool, np.bool_)) for value in held[:1000]):
        return "boolean"
    return "time" if isinstance(held[0], _TIMES) else "categorical"


def _numeric(array: NDArray[Any], is_ordered: bool) -> Sample:
    ordered = np.sort(array)
    low, high, held = 0, len(ordered), len(ordered)
    if ordered.dtype.kind == "f":
        held = int(np.searchsorted(ordered, np.nan))
        low, high = int(np.searchsorted(ordered, -np.inf, "right")), int(np.searchsorted(ordered, np.inf, "left"))
    finite = ordered[low:high]
    nulls = len(array) - held
    worth = null_worth = 1.0
    if is_ordered and len(finite):
        series = array[~np.isnan(array)] if nulls else array
        worth = _worth(series > finite[len(finite) // 2 - (len(finite) > 1)])
        null_worth = _worth(np.isnan(array)) if nulls else 1.0
    return Sample(
        kind="numeric",
        rows=len(array),
        nulls=nulls,
        infinite=held - len(finite),
        ordered=finite,
        worth=worth,
        null_worth=null_worth,
    )


def _worth(mark: NDArray[np.bool_]) -> float:
    return effective_n(mark) / len(mark)


def _is_few_valued(*ordered: NDArray[Any]) -> bool:
    total = sum(len(side) for side in ordered)
    distinct: NDArray[Any] = np.empty(0)
    for side in ordered:
        changes = np.flatnonzero(side[1:] != side[:-1])
        if len(changes) >= _FEW:
            return False
        distinct = np.union1d(distinct, side[np.append(changes, len(side) - 1)] if len(side) else side)
    is_whole = bool(np.all(distinct == np.round(distinct)))
    return len(distinct) <= _FEW and (is_whole or total >= 10 * len(distinct))


def _as_counts(side: Sample) -> Sample:
    values, counts = np.unique(side.ordered, return_counts=True)
    return replace(side, ordered=np.empty(0), counts=dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _categorical(array: NDArray[Any], kind: Kind, is_ordered: bool) -> Sample:
    missing = missing_values(array)
    nulls = int(np.count_nonzero(missing))
    held = array[~missing] if nulls else array
    try:
        counts: Mapping[Hashable, int] = Counter(held.tolist())
    except TypeError:
        held = np.asarray([repr(value) for value in held], dtype=object)
        counts = Counter(held.tolist())
    worth = null_worth = 1.0
    if is_ordered and counts:
        commonest = max(counts, key=lambda category: counts[category])
        worth = _worth(np.asarray(held == commonest, dtype=np.bool_))
        null_worth = _worth(missing) if nulls else 1.0
    return Sample(kind=kind, rows=len(array), nulls=nulls, counts=counts, worth=worth, null_worth=null_worth)
