"""Distances of two samples against scipy, and the traps of testing them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mainspring.measures.distribution import (
    benjamini_hochberg,
    chi2,
    effective_n,
    ks,
    ks_p,
    pool_rare,
    psi,
    psi_corrected,
    wasserstein_scaled,
)

VALUES = st.lists(st.integers(-8, 8).map(float), min_size=1, max_size=40)


Series = Callable[[int, float, np.random.Generator], np.ndarray]


@settings(deadline=None)
@given(VALUES, VALUES)
def test_small_samples_agree_with_scipy(a: list[float], b: list[float]) -> None:
    assert ks(a, b).d == pytest.approx(
        stats.ks_2samp(a, b, method="asymp" if len(a) * len(b) > 1 else "auto").statistic, abs=1e-12
    )
    if np.ptp(a) > 0:
        assert wasserstein_scaled(a, b) == pytest.approx(stats.wasserstein_distance(a, b) / np.std(a), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(2, 20_000),
    st.integers(2, 20_000),
    st.sampled_from(["normal", "ties", "rounded", "shifted", "far", "constant", "integers", "infinite"]),
)
def test_the_pruned_search_is_exact(seed: int, n: int, m: int, shape: str) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(size=m)
    if shape == "ties":
        a, b = rng.integers(0, 300, n) / 7, rng.integers(0, 310, m) / 7
    elif shape == "rounded":
        a, b = np.round(a, 2), np.round(b * 1.02, 2)
    elif shape == "shifted":
        b = b + 0.05
    elif shape == "far":
        b = b + 100
    elif shape == "constant":
        a = np.ones(n)
    elif shape == "integers":
        a, b = rng.integers(0, 10**9, n), rng.integers(0, 10**9, m)
    elif shape == "infinite":
        a[0], b[0] = np.inf, -np.inf
    oracle = stats.ks_2samp(a, b, method="asymp")
    found = ks(a, b)
    assert abs(found.d - oracle.statistic) <= 1e-12
    assert found.p == pytest.approx(oracle.pvalue, rel=2e-2, abs=1e-12)
    assert ks(np.sort(a), np.sort(b), is_sorted=True) == found
    assert ks(b, a).d == pytest.approx(found.d, abs=1e-12)


def test_large_samples_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=200_000), rng.normal(0.004, 1, size=150_000)
    oracle = stats.ks_2samp(a, b, method="asymp")
    found = ks(a, b)
    assert abs(found.d - oracle.statistic) <= 1e-12
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-3)
    assert wasserstein_scaled(a, b) == pytest.approx(stats.wasserstein_distance(a, b) / a.std(), rel=1e-9)


def test_bad_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="current holds NaN"):
        ks([1.0], [float("nan")])
    with pytest.raises(ValueError, match="reference must be a non-empty"):
        ks([], [1.0])
    with pytest.raises(ValueError, match="numbers"):
        ks(["a"], [1.0])
    with pytest.raises(ValueError, match="finite"):
        wasserstein_scaled([1.0, np.inf], [1.0])
    with pytest.raises(ValueError, match="same bins"):
        psi([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="at least one"):
        chi2([0, 0], [1, 2])
    assert wasserstein_scaled([1.0, 1.0], [1.0]) == 0
    assert wasserstein_scaled([1.0, 1.0], [2.0]) == np.inf


@pytest.mark.parametrize("unit", [1e-300, 1e-160, 1e160, 1e300])
def test_the_unit_does_not_matter(unit: float) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=50), rng.normal(1, 1, 40)
    assert wasserstein_scaled(a * unit, b * unit) == pytest.approx(wasserstein_scaled(a, b), rel=1e-9)
    assert ks_p(1.0, 1, 1) <= 1


def test_chi2_agrees_with_scipy_when_nothing_is_rare() -> None:
    a, b = [120, 80, 300], [90, 95, 310]
    oracle = stats.chi2_contingency([a, b], correction=False)
    found = chi2(a, b)
    assert (found.statistic, found.p, found.df) == pytest.approx((oracle.statistic, oracle.pvalue, oracle.dof))


def test_psi_of_few_rows_is_no_alarm_once_corrected() -> None:
    """Raw PSI above 0.1 in most comparisons of 100 rows in ten bins without any drift."""
    rng = np.random.default_rng(1)
    raw = corrected = significant = 0
    for _ in range(400):
        a, b = rng.multinomial(100, [0.1] * 10), rng.multinomial(100, [0.1] * 10)
        found = psi_corrected(a, b)
        raw += found.raw > 0.1
        corrected += found.value > 0.1 and found.p < 0.01
        significant += found.p < 0.05
    assert raw / 400 > 0.7
    assert corrected / 400 < 0.02
    assert significant / 400 < 0.08


def test_a_thousand_categories_without_drift() -> None:
    rng = np.random.default_rng(2)
    a, b = (rng.multinomial(10_000, [0.001] * 1000) for _ in range(2))
    found = psi_corrected(a, b)
    assert found.raw == pytest.approx(0.2, abs=0.03)
    assert found.value < 0.02
    assert found.p > 0.01


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=20),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_pooling_loses_no_row(rows: list[tuple[int, int]], more_a: int, more_b: int) -> None:
    a, b = [r[0] for r in rows], [r[1] for r in rows]
    if sum(a) + more_a == 0 or sum(b) + more_b == 0:
        return
    first, second = pool_rare(a, b, more_a, more_b)
    assert first.sum() == sum(a) + more_a
    assert second.sum() == sum(b) + more_b
    assert 0 <= chi2(first, second).p <= 1
    assert psi_corrected(first, second).value >= 0


@pytest.mark.parametrize(("rho", "size"), [(0.5, 3000), (0.9, 3000), (0.95, 10_000)])
def test_dependent_rows_are_worth_fewer(rho: float, size: int, autoregressive: Series) -> None:
    rng = np.random.default_rng(3)
    found = np.median([effective_n(autoregressive(size, rho, rng)) for _ in range(60)])
    assert found == pytest.approx(size * (1 - rho) / (1 + rho), rel=0.4)


def test_independent_and_periodic_rows_keep_their_worth() -> None:
    rng = np.random.default_rng(4)
    kept = [effective_n(rng.normal(size=2000)) for _ in range(200)]
    assert np.mean(np.array(kept) == 2000) > 0.98
    assert effective_n(np.tile(np.repeat(np.arange(24.0), 38), 31)) > 20_000
    assert effective_n(np.ones(100)) == 100
    assert effective_n([1.0, 2.0]) == 2
    marks = rng.random(5000) < 0.3
    marks[:600] = True
    assert effective_n(marks) == pytest.approx(effective_n(marks.astype(float)))
    assert effective_n(marks) < 500


def test_autocorrelation_does_not_alarm(autoregressive: Series) -> None:
    """AR(1) of 0.9: most naive KS tests reject at 5%; with the effective sizes about 5% do."""
    rng = np.random.default_rng(5)
    naive = honest = 0
    for _ in range(200):
        a, b = autoregressive(3000, 0.9, rng), autoregressive(3000, 0.9, rng)
        naive += ks(a, b).p < 0.05
        sizes = [effective_n(series > np.median(series)) for series in (a, b)]
        honest += ks(a, b, n=sizes[0], m=sizes[1]).p < 0.05
    assert naive / 200 > 0.6
    assert honest / 200 < 0.1


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_adjusted_p_values(p: list[float]) -> None:
    adjusted = benjamini_hochberg(p)
    assert adjusted.shape == (len(p),)
    assert np.all(adjusted >= np.array(p) - 1e-12)
    assert np.all(adjusted <= 1)
    assert list(np.array(adjusted)[np.argsort(p, kind="stable")]) == sorted(adjusted)


def test_no_p_values_adjust_to_none() -> None:
    assert benjamini_hochberg([]).size == 0
