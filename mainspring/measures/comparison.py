"""The tests of one column: each an effect with its floor, its p-value and the rows it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy  # `scipy.stats` loads at its first use: half a second that most commands never need
from scipy.special import betaincc

from mainspring.measures.distribution import chi2, ks, pool_rare, psi_corrected, wasserstein_scaled
from mainspring.measures.floors import DriftFloors, Method, n_for_floor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mainspring.measures.columns import Sample

_EXACT_ROWS = 2000


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One test of one column.

    ``is_enough`` tells whether there are rows enough for the floor, ``is_independent_enough`` whether there still are
    when dependent neighbours are discounted. The main test of a column is the one a "no drift" rests on.
    """

    method: Method
    effect: float
    floor: float
    p: float
    n_reference: int
    n_current: int
    n_needed: int
    is_main: bool = False
    is_enough: bool = True
    is_independent_enough: bool = True
    details: dict[str, Any] = field(default_factory=dict)


class Sides(NamedTuple):
    """The rows of the reference and of the current table, and which share of each is worth an independent row."""

    n: int
    m: int
    worth_n: float = 1.0
    worth_m: float = 1.0

    @property
    def independent(self) -> tuple[float, float]:
        """Both sizes in independent rows."""
        return self.n * self.worth_n, self.m * self.worth_m


def compare_samples(reference: Sample, current: Sample, floors: DriftFloors) -> Iterator[Comparison]:
    """Yield the tests of a column: of its values, then of its nulls, infinities, and values never seen before."""
    if reference.present and current.present:
        if len(reference.ordered):
            yield from _compare_ordered(reference, current, floors)
        else:
            yield from _compare_categories(reference, current, floors)
    nulls = (reference.nulls, current.nulls)
    if any(nulls) or not reference.present or not current.present:
        is_main = not (reference.present and current.present)
        yield compare_shares("null_share", nulls, reference, current, floors.null_share, floors.alpha, is_main)
    infinite = (reference.infinite, current.infinite)
    if any(infinite):
        yield compare_shares("infinite_share", infinite, reference, current, floors.infinite_share, floors.alpha)


def _compare_ordered(reference: Sample, current: Sample, floors: DriftFloors) -> Iterator[Comparison]:
    n, m = reference.present, current.present
    found = ks(reference.ordered, current.ordered, is_sorted=True, n=n * reference.worth, m=m * current.worth)
    lowest, highest = reference.ordered[[0, -1]]
    first, last = np.searchsorted(current.ordered, lowest, "left"), np.searchsorted(current.ordered, highest, "right")
    outside = int(first) + m - int(last)
    inside = np.clip(current.ordered, lowest, highest) if outside else current.ordered
    moved = wasserstein_scaled(reference.ordered, inside, is_sorted=True)
    details = {
        "wasserstein": moved,
        "reference_quartiles": _quartiles(reference.ordered),
        "current_quartiles": _quartiles(current.ordered),
    }
    sides = Sides(n, m, reference.worth, current.worth)
    yield sized("ks", found.d, found.p, floors.ks, floors.alpha, sides, details, is_main=True)
    if math.isfinite(moved):
        yield sized("wasserstein", moved, found.p, floors.wasserstein, floors.alpha, sides, details)
    if outside:
        facts = {"range": [float(lowest), float(highest)], "below": int(first), "above": m - int(last)}
        yield compare_outside(outside, sides, floors, facts)


