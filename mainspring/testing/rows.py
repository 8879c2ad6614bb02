"""Rows that stand in two tables, and how many would by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import scipy  # `scipy.stats` loads at its first use: half a second that most commands never need
from scipy.special import gammaln

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_DIGITS = 9
_SIGNIFICANCE = 0.01
_ENOUGH_DISTINCT = 1000
_CONCENTRATION = 2.0


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Rows of one table (``n``) that stand in another one too.

    ``seen`` marks them, ``share`` is their share, ``chance`` the share that coarse columns give without any leak, and
    ``p_value`` the probability of so many or more by that chance.
    """

    seen: NDArray[np.bool_]
    share: float
    chance: float
    p_value: float
    n: int

    @property
    def excess(self) -> float:
        """Share of rows beyond what chance gives."""
        return max(0.0, self.share - self.chance)

    def is_beyond(self, allowed: float) -> bool:
        """Tell whether more rows are shared than allowed, and more than allowed beyond chance, significantly."""
        return self.share > allowed and self.excess > allowed and self.p_value < _SIGNIFICANCE


def overlap(rows: pl.DataFrame, known: pl.DataFrame, columns: Sequence[str]) -> Overlap:
    """Compare rows with known ones on the given columns, after normalising (text trimmed, 9 significant digits).

    Rows with few coarse columns repeat by themselves. That chance is estimated twice: by how many known rows have a twin
    among the known ones, and by how often a row has a twin among as many other rows (of its own table) as known ones,
    brought to the size of the known table (but to no more than twice what repeats within the tables). The larger one
    counts, so that an ordinary table of categories raises no alarm. Copies made on purpose (oversampling) inflate both;
    where a column hardly ever repeats among distinct rows, its repetition bounds the chance again.

    >>> table = pl.DataFrame({"x": [0.5, 1.5, 2.5, 3.5], "y": [0, 1, 0, 1]})
    >>> found = overlap(table.head(3), table.tail(3), ["x", "y"])
    >>> found.seen.tolist(), round(found.share, 3)
    ([False, True, True], 0.667)
    """
    of_rows, of_known = hashes([rows, known], columns)
    in_known = _twins(of_rows, of_known)
    in_rows = _twins(of_rows, of_rows) - 1
    seen = in_known > 0
    share = float(seen.mean()) if len(seen) else 0.0
    chance = _chance(share, in_known, in_rows, of_known)
    chance = float(np.clip(min(chance, _ceiling(rows, known, columns, of_rows, of_known)), 0.0, 1.0))
    p_value = float(scipy.stats.binom.sf(int(seen.sum()) - 1, len(seen), chance)) if len(seen) else 1.0
    return Overlap(seen=seen, share=share, chance=chance, p_value=p_value, n=len(seen))


def _chance(
    share: float, in_known: NDArray[np.int64], in_rows: NDArray[np.int64], of_known: NDArray[np.uint64]
) -> float:
    among_known = float((_twins(of_known, of_known) > 1).mean()) if len(of_known) else 0.0
    size, others = len(of_known), len(in_rows) - 1
    drawn = min(size, others)
    if drawn < 1:
        return among_known
    gap = _drawn_twin(in_known, size, drawn) - _drawn_twin(in_rows, others, drawn)
    among_rows = share - float(gap.mean()) * size / drawn
    repeating = max(among_known, float((in_rows > 0).mean()))
    return max(among_known, min(among_rows, _CONCENTRATION * repeating))


def _drawn_twin(twins: NDArray[np.int64], size: int, drawn: int) -> NDArray[np.float64]:
    """Return each row's probability of a twin among ``drawn`` of ``size`` rows, of which ``twins`` are twins."""
    left = size - twins
    possible = left >= drawn
    kept = np.where(possible, left, drawn).astype(np.float64)
    log_none = gammaln(kept + 1) - gammaln(kept - drawn + 1) - gammaln(size + 1) + gammaln(size - drawn + 1)
    return np.where(possible, -np.expm1(np.minimum(log_none, 0.0)), 1.0)


def _ceiling(
    rows: pl.DataFrame,
    known: pl.DataFrame,
    columns: Sequence[str],
    of_rows: NDArray[np.uint64],
    of_known: NDArray[np.uint64],
) -> float:
    """Return the least share of distinct rows whose value in one column occurs in another distinct row."""
    _, first = np.unique(np.concatenate([of_rows, of_known]), return_index=True)
    if len(first) < _ENOUGH_DISTINCT:
        return 1.0
    lowest = 1.0
    for column in columns:
        values = np.concatenate(hashes([rows, known], [column]))[first]
        _, counts = np.unique(values, return_counts=True)
        lowest = min(lowest, 1.0 - float((counts == 1).sum()) / len(first))
    return lowest


def hashes(tables: Sequence[pl.DataFrame], columns: Sequence[str]) -> list[NDArray[np.uint64]]:
    """Return a 64-bit hash for each row of each table, the same for rows equal after normalising, across the tables."""
    numbered: list[NDArray[np.uint64]] = []
    whole = {name: all(table.schema[name].is_integer() for table in tables) for name in columns}
    for table in tables:
        plain = table.select(_normalised(table.get_column(name), whole[name]) for name in columns)
        numbered.append(plain.hash_rows(seed=7).to_numpy())
    return numbered


def _normalised(column: pl.Series, whole: bool) -> pl.Series:
    dtype = column.dtype
    if whole:
        return column.cast(pl.Int64 if dtype != pl.UInt64 else pl.UInt64).cast(pl.Int128)
    if dtype.is_numeric() or dtype == pl.Boolean or dtype == pl.Null:
        return column.cast(pl.Float64).fill_nan(None).round_sig_figs(_DIGITS) + 0.0
    if dtype in (pl.Date, pl.Datetime):
        moment = column.cast(pl.Datetime("us", getattr(dtype, "time_zone", None)))
        return moment.to_physical()
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return column.cast(pl.String).str.strip_chars().str.to_lowercase()
    return pl.Series(
        column.name, [None if value is None else repr(value) for value in column.to_list()], dtype=pl.String
    )


def _twins(of: NDArray[np.uint64], among: NDArray[np.uint64]) -> NDArray[np.int64]:
    if len(among) == 0:
        return np.zeros(len(of), dtype=np.int64)
    values, counts = np.unique(among, return_counts=True)
    place = np.minimum(np.searchsorted(values, of), len(values) - 1)
    return np.where(values[place] == of, counts[place], 0).astype(np.int64)
