"""Looking after every request must not raise the rate of false alarms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from mainspring.measures.sequential import (
    ConfidenceSequence,
    Moments,
    _log_likelihood,
    _profile,
    always_valid_p,
    difference_sequence,
)


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), max_size=30), st.lists(st.floats(-1e3, 1e3), max_size=30))
def test_moments_add_up(a: list[float], b: list[float]) -> None:
    added, whole = Moments.of(a) + Moments.of(b), Moments.of(a + b)
    assert added.n == whole.n
    assert (added.mean, added.variance) == pytest.approx((whole.mean, whole.variance), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 500), st.integers(1, 500), st.floats(0, 1), st.floats(0, 1), st.floats(-0.95, 0.95))
def test_the_profile_is_the_maximum(n: int, m: int, p: float, q: float, apart: float) -> None:
    a, b = Moments(n, round(n * p) / n), Moments(m, round(m * q) / m)
    low, high = max(0.0, -apart), min(1.0, 1 - apart)
    oracle = minimize_scalar(
        lambda x: -max(_log_likelihood(a, x + apart) + _log_likelihood(b, x), -1e12),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-11},
    )
    assert _profile(a, b, apart) >= -oracle.fun - 1e-6 * max(1.0, abs(oracle.fun))


def test_continuous_peeking_keeps_its_promise() -> None:
    """300 pairs of equal error streams, looked at after every ten requests, 2000 long, at 5%."""
    rng = np.random.default_rng(0)
    alarms = naive = 0
    for _ in range(300):
        a, b = (np.cumsum(rng.random(2000) < 0.05) for _ in range(2))
        is_alarm = is_naive = False
        for n in range(10, 2001, 10):
            p, q = a[n - 1] / n, b[n - 1] / n
            is_alarm = is_alarm or always_valid_p(Moments(n, p), Moments(n, q)) < 0.05
            spread = math.sqrt(max(p * (1 - p) + q * (1 - q), 1e-12) / n)
            is_naive = is_naive or abs(p - q) / spread > 1.96
        alarms += is_alarm
        naive += is_naive
    assert alarms / 300 <= 0.05
    assert naive / 300 > 0.2


def test_peeking_at_unequal_streams_of_any_values() -> None:
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(300):
        canary, champion = rng.normal(3, 0.7, 1000), rng.normal(3, 0.5, 9000)
        sums = [(np.cumsum(x), np.cumsum(x**2)) for x in (canary, champion)]
        for n in range(20, 1001, 10):
            arms = []
            for (total, squares), size in zip(sums, (n, 9 * n), strict=True):
                mean = total[size - 1] / size
                arms.append(Moments(size, mean, (squares[size - 1] / size - mean**2) * size / (size - 1)))
            if not difference_sequence(*arms, bounded=False).contains(0.0):
                alarms += 1
                break
    assert alarms / 300 <= 0.05


def test_planted_differences_are_found() -> None:
    rng = np.random.default_rng(2)
    errors = ConfidenceSequence()
    latency = ConfidenceSequence(bounded=False)
    found_at: dict[str, int] = {}
    for step in range(1, 41):
        errors.add(candidate=rng.random(50) < 0.06, champion=rng.random(450) < 0.01)
        latency.add(candidate=rng.normal(0.3, 1, 50), champion=rng.normal(0, 1, 450))
        for name, sequence in (("errors", errors), ("latency", latency)):
            if sequence.estimate().low > 0:
                found_at.setdefault(name, step * 50)
    assert found_at["errors"] <= 600
    assert found_at["latency"] <= 1200
    assert errors.estimate().contains(0.05)
    assert latency.estimate().contains(0.3)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), st.floats(0, 1), st.floats(0, 1))
def test_interval_and_p_value_agree(n: int, m: int, p: float, q: float) -> None:
    a, b = Moments(n, round(n * p) / n if n else 0.0), Moments(m, round(m * q) / m if m else 0.0)
    found, chance = difference_sequence(a, b), always_valid_p(a, b)
    assert -1 <= found.low <= found.value <= found.high <= 1
    if abs(chance - 0.05) > 1e-3:
        assert found.contains(0.0) == (chance > 0.05)
    mirrored = difference_sequence(b, a)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-6)


def test_before_any_data_everything_is_possible() -> None:
    nothing = ConfidenceSequence().estimate()
    assert (nothing.low, nothing.high, nothing.n) == (-1.0, 1.0, 0)
    assert ConfidenceSequence(bounded=False).estimate().half_width == math.inf
    with pytest.raises(ValueError, match="bounded=False"):
        difference_sequence([3.0], [0.0])
    with pytest.raises(ValueError, match="alpha"):
        difference_sequence([1.0], [0.0], 0.0)