def _quartiles(ordered: NDArray[Any]) -> list[float]:
    return [float(ordered[len(ordered) * k // 4]) for k in (1, 2, 3)]


def sized(
    method: Method,
    effect: float,
    p: float,
    floor: float,
    alpha: float,
    sides: Sides,
    details: dict[str, Any],
    *,
    bins: int = 10,
    is_main: bool = False,
) -> Comparison:
    """Return a two-sample test with the rows that its floor needs."""
    least = n_for_floor(floor, alpha, method, bins=bins)
    return Comparison(
        method=method,
        effect=effect,
        floor=floor,
        p=p,
        n_reference=sides.n,
        n_current=sides.m,
        n_needed=n_for_floor(floor, alpha, method, n_reference=sides.n, bins=bins),
        is_main=is_main,
        is_enough=_joint(sides.n, sides.m) >= least,
        is_independent_enough=_joint(*sides.independent) >= least,
        details=details,
    )


def _joint(n: float, m: float) -> float:
    return n * m / (n + m)


def compare_outside(outside: int, sides: Sides, floors: DriftFloors, details: dict[str, Any]) -> Comparison:
    """Return the test of the share of current values outside the reference's range."""
    needed = n_for_floor(floors.out_of_range, floors.alpha, "out_of_range")
    return Comparison(
        method="out_of_range",
        effect=outside / sides.m,
        floor=floors.out_of_range,
        p=_outside_p(outside, sides),
        n_reference=sides.n,
        n_current=sides.m,
        n_needed=needed,
        is_enough=sides.m >= needed,
        details=details,
    )


def _outside_p(outside: int, sides: Sides) -> float:
    """Return how likely so many rows fall outside the extremes of the reference, when both are of one distribution.

    The mass outside the extremes of n independent values is Beta(2, n - 1) (Wilks 1941).
    """
    n, size = max(sides.independent[0], 2.0), max(1, round(sides.independent[1]))
    count = min(size, max(1, round(outside * sides.worth_m)))
    if size <= _EXACT_ROWS:
        return float(np.clip(scipy.stats.betabinom.sf(count - 1, size, 2, n - 1), 0, 1))
    return float(betaincc(2, n - 1, count / size))


def _compare_categories(reference: Sample, current: Sample, floors: DriftFloors) -> Iterator[Comparison]:
    n, m = reference.present, current.present
    known = list(reference.counts)
    fresh = {category: count for category, count in current.counts.items() if category not in reference.counts}
    before = np.array(list(reference.counts.values()), dtype=np.float64)
    after = np.array([current.counts.get(category, 0) for category in known], dtype=np.float64)
    moves = np.abs(after / m - before / n)
    movers = [known[i] for i in np.argsort(-moves, kind="stable")[:5] if moves[i] > 0]
    details: dict[str, Any] = {
        "largest_moves": [
            {"category": str(c), "reference": reference.counts[c] / n, "current": current.counts.get(c, 0) / m}
            for c in movers
        ]
    }
    sides = Sides(n, m, reference.worth, current.worth)
    yield compare_histograms(before, after, sides, floors, details)
    if fresh:
        singles = sum(count == 1 for count in reference.counts.values())
        commonest = sorted(fresh, key=lambda category: -fresh[category])[:5]
        named = {"new": {str(category): fresh[category] for category in commonest}}
        yield compare_new(sum(fresh.values()), singles, sides, floors, named)


def compare_histograms(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    sides: Sides,
    floors: DriftFloors,
    details: dict[str, Any],
) -> Comparison:
    """Return the test of two histograms over the same bins; the corrected PSI is the effect, chi-square gives p.

    Rows that no bin counts are of categories without one; they are pooled with the rare ones.
    """
    other = sides.n - before.sum(), sides.m - after.sum()
    index = psi_corrected(*pool_rare(before, after, *other))
    discounted = before * sides.worth_n, after * sides.worth_m, other[0] * sides.worth_n, other[1] * sides.worth_m
    p = chi2(*pool_rare(*discounted)).p
    facts = {**details, "raw_psi": index.raw, "bins": index.bins}
    return sized("psi", index.value, p, floors.psi, floors.alpha, sides, facts, bins=index.bins, is_main=True)


def compare_new(count: int, singles: int, sides: Sides, floors: DriftFloors, details: dict[str, Any]) -> Comparison:
    """Return the test of categories never seen before against the share that is to be expected.

    ``singles`` categories were met once in the reference: then a share of singles / n is still unseen (Good 1953).
    """
    expected = min(1.0, (singles + 1) / sides.n)
    size = max(1, round(sides.independent[1]))
    seen = min(size, max(1, round(count * sides.worth_m)))
    needed = n_for_floor(floors.new_category, floors.alpha, "new_category", share=expected)
    return Comparison(
        method="new_category",
        effect=max(0.0, count / sides.m - expected),
        floor=floors.new_category,
        p=float(np.clip(scipy.stats.binom.sf(seen - 1, size, expected), 0, 1)),
        n_reference=sides.n,
        n_current=sides.m,
        n_needed=needed,
        is_enough=sides.m >= needed,
        details={**details, "expected_share": expected},
    )


def compare_shares(
    method: Method,
    counts: tuple[int, int],
    reference: Sample,
    current: Sample,
    floor: float,
    alpha: float,
    is_main: bool = False,
) -> Comparison:
    """Return the test of a share of all rows: of nulls, or of infinities."""
    n, m = reference.rows, current.rows
    before, after = (count / rows if rows else 0.0 for count, rows in zip(counts, (n, m), strict=True))
    needed = n_for_floor(floor, alpha, method, share=before)
    return Comparison(
        method=method,
        effect=abs(after - before),
        floor=floor,
        p=shares_p(counts, (n, m), (reference.null_worth, current.null_worth)),
        n_reference=n,
        n_current=m,
        n_needed=needed,
        is_main=is_main,
        is_enough=min(n, m) >= needed,
        is_independent_enough=min(n * reference.null_worth, m * current.null_worth) >= needed,
        details={"reference": before, "current": after},
    )


def shares_p(counts: tuple[int, int], rows: tuple[int, int], worth: tuple[float, float] = (1.0, 1.0)) -> float:
    """Return the two-sided p-value of two shares being one: chi-square, or Fisher's exact test where counts are small.

    >>> shares_p((0, 0), (100, 100)), shares_p((0, 20), (100, 100)) < 1e-5
    (1.0, True)
    """
    size = [max(1, round(n * w)) for n, w in zip(rows, worth, strict=True)]
    hits = [min(n, round(k * w)) for k, n, w in zip(counts, size, worth, strict=True)]
    total, found = sum(size), sum(hits)
    if min(rows) == 0 or found in (0, total):
        return 1.0
    if min(size) * min(found, total - found) / total >= 5:
        first, second = ([k, n - k] for k, n in zip(hits, size, strict=True))
        return chi2(first, second).p
    law = scipy.stats.hypergeom(total, found, size[1])
    return float(min(1.0, 2 * min(law.cdf(hits[1]), law.sf(hits[1] - 1))))
