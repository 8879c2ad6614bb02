"""Looking after every request must not raise the rate of false alarms."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.measures.sequential import (
    ConfidenceSequence,
    Moments,
    _log_capital,
    _log_capitals,
    _log_growth,
    always_valid_p,
    difference_sequence,
    n_to_exclude,
)

Draw = Callable[[np.random.Generator, int], np.ndarray]


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), max_size=30), st.lists(st.floats(-1e3, 1e3), max_size=30))
def test_moments_add_up(a: list[float], b: list[float]) -> None:
    added, whole = Moments.of(a) + Moments.of(b), Moments.of(a + b)
    assert added.n == whole.n
    assert (added.mean, added.variance) == pytest.approx((whole.mean, whole.variance), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.01, 0.99), st.sampled_from([-1.0, 1.0]))
def test_growth_is_never_more_than_what_betting_makes(values: list[float], mean: float, sign: float) -> None:
    arm, means = Moments.of(values), np.array([mean])
    bets = sign * np.geomspace(0.01, 5, 20)
    room = mean if sign > 0 else 1 - mean
    used = sign * np.minimum(np.abs(bets) * room, 0.95) / room
    made = np.log1p(used[:, None] * (np.array(values)[None, :] - mean)).sum(axis=1)
    assert np.all(_log_growth(arm, means, bets)[:, 0] <= made + 1e-9 * len(values))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5000), st.floats(0.02, 0.98), st.floats(0.02, 0.98), st.floats(-0.9, 0.9), st.floats(0.05, 4))
def test_no_pair_of_means_was_overlooked(n: int, p: float, q: float, apart: float, ratio: float) -> None:
    a, b = Moments(n, p, p * (1 - p) / 2), Moments(round(n / ratio) + 1, q, q * (1 - q) / 3)
    means = np.linspace(max(0.0, -apart), min(1.0, 1 - apart), 20_001)
    oracle = float(_log_capitals(a, b, means + apart, means, ratio).min())
    assert _log_capital(a, b, apart, ratio) <= oracle + 0.02 * max(1.0, abs(oracle))


def _alarms(draw: Draw, *, runs: int, n: int, share: float, alpha: float, bounded: bool, apart: float = 0.0) -> float:
    """Return the share of pairs of streams that are told apart, looked at from the first requests on, ever more seldom."""
    rng = np.random.default_rng(11)
    sizes = np.unique(np.geomspace(8, n, 30).astype(int))
    alarms = 0
    for _ in range(runs):
        arm = rng.random(n) < share
        values = draw(rng, n)
        for size in sizes:
            first, second = (Moments.of(values[:size][mark]) for mark in (arm[:size], ~arm[:size]))
            if bounded:
                found = always_valid_p(first, second, difference=apart, ratio=share / (1 - share)) < alpha
            else:
                found = not difference_sequence(first, second, alpha, bounded=False).contains(apart)
            if found:
                alarms += 1
                break
    return alarms / runs


def _rare(rng: np.random.Generator, n: int) -> np.ndarray:
    return (rng.random(n) < 0.01).astype(float)


def _brier(rng: np.random.Generator, n: int) -> np.ndarray:
    p = rng.beta(1, 3, n)
    return (p - (rng.random(n) < p)) ** 2


def _brier_of_days(rng: np.random.Generator, n: int) -> np.ndarray:
    """Days of 150 requests have weather of their own, the same for both arms."""
    day = rng.normal(0, 0.8, n // 150 + 1)[np.arange(n) // 150]
    p = rng.beta(1, 3, n)
    return (p - (rng.random(n) < p / (p + (1 - p) * np.exp(-day)))) ** 2


def _slow_ones(rng: np.random.Generator, n: int) -> np.ndarray:
    """Log latency: three in a hundred take fifty times as long."""
    return np.where(rng.random(n) < 0.03, 3.9, 0.0) + rng.normal(0, 0.3, n)


def _squares(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.lognormal(0, 1, n) ** 2


@pytest.mark.slow
@pytest.mark.parametrize("draw", [_rare, _brier, _brier_of_days])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_peeking_at_values_within_one_keeps_its_promise(draw: Draw, share: float) -> None:
    """At 20 %, so that a broken promise shows in 50 pairs: by chance more than 0.35 would come once in 100 times."""
    assert _alarms(draw, runs=50, n=3000, share=share, alpha=0.2, bounded=True) <= 0.35


@pytest.mark.slow
@pytest.mark.parametrize("draw", [_slow_ones, _squares, _brier])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_peeking_at_skewed_values_keeps_its_promise(draw: Draw, share: float) -> None:
    """As a canary is judged, at 5 % / 3; a burn-in of 20 and each arm's own variance gave 10 and 13 % of false alarms."""
    assert _alarms(draw, runs=300, n=4000, share=share, alpha=0.05 / 3, bounded=False) <= 0.05 / 3 + 0.01


def test_a_fixed_test_looked_at_again_and_again_does_not() -> None:
    rng = np.random.default_rng(0)
    naive = 0
    for _ in range(200):
        a, b = (np.cumsum(rng.random(2000) < 0.05) for _ in range(2))
        n = np.arange(10, 2001, 10)
        p, q = a[n - 1] / n, b[n - 1] / n
        spread = np.sqrt(np.maximum(p * (1 - p) + q * (1 - q), 1e-12) / n)
        naive += bool(np.any(np.abs(p - q) / spread > 1.96))
    assert naive / 200 > 0.2


def test_a_worse_canary_is_found_and_an_equal_one_cleared_in_time() -> None:
    """A canary of 20 % with a margin of 0.03: losses as of the flights' model."""
    rng = np.random.default_rng(3)
    found, cleared = [], []
    for worse in [0.1] * 20 + [0.0] * 20:
        for n in (500, 1000, 2000, 4000, 8000, 16_000):
            canary = Moments.of(np.minimum(_brier(rng, n // 5) + worse, 1))
            champion = Moments.of(_brier(rng, n - n // 5))
            if always_valid_p(canary, champion, difference=0.03, ratio=0.25) < 0.05 / 3:
                assert (canary.mean - champion.mean > 0.03) == bool(worse)
                (found if worse else cleared).append(n)
                break
    assert (len(found), len(cleared)) == (20, 20)
    assert max(found) <= 4000
    assert np.median(cleared) <= 8000


@pytest.mark.parametrize("bounded", [True, False])
def test_the_n_that_is_said_to_clear_a_canary_does(bounded: bool) -> None:
    a, b = Moments(300, 0.21, 0.05), Moments(1200, 0.2, 0.05)
    needed = n_to_exclude(a, b, 0.03, 0.05 / 3, bounded=bounded, ratio=0.25)
    assert needed is not None
    for n, is_clear in ((needed, True), (round(0.97 * needed), False)):
        arms = Moments(n, 0.2, 0.05), Moments(4 * n, 0.2, 0.05)
        assert (difference_sequence(*arms, 0.05 / 3, bounded=bounded, ratio=0.25).high < 0.03) == is_clear
    assert n_to_exclude(Moments(), b, 0.03) is None


@pytest.mark.slow
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


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
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
