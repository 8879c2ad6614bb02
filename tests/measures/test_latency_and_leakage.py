"""Quantiles, slopes, and features that give the answer away."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mainspring.measures.latency import n_for_quantile, quantile_interval, trend
from mainspring.measures.leakage import single_feature_score


@settings(deadline=None)
@given(st.integers(6, 400), st.floats(0.05, 0.95))
def test_quantile_bounds_agree_with_scipy(n: int, q: float) -> None:
    values = np.random.default_rng(n).exponential(size=n)
    found = quantile_interval(values, q)
    oracle = stats.quantile_test(values, p=q).confidence_interval(0.95)
    low = -math.inf if math.isnan(oracle.low) else oracle.low
    high = math.inf if math.isnan(oracle.high) else oracle.high
    assert (found.low, found.high) == (low, high)


def test_quantile_intervals_cover() -> None:
    rng = np.random.default_rng(0)
    truth = float(stats.expon.ppf(0.99))
    covered = sum(quantile_interval(rng.exponential(size=1000), 0.99).contains(truth) for _ in range(400))
    assert covered >= 370


@pytest.mark.parametrize("q", [0.01, 0.5, 0.9, 0.99])
def test_the_fewest_values_that_bound_a_quantile(q: float) -> None:
    n = n_for_quantile(q)
    assert math.isfinite(quantile_interval(np.arange(n), q).half_width)
    assert not math.isfinite(quantile_interval(np.arange(n - 1), q).half_width)
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile_interval([1.0], 99)


def test_growing_memory_has_a_slope() -> None:
    rng = np.random.default_rng(1)
    leak = trend(500 + 0.01 * np.arange(10_000) + rng.normal(0, 5, 10_000))
    assert leak.low > 0
    assert leak.contains(0.01)
    assert trend(500 + rng.normal(0, 5, 10_000)).contains(0.0)
    assert trend([7.0] * 50).value == 0
    with pytest.raises(ValueError, match="at least 3"):
        trend([1.0, 2.0])


RNG = np.random.default_rng(2)
N = 1000
Y = RNG.integers(0, 2, N)
NOISE = RNG.normal(size=N)


@pytest.mark.parametrize(
    "feature",
    [
        Y + RNG.normal(0, 0.1, N),
        -Y + RNG.normal(0, 0.1, N),
        np.abs(np.where(Y == 1, 0, 3) * RNG.choice([-1, 1], N) + RNG.normal(0, 0.3, N)) * RNG.choice([-1, 1], N),
        np.where(Y == 1, "paid", "open"),
        np.where(Y == 1, None, "open"),
        np.where(Y == 1, np.nan, NOISE),
        np.array(["2020-01-01", "2021-01-01"], dtype="M8[D]")[Y],
        [None if v else 1.5 for v in Y],
        np.where(Y == 1, np.inf, NOISE),
    ],
)
def test_leaks_stand_out(feature: object) -> None:
    assert single_feature_score(feature, Y, "binary").value > 0.95


@pytest.mark.parametrize(
    "feature",
    [
        NOISE,
        np.arange(N),
        [f"row-{i}" for i in range(N)],
        RNG.choice(list("abcdefghij"), N),
        np.full(N, np.nan),
        np.ones(N),
    ],
)
def test_useless_features_do_not(feature: object) -> None:
    rng = np.random.default_rng(17)
    assert single_feature_score(feature, Y, "binary").value < 0.58
    assert single_feature_score(feature, NOISE[::-1] + rng.normal(size=N), "regression").value < 0.15


def test_other_tasks() -> None:
    rng = np.random.default_rng(17)
    target = rng.normal(size=N)
    assert single_feature_score(target * 3 + rng.normal(0, 0.1, N), target, "regression").value > 0.95
    assert single_feature_score(-target, target, "regression").value > 0.99
    assert single_feature_score(np.abs(target) * rng.choice([-1, 1], N), target**2, "regression").value > 0.9
    classes = rng.choice(["x", "y", "z"], N)
    assert single_feature_score(np.where(classes == "y", 1.0, NOISE * 0.1), classes, "multiclass").value > 0.95
    assert single_feature_score(NOISE, classes, "multiclass").value < 0.6
    with pytest.raises(ValueError, match="one class"):
        single_feature_score(NOISE, np.ones(N), "multiclass")
    with pytest.raises(ValueError, match="one length"):
        single_feature_score(NOISE[:5], Y, "binary")
