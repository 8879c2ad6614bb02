"""The verdict on a column: effect, significance and sufficiency together."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.measures.drift import (
    ColumnCounts,
    ColumnDrift,
    DriftFloors,
    compare_columns,
    compare_counts,
    n_for_floor,
    read_columns,
)

RNG = np.random.default_rng(7)
Series = Callable[[int, float, np.random.Generator], np.ndarray]


def one(reference: Any, current: Any, **options: Any) -> ColumnDrift:
    (found,) = compare_columns({"x": reference}, {"x": current}, **options)
    return found


def test_a_tiny_shift_of_a_million_rows_is_no_drift() -> None:
    rng = np.random.default_rng(17)
    found = one(rng.normal(size=1_000_000), rng.normal(0.01, 1, size=1_000_000))
    assert found.p_value < 1e-4
    assert (found.verdict, found.method) == ("no_drift", "ks")


@pytest.mark.parametrize(
    ("current", "method"),
    [
        (RNG.normal(0.4, 1, 4000), "ks"),
        (RNG.normal(0, 2, 4000), "ks"),
        (np.where(RNG.random(4000) < 0.2, np.nan, RNG.normal(size=4000)), "null_share"),
        (np.where(RNG.random(4000) < 0.04, np.inf, RNG.normal(size=4000)), "infinite_share"),
        (np.where(RNG.random(4000) < 0.04, 1000.0, 1.0) * RNG.normal(size=4000), "out_of_range"),
    ],
)
def test_planted_drifts_of_numbers_are_found(current: np.ndarray, method: str) -> None:
    rng = np.random.default_rng(17)
    found = one(rng.normal(size=4000), current)
    assert (found.verdict, found.method) == ("drift", method)
    assert found.effect >= found.floor
    assert found.p_adjusted < 0.01


def test_far_moves_within_the_range_are_found() -> None:
    rng = np.random.default_rng(17)
    reference = np.concatenate((rng.normal(0, 1, 3900), rng.normal(8, 1, 100)))
    current = np.concatenate((rng.normal(0, 1, 3600), rng.normal(8, 1, 400)))
    found = one(reference, rng.permutation(current))
    assert (found.verdict, found.method) == ("drift", "wasserstein")


@pytest.mark.parametrize(
    ("reference", "current", "method"),
    [
        (RNG.random(3000) < 0.28, RNG.random(3000) < 0.1, "psi"),
        (RNG.choice(["a", "b", "c"], 3000), RNG.choice(["a", "b", "c"], 3000, p=[0.7, 0.2, 0.1]), "psi"),
        (RNG.choice(["a", "b"], 3000), RNG.choice(["a", "b", "z"], 3000, p=[0.49, 0.49, 0.02]), "new_category"),
        (RNG.integers(0, 5, 3000), RNG.integers(0, 3, 3000), "psi"),
        ([None, "a"] * 500, ["a", "a"] * 500, "null_share"),
        (np.ones(500), np.zeros(500), "psi"),
        (np.full(500, np.nan), np.ones(500), "null_share"),
    ],
)
def test_planted_drifts_of_categories_are_found(reference: Any, current: Any, method: str) -> None:
    found = one(reference, current)
    assert (found.verdict, found.method) == ("drift", method)


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        (RNG.normal(size=3000), RNG.normal(size=2000)),
        (RNG.lognormal(0, 2, 3000), RNG.lognormal(0, 2, 3000)),
        (RNG.standard_cauchy(3000), RNG.standard_cauchy(3000)),
        (np.ones(500), np.ones(500)),
        (np.full(500, np.nan), np.full(400, np.nan)),
        ([f"id-{i}" for i in range(3000)], [f"id-{i}" for i in range(3000, 6000)]),
        (RNG.choice([f"c{i}" for i in range(1000)], 10_000), RNG.choice([f"c{i}" for i in range(1000)], 10_000)),
        (RNG.zipf(1.3, 5000).astype(str), RNG.zipf(1.3, 5000).astype(str)),
        (RNG.integers(0, 7, 3000), RNG.integers(0, 7, 3000)),
        (RNG.integers(0, 2, 3000), RNG.random(3000) < 0.5),
        (RNG.random(3000) < 0.5, [True, False] * 1500),
        (RNG.integers(0, 10**12, 3000), RNG.integers(0, 10**12, 3000)),
        (np.where(RNG.random(3000) < 0.3, np.nan, 1.0), [None, 1.0, 1.0] * 1000),
        (np.where(RNG.random(3000) < 0.1, np.inf, 1.0), np.where(RNG.random(3000) < 0.1, np.inf, 1.0)),
    ],
)
def test_the_same_distribution_is_no_drift(reference: Any, current: Any) -> None:
    assert one(reference, current).verdict == "no_drift"


def test_thirty_equal_columns_do_not_alarm() -> None:
    """At .05 without correction, 79% of such comparisons would."""
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        tables = [{f"c{i}": rng.normal(size=600) for i in range(30)} for _ in range(2)]
        alarms += any(column.verdict == "drift" for column in compare_columns(*tables, DriftFloors(ks=0.01)))
    assert alarms <= 2


@pytest.mark.parametrize("size", [0, 1, 5, 20, 50, 90])
def test_few_rows_are_never_no_drift(size: int) -> None:
    rng = np.random.default_rng(17)
    reference = rng.normal(size=5000)
    assert one(reference, rng.normal(size=size)).verdict == "insufficient_data"
    assert one(reference.astype(str), rng.normal(size=min(size, 50)).astype(str)).verdict == "insufficient_data"
    shifted = one(reference, rng.normal(1.5, 1, size=size))
    assert shifted.verdict == "insufficient_data"
    assert shifted.n_needed > size
    assert shifted.details["suspected"] or size < 50


def test_rows_all_out_of_range_need_fewer_rows() -> None:
    rng = np.random.default_rng(17)
    far = [one(rng.normal(size=5000), rng.normal(9, 1, size=size)) for size in (50, 150)]
    assert [found.verdict for found in far] == ["insufficient_data", "drift"]
    assert [found.details["suspected"] for found in far] == [True, False]


def test_no_rows_at_all() -> None:
    assert one([], []).verdict == "insufficient_data"
    assert one(np.empty(0), np.ones(50)).verdict == "insufficient_data"
    assert compare_columns({}, {}) == []


def test_autocorrelated_rows_do_not_alarm_but_their_drift_is_found(autoregressive: Series) -> None:
    rng = np.random.default_rng(1)
    verdicts = [one(autoregressive(3000, 0.9, rng), autoregressive(3000, 0.9, rng)).verdict for _ in range(40)]
    assert verdicts.count("drift") <= 1
    slow = one(autoregressive(3000, 0.99, rng), autoregressive(3000, 0.99, rng))
    assert slow.verdict == "insufficient_data"
    assert slow.details["is_dependent"]
    moved = one(autoregressive(6000, 0.9, rng), autoregressive(6000, 0.9, rng) + 1.5)
    assert moved.verdict == "drift"
    shuffled = [rng.permutation(np.sort(rng.normal(size=3000))) for _ in range(2)]
    assert one(np.sort(shuffled[0]), np.sort(shuffled[1])).verdict == "insufficient_data"
    assert one(np.sort(shuffled[0]), np.sort(shuffled[1]), is_ordered=False).verdict == "no_drift"


def test_dates_are_left_out_and_odd_lists_are_read() -> None:
    rng = np.random.default_rng(17)
    days = [dt.date(2020, 1, 1)] * 10
    stamps = np.array(["2020-01-01", "NaT"], dtype="M8[D]")
    assert compare_columns({"d": days, "t": stamps}, {"d": days, "t": stamps}) == []
    prices = [Decimal("1.5"), None, Decimal("2.5"), 3] * 200
    assert one(prices, prices).kind == "numeric"
    nested = [[1], [2]] * 200
    assert one(nested, nested).kind == "categorical"
    arrays = [np.array([1, 2]), np.array([3, 4]), None] * 200
    assert one(arrays, arrays).verdict == "no_drift"
    assert one([True, None] * 300, [None, False] * 300).kind == "boolean"
    assert one([True, None] * 300, [0.5, None] * 300).verdict == "drift"
    assert one([True, False] * 300, rng.normal(size=600)).verdict == "drift"


def test_wrong_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="missing: b"):
        compare_columns({"a": [1], "b": [1]}, {"a": [1]})
    with pytest.raises(ValueError, match="'a' is numeric in the reference but categorical now"):
        compare_columns({"a": [1, 2]}, {"a": ["x", "y"]})
    with pytest.raises(ValueError, match="one-dimensional"):
        one(np.ones((2, 2)), np.ones(4))
    with pytest.raises(ValueError, match="psi must be positive"):
        DriftFloors(psi=0.0)


def test_a_read_reference_gives_the_same_answer() -> None:
    rng = np.random.default_rng(17)
    reference = {"x": rng.normal(size=2000), "k": rng.choice(["a", "b"], 2000), "n": rng.integers(0, 4, 2000)}
    current = {"x": rng.normal(1, 1, 2000), "k": rng.choice(["a", "c"], 2000), "n": rng.integers(0, 4, 2000)}
    assert compare_columns(read_columns(reference), current) == compare_columns(reference, current)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(), st.integers(-3, 3), st.booleans()), max_size=40),
    st.lists(st.one_of(st.none(), st.floats(), st.integers(-3, 3), st.booleans()), max_size=40),
    st.integers(1, 30),
)
def test_any_list_has_a_verdict(reference: list[Any], current: list[Any], times: int) -> None:
    try:
        found = one(reference * times, current * times)
    except ValueError as error:
        assert "is" in str(error)
        return
    assert found.verdict in ("drift", "no_drift", "insufficient_data")
    assert 0 <= found.p_value <= found.p_adjusted <= 1
    assert math.isfinite(found.effect)
    if found.verdict == "drift":
        assert found.effect >= found.floor
    if found.n_current < 10:
        assert found.verdict == "insufficient_data"


def test_n_for_floor_is_where_the_floor_becomes_significant() -> None:
    from mainspring.measures.distribution import ks_p

    needed = n_for_floor(0.1, 0.01, "ks", n_reference=5000)
    assert ks_p(0.1, 5000, needed) == pytest.approx(0.01, rel=0.1)
    assert n_for_floor(0.05, 0.01, "ks") == pytest.approx(4 * n_for_floor(0.1, 0.01, "ks"), abs=4)
    assert n_for_floor(0.1, 0.01, "psi", bins=1000) > n_for_floor(0.1, 0.01, "psi", bins=10)
    with pytest.raises(ValueError, match="floor"):
        n_for_floor(0.0, 0.01, "ks")


def histogram(values: np.ndarray, edges: np.ndarray, **more: Any) -> ColumnCounts:
    inside = values[(values >= edges[0]) & (values <= edges[-1])]
    return ColumnCounts(
        kind="numeric",
        counts=np.histogram(inside, edges)[0],
        edges=edges,
        below=int(np.sum(values < edges[0])),
        above=int(np.sum(values > edges[-1])),
        **more,
    )


def test_counts_give_the_verdict_of_the_rows() -> None:
    rng = np.random.default_rng(17)
    reference = rng.normal(size=20_000)
    edges = np.quantile(reference, np.linspace(0, 1, 257))
    for current in (rng.normal(size=5000), rng.normal(0.5, 1, 5000), rng.normal(0, 1, 50), rng.normal(0, 3, 5000)):
        rows = one(reference, current)
        (counted,) = compare_counts({"x": histogram(reference, edges)}, {"x": histogram(current, edges)})
        assert counted.verdict == rows.verdict
        if rows.method == counted.method == "ks":
            assert counted.effect == pytest.approx(rows.effect, abs=1 / 256)
        wasserstein = [column.details.get("wasserstein") for column in (rows, counted)]
        if None not in wasserstein:
            assert wasserstein[1] == pytest.approx(wasserstein[0], abs=0.05)


def test_counts_of_categories_nulls_and_news() -> None:
    known = ColumnCounts(kind="categorical", counts=[500, 300, 200])
    same = ColumnCounts(kind="categorical", counts=[240, 160, 100])
    assert compare_counts({"k": known}, {"k": same})[0].verdict == "no_drift"
    fresh = ColumnCounts(kind="categorical", counts=[240, 160, 80], new=20)
    assert compare_counts({"k": known}, {"k": fresh})[0].method == "new_category"
    hollow = ColumnCounts(kind="categorical", counts=[240, 160, 100], nulls=200)
    assert compare_counts({"k": known}, {"k": hollow})[0].method == "null_share"
    empty = ColumnCounts(kind="categorical", counts=[0, 0, 0])
    assert compare_counts({"k": known}, {"k": empty})[0].verdict == "insufficient_data"
    broken = ColumnCounts(kind="categorical", counts=[500, 300, 200], infinite=500)
    assert compare_counts({"k": known}, {"k": broken})[0].method == "infinite_share"
    with pytest.raises(ValueError, match="other bins"):
        compare_counts({"k": known}, {"k": ColumnCounts(kind="categorical", counts=[1, 2])})
    with pytest.raises(ValueError, match="missing: k"):
        compare_counts({"k": known}, {})
    edges = np.array([0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="other edges"):
        compare_counts(
            {"k": ColumnCounts(kind="numeric", counts=[1, 2], edges=edges)},
            {"k": ColumnCounts(kind="numeric", counts=[1, 2], edges=edges + 1)},
        )
