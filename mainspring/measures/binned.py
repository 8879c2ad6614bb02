"""Columns that arrive as counts over the bins of a reference profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.measures.arrays import floats
from mainspring.measures.columns import Kind, Sample
from mainspring.measures.comparison import (
    Comparison,
    Sides,
    compare_histograms,
    compare_new,
    compare_outside,
    compare_shares,
    sized,
)
from mainspring.measures.distribution import ks_p

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mainspring.measures.floors import DriftFloors


@dataclass(frozen=True, kw_only=True)
class ColumnCounts:
    """How often each bin of a column was met.

    Numeric columns with many values have ``edges`` (one more than bins, ascending), and count values outside them in
    ``below`` and ``above``. The others have one bin a category (the reference's categories, in its order) and count
    categories that the reference does not have in ``new``. ``rare`` counts the reference's categories met once.
    ``worth`` is the share of the rows that are worth an independent one.
    """

    kind: Kind
    counts: Sequence[int] | NDArray[np.int64]
    edges: Sequence[float] | NDArray[np.float64] | None = None
    below: int = 0
    above: int = 0
    new: int = 0
    nulls: int = 0
    infinite: int = 0
    rare: int = 0
    worth: float = 1.0

    @property
    def present(self) -> int:
        """Rows that hold a finite value."""
        return int(np.sum(self.counts)) + self.below + self.above + self.new


def compare_binned(
    column: str, reference: ColumnCounts, current: ColumnCounts, floors: DriftFloors
) -> Iterator[Comparison]:
    """Yield the tests of a column."""
    if len(reference.counts) != len(current.counts) or (reference.edges is None) != (current.edges is None):
        raise ValueError(f"column {column!r} was counted into other bins than its reference")
    edges = [None if each.edges is None else floats(each.edges, "edges") for each in (reference, current)]
    if edges[0] is not None and edges[1] is not None and not np.array_equal(edges[0], edges[1]):
        raise ValueError(f"column {column!r} was counted with other edges than its reference")
    sides = Sides(reference.present, current.present, reference.worth, current.worth)
    if sides.n and sides.m:
        yield from (_compare_edges if reference.edges is not None else _compare_bins)(reference, current, sides, floors)
    samples = [
        Sample(kind=each.kind, rows=each.present + each.nulls + each.infinite, nulls=each.nulls, null_worth=each.worth)
        for each in (reference, current)
    ]
    if reference.nulls or current.nulls or not sides.n or not sides.m:
        is_main, counts = not (sides.n and sides.m), (reference.nulls, current.nulls)
        yield compare_shares("null_share", counts, samples[0], samples[1], floors.null_share, floors.alpha, is_main)
    if reference.infinite or current.infinite:
        counts = (reference.infinite, current.infinite)
        yield compare_shares("infinite_share", counts, samples[0], samples[1], floors.infinite_share, floors.alpha)


def _compare_edges(
    reference: ColumnCounts, current: ColumnCounts, sides: Sides, floors: DriftFloors
) -> Iterator[Comparison]:
    edges = floats(reference.edges if reference.edges is not None else (), "edges")
    upto = [
        (each.below + np.cumsum(np.concatenate(([0], each.counts)))) / each.present for each in (reference, current)
    ]
    gaps = np.abs(upto[0] - upto[1])
    distance = float(np.max(gaps))
    details: dict[str, Any] = {"bins": len(edges) - 1}
    p = ks_p(distance, *sides.independent)
    yield sized("ks", distance, p, floors.ks, floors.alpha, sides, details, is_main=True)
    middles, shares = (edges[1:] + edges[:-1]) / 2, np.diff(upto[0])
    mean = float(shares @ middles) / float(shares.sum())
    spread = float(np.sqrt(shares @ (middles - mean) ** 2 / shares.sum()))
    if spread > 0:
        moved = float((gaps[1:] + gaps[:-1]) / 2 @ np.diff(edges)) / spread
        details["wasserstein"] = moved
        yield sized("wasserstein", moved, p, floors.wasserstein, floors.alpha, sides, details)
    outside = current.below + current.above
    if outside and not reference.below and not reference.above:
        facts = {"range": [float(edges[0]), float(edges[-1])], "below": current.below, "above": current.above}
        yield compare_outside(outside, sides, floors, facts)


def _compare_bins(
    reference: ColumnCounts, current: ColumnCounts, sides: Sides, floors: DriftFloors
) -> Iterator[Comparison]:
    before, after = (np.asarray(each.counts, dtype=np.float64) for each in (reference, current))
    yield compare_histograms(before, after, sides, floors, {})
    if current.new and not reference.new:
        yield compare_new(current.new, reference.rare, sides, floors, {"new_rows": current.new})
