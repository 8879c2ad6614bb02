"""Comparisons that may be looked at after every request: confidence sequences for canary against champion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaln, xlog1py, xlogy

from mainspring.measures.arrays import floats
from mainspring.measures.estimate import Estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_BURN_IN = 20
_TUNED_FOR = 1000.0


@dataclass(frozen=True)
class Moments:
    """The size, mean and variance (n - 1 in its denominator) of values that need not be kept.

    >>> Moments.of([1.0, 3.0]) + Moments.of([5.0])
    Moments(n=3, mean=3.0, variance=4.0)
    """

    n: int = 0
    mean: float = 0.0
    variance: float = 0.0

    @classmethod
    def of(cls, values: ArrayLike) -> Moments:
        """Return the moments of some values; of none, if there are none."""
        if np.size(values) == 0:
            return cls()
        vector = floats(values)
        return cls(len(vector), float(vector.mean()), float(vector.var(ddof=1)) if len(vector) > 1 else 0.0)

    def __add__(self, other: Moments) -> Moments:
        n = self.n + other.n
        if n == 0:
            return Moments()
        apart = other.mean - self.mean
        squares = self.variance * max(self.n - 1, 0) + other.variance * max(other.n - 1, 0)
        squares += apart**2 * self.n * other.n / n
        return Moments(n, self.mean + apart * other.n / n, squares / (n - 1) if n > 1 else 0.0)


def difference_sequence(
    a: Moments | ArrayLike, b: Moments | ArrayLike, alpha: float = 0.05, *, bounded: bool = True
) -> Estimate:
    """Return the difference of means, a - b, with an interval that holds at every look at once.

    With probability 1 - alpha the true difference lies in every interval computed while the data grow, so one may look
    as often as one likes and stop at any moment. Observations must be independent, each arm's mean constant.

    ``bounded``: values in [0, 1] (errors, 0/1 losses, scaled losses). Each arm's Beta(1/2, 1/2)-mixture likelihood
    ratio (Robbins 1970; Howard et al. 2021) is a nonnegative supermartingale, so their product bounds both means
    jointly (Ville); the interval is its shadow on the difference. Exact for any n; only n and mean are used.

    Otherwise: the asymptotic normal-mixture sequence (Waudby-Smith et al. 2024) in information time, for means of any
    values with a variance (say the logarithm of latencies); infinite below 20 values an arm.

    ``n`` of the result is that of both arms together.

    >>> found = difference_sequence(Moments(2000, 0.05), Moments(20000, 0.01))
    >>> found.value.__round__(2), found.low > 0
    (0.04, True)
    """
    first = a if isinstance(a, Moments) else Moments.of(a)
    second = b if isinstance(b, Moments) else Moments.of(b)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie strictly between 0 and 1, not {alpha}")
    if not bounded:
        return _normal_mixture(first, second, alpha)
    for arm in (first, second):
        if not -1e-12 <= arm.mean <= 1 + 1e-12:
            raise ValueError(f"bounded values lie in [0, 1], but an arm's mean is {arm.mean:.6g}: use bounded=False")
    value = first.mean - second.mean
    level = _log_mixture(first) + _log_mixture(second) + math.log(alpha)
    low = _edge(first, second, level, -1.0, value)
    high = _edge(first, second, level, 1.0, value)
    return Estimate(value, low, high, first.n + second.n, "beta-mixture confidence sequence", 1 - alpha)


def always_valid_p(a: Moments, b: Moments) -> float:
    """Return a p-value for equal means of two streams of [0, 1] values, valid at every look.

    It is below alpha exactly when the bounded :func:`difference_sequence` leaves out 0.

    >>> always_valid_p(Moments(2000, 0.05), Moments(20000, 0.01)) < 1e-6
    True
    """
    pooled = (a + b).mean
    best = _log_likelihood(a, pooled) + _log_likelihood(b, pooled)
    return float(min(1.0, math.exp(min(0.0, best - _log_mixture(a) - _log_mixture(b)))))


class ConfidenceSequence:
    """A running difference of two streams, candidate minus champion.

    >>> errors = ConfidenceSequence(alpha=0.05)
    >>> errors.add(candidate=[1] * 40 + [0] * 60, champion=[1] * 10 + [0] * 990)
    >>> errors.estimate().low > 0
    True
    """

    def __init__(self, *, alpha: float = 0.05, bounded: bool = True) -> None:
        self.alpha = alpha
        self.bounded = bounded
        self.candidate = Moments()
        self.champion = Moments()

    def add(self, *, candidate: ArrayLike | Moments = (), champion: ArrayLike | Moments = ()) -> None:
        """Take in new observations of either stream."""
        self.candidate += candidate if isinstance(candidate, Moments) else Moments.of(candidate)
        self.champion += champion if isinstance(champion, Moments) else Moments.of(champion)

    def estimate(self) -> Estimate:
        """Return the difference with its interval, as of now."""
        return difference_sequence(self.candidate, self.champion, self.alpha, bounded=self.bounded)


def _log_mixture(arm: Moments) -> float:
    hits = arm.n * min(max(arm.mean, 0.0), 1.0)
    return float(betaln(0.5 + hits, 0.5 + arm.n - hits) - betaln(0.5, 0.5))


def _log_likelihood(arm: Moments, p: float) -> float:
    hits = arm.n * min(max(arm.mean, 0.0), 1.0)
    return float(xlogy(hits, p) + xlog1py(arm.n - hits, -p))


def _profile(first: Moments, second: Moments, difference: float) -> float:
    """Return the largest joint log-likelihood of means that lie so far apart.

    Concave in the second mean: found by bisection on its slope.
    """
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)
    hits = [arm.n * min(max(arm.mean, 0.0), 1.0) for arm in (first, second)]
    misses = [arm.n - hit for arm, hit in zip((first, second), hits, strict=True)]
    for _ in range(50):
        q = (low + high) / 2
        p = q + difference
        slope = hits[1] / q - misses[1] / (1 - q) if 0 < q < 1 else 0.0
        slope += hits[0] / p - misses[0] / (1 - p) if 0 < p < 1 else 0.0
        low, high = (q, high) if slope > 0 else (low, q)
    q = (low + high) / 2
    return _log_likelihood(first, min(max(q + difference, 0.0), 1.0)) + _log_likelihood(second, q)


def _edge(first: Moments, second: Moments, level: float, outer: float, inner: float) -> float:
    if _profile(first, second, outer) > level:
        return outer
    for _ in range(40):
        middle = (outer + inner) / 2
        outer, inner = (outer, middle) if _profile(first, second, middle) > level else (middle, inner)
    return outer


def _normal_mixture(first: Moments, second: Moments, alpha: float) -> Estimate:
    value, n = first.mean - second.mean, first.n + second.n
    method = "asymptotic confidence sequence"
    pooled = (first.variance * max(first.n - 1, 0) + second.variance * max(second.n - 1, 0)) / max(n - 2, 1)
    if min(first.n, second.n) < _BURN_IN or pooled == 0:
        return Estimate(value, -math.inf, math.inf, n, method, 1 - alpha)
    error = first.variance / first.n + second.variance / second.n
    time = pooled / error
    # The mixture is tuned to be narrowest about when each arm has 1000 values (Howard et al. 2021, proposition 3).
    spread = -2 * math.log(alpha)
    rho = _TUNED_FOR / 2 / (spread + math.log(spread) + 1)
    half = math.sqrt(pooled * (time + rho) * math.log((time + rho) / (rho * alpha**2))) / time
    return Estimate(value, value - half, value + half, n, method, 1 - alpha)
