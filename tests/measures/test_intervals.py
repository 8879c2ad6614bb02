"""Intervals against scipy, published numbers, and their own coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mainspring.measures.estimate import Estimate
from mainspring.measures.intervals import bootstrap, clopper_pearson, mean_interval, newcombe, tango, wilson
from mainspring.measures.resampling import weighted_bootstrap


@settings(deadline=None)
@given(st.integers(1, 2000), st.data(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_proportions_agree_with_scipy(n: int, data: st.DataObject, confidence: float) -> None:
    k = data.draw(st.integers(0, n))
    for own, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        found = own(k, n, confidence)
        oracle = stats.binomtest(k, n).proportion_ci(confidence, method=method)
        assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=1e-9)
        assert found.low <= found.value <= found.high


def test_no_trials_say_nothing() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high, wilson(0, 0).n) == (0.0, 1.0, 0)
    with pytest.raises(ValueError, match="successes"):
        wilson(5, 4)
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, 95)


def test_mean_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).normal(size=50)
    oracle = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    found = mean_interval(values, 0.9)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high))
    assert mean_interval([1.0]).half_width == math.inf


def test_tango_agrees_with_published_numbers() -> None:
    found = tango(1, 7, 21)  # Fagerland, Lydersen & Laake 2014, airway hyper-responsiveness
    assert (round(found.low, 3), round(found.high, 3)) == (-0.517, -0.026)
    nothing = tango(0, 0, 100)
    z = stats.norm.ppf(0.975)
    assert nothing.high == pytest.approx(z**2 / (100 + z**2))
    assert nothing.low == pytest.approx(-nothing.high)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 500))
def test_tango_is_consistent_with_mcnemar_and_symmetric(wins: int, losses: int, same: int) -> None:
    n = wins + losses + same
    if n == 0:
        return
    found, mirrored = tango(wins, losses, n), tango(losses, wins, n)
    assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low), abs=1e-9)
    assert -1 <= found.low <= found.value <= found.high <= 1
    if wins + losses and abs((score := abs(wins - losses) / math.sqrt(wins + losses)) - stats.norm.ppf(0.975)) > 1e-6:
        assert found.contains(0.0) == (score < stats.norm.ppf(0.975))


def test_newcombe_agrees_with_published_numbers() -> None:
    found = newcombe(56, 70, 48, 80)  # Newcombe 1998, table II (a), method 10
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize("method", ["BCa", "percentile"])
def test_bootstrap_agrees_with_scipy(method: str) -> None:
    rng = np.random.default_rng(2)
    sample = rng.lognormal(size=200)
    oracle = stats.bootstrap((sample,), np.mean, n_resamples=8000, method=method, rng=3).confidence_interval
    found = bootstrap(np.mean, sample, n_resamples=8000, method=method, seed=4)
    width = oracle.high - oracle.low
    assert abs(found.low - oracle.low) < 0.05 * width
    assert abs(found.high - oracle.high) < 0.05 * width


def test_bootstrap_of_two_samples_agrees_with_scipy() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.lognormal(size=60), rng.lognormal(size=90)

    def ratio(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return x.mean(axis=axis) / y.mean(axis=axis)

    oracle = stats.bootstrap((a, b), ratio, n_resamples=8000, rng=3).confidence_interval
    found = bootstrap(ratio, a, b, n_resamples=8000, paired=False)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), rel=0.06)
    paired = bootstrap(lambda x, y: np.corrcoef(x, y)[0, 1], a, a + b[:60], n_resamples=4000)
    oracle = stats.bootstrap(
        (a, a + b[:60]), lambda x, y: np.corrcoef(x, y)[0, 1], paired=True, vectorized=False, n_resamples=4000, rng=1
    ).confidence_interval
    assert (paired.low, paired.high) == pytest.approx((oracle.low, oracle.high), abs=0.05)


def test_vectorised_or_not_is_the_same() -> None:
    sample = np.random.default_rng(6).normal(size=80)
    plain = bootstrap(lambda x: float(np.median(x)), sample, seed=7, n_resamples=300)
    batched = bootstrap(np.median, sample, seed=7, n_resamples=300)
    assert plain == batched
    assert plain != bootstrap(np.median, sample, seed=8, n_resamples=300)


def test_weighted_bootstrap_is_the_bootstrap() -> None:
    sample = np.random.default_rng(8).lognormal(size=150)
    weighted = weighted_bootstrap(lambda w: w @ sample / w.sum(axis=1), np.ones(150), n_resamples=8000)
    plain = bootstrap(np.mean, sample, n_resamples=8000)
    assert (weighted.low, weighted.high) == pytest.approx((plain.low, plain.high), rel=0.02)
    table = weighted_bootstrap(lambda w: w[:, 0] / w.sum(axis=1), np.array([300, 9700]), n_resamples=4000)
    assert (table.low, table.high) == pytest.approx((wilson(300, 10_000).low, wilson(300, 10_000).high), abs=4e-4)


def test_bootstrap_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="empty"):
        bootstrap(np.mean, [])
    with pytest.raises(ValueError, match="one length"):
        bootstrap(np.corrcoef, [1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="at least two"):
        bootstrap(np.mean, [1.0])
    with pytest.raises(ValueError, match="undefined"):
        bootstrap(lambda x: float("nan"), [1.0, 2.0])


@settings(max_examples=20, deadline=None)
@given(st.floats(-1e6, 1e6))
def test_a_constant_sample_has_an_interval_of_no_width(value: float) -> None:
    found = bootstrap(np.median, [value] * 5, n_resamples=50)
    assert found.low == found.value == found.high == value


def test_an_estimate_prints_its_interval() -> None:
    assert str(Estimate(0.5, 0.4, 0.6, 10, "t")) == "0.5 [0.4, 0.6] n=10"
