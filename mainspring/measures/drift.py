"""Has a column drifted? Effect, significance and sufficiency together.

A column has drifted when an effect reaches its floor, is significant after Benjamini-Hochberg over every test of the
comparison, and there are the rows that the floor needs. With too few rows, or rows too dependent on their neighbours,
the answer is ``insufficient_data``, never "no drift".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mainspring.measures.binned import ColumnCounts, compare_binned
from mainspring.measures.columns import Kind, Sample, Table, pair, sample
from mainspring.measures.comparison import Comparison, compare_samples
from mainspring.measures.distribution import benjamini_hochberg
from mainspring.measures.floors import DriftFloors, Method, n_for_floor

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ColumnCounts",
    "ColumnDrift",
    "DriftFloors",
    "compare_columns",
    "compare_counts",
    "n_for_floor",
    "read_columns",
]

Status = Literal["drift", "no_drift", "insufficient_data"]


@dataclass(frozen=True, kw_only=True)
class ColumnDrift:
    """The verdict on a column, told by its deciding test.

    ``n_reference`` and ``n_current`` count the rows of that test, ``n_needed`` the current rows its floor needs.
    ``details`` holds what was seen, every test of the column under ``tests``, ``suspected`` (an effect that would be
    drift if there were rows enough) and ``is_dependent`` (rows enough, but too dependent on their neighbours).
    """

    column: str
    kind: Kind
    verdict: Status
    method: Method
    effect: float
    floor: float
    p_value: float
    p_adjusted: float
    n_reference: int
    n_current: int
    n_needed: int
    details: dict[str, Any] = field(default_factory=dict)


def compare_columns(
    reference: Table | Mapping[str, Sample],
    current: Table,
    floors: DriftFloors | None = None,
    *,
    is_ordered: bool = True,
) -> list[ColumnDrift]:
    """Compare every column of the reference with the current table, in the reference's order.

    Numbers with many values: Kolmogorov-Smirnov, and the Wasserstein distance within the reference's range. Text,
    booleans and numbers of at most 20 distinct values: the bias-corrected PSI with a chi-square p-value. Nulls,
    infinities, values outside the reference's range and categories not seen before have tests of their own. Dates and
    times are left out, and so are columns that only the current table has. ``is_ordered`` says that rows are in order
    of time, so dependent neighbours count as fewer rows. None and NaN are nulls. A reference used again and again
    is read once by :func:`read_columns`.

    :raises ValueError: a column of the reference is missing, or is text on one side and numbers on the other.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> found = compare_columns({"x": rng.normal(size=2000)}, {"x": rng.normal(1, 1, size=2000)})
    >>> [(each.column, each.verdict, each.method) for each in found]
    [('x', 'drift', 'ks')]
    """
    limits = floors or DriftFloors()
    missing = [column for column in reference if column not in current]
    if missing:
        raise ValueError(f"columns of the reference are missing: {', '.join(missing)}")
    kinds: dict[str, Kind] = {}
    tests: dict[str, list[Comparison]] = {}
    for column, values in reference.items():
        before = values if isinstance(values, Sample) else sample(column, values, is_ordered=is_ordered)
        after = sample(column, current[column], is_ordered=is_ordered)
        if before is None or after is None:
            continue
        first, second = pair(column, before, after)
        kinds[column] = first.kind if first.kind != "empty" else second.kind
        tests[column] = list(compare_samples(first, second, limits))
    return _decide(kinds, tests, limits.alpha)


def read_columns(table: Table, *, is_ordered: bool = True) -> dict[str, Sample]:
    """Reduce a reference (sorted, counted) once, to compare many tables with it; dates and times are left out.

    >>> found = compare_columns(read_columns({"x": [1.5, 2.5, 3.5] * 200}), {"x": [1.5, 2.5, 3.5] * 200})
    >>> found[0].verdict
    'no_drift'
    """
    read = {column: sample(column, values, is_ordered=is_ordered) for column, values in table.items()}
    return {column: of_column for column, of_column in read.items() if of_column is not None}


def compare_counts(
    reference: Mapping[str, ColumnCounts], current: Mapping[str, ColumnCounts], floors: DriftFloors | None = None
) -> list[ColumnDrift]:
    """Compare columns that were counted into the same bins, as :func:`compare_columns` compares rows.

    The Kolmogorov-Smirnov distance is that at the bin edges: at most the largest bin's share below the exact one.

    :raises ValueError: a column is missing, or counted into other bins.

    >>> before = ColumnCounts(kind="boolean", counts=[700, 300])
    >>> compare_counts({"late": before}, {"late": ColumnCounts(kind="boolean", counts=[300, 700])})[0].verdict
    'drift'
    """
    limits = floors or DriftFloors()
    missing = [column for column in reference if column not in current]
    if missing:
        raise ValueError(f"columns of the reference are missing: {', '.join(missing)}")
    tests = {
        column: list(compare_binned(column, known, current[column], limits)) for column, known in reference.items()
    }
    return _decide({column: known.kind for column, known in reference.items()}, tests, limits.alpha)


def _decide(kinds: Mapping[str, Kind], tests: Mapping[str, list[Comparison]], alpha: float) -> list[ColumnDrift]:
    every = [test for of_column in tests.values() for test in of_column]
    adjusted = dict(zip(map(id, every), benjamini_hochberg([test.p for test in every]).tolist(), strict=True))
    return [_verdict(column, kinds[column], of_column, adjusted, alpha) for column, of_column in tests.items()]


def _verdict(
    column: str, kind: Kind, tests: list[Comparison], adjusted: Mapping[int, float], alpha: float
) -> ColumnDrift:
    seen = [test for test in tests if test.effect >= test.floor and adjusted[id(test)] < alpha]
    found = [test for test in seen if test.is_enough]
    main = next(test for test in tests if test.is_main)
    pool = found or seen or [main]
    deciding = main if main in pool and main.method == "ks" else max(pool, key=lambda test: test.effect / test.floor)
    verdict: Status = "no_drift"
    if found:
        verdict = "drift"
    elif seen or not (main.is_enough and main.is_independent_enough):
        verdict = "insufficient_data"
    return ColumnDrift(
        column=column,
        kind=kind,
        verdict=verdict,
        method=deciding.method,
        effect=deciding.effect,
        floor=deciding.floor,
        p_value=deciding.p,
        p_adjusted=adjusted[id(deciding)],
        n_reference=deciding.n_reference,
        n_current=deciding.n_current,
        n_needed=deciding.n_needed,
        details={
            **deciding.details,
            "suspected": bool(seen) and not found,
            "is_dependent": not main.is_independent_enough and main.is_enough,
            "tests": [
                {"method": test.method, "effect": test.effect, "floor": test.floor, "p": test.p} for test in tests
            ],
        },
    )
