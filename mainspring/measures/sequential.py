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
    from numpy.typing import ArrayLike, NDArray

BURN_IN = 50
"""Values an arm below which the asymptotic sequence says nothing."""
_TUNED_FOR = 1000.0
_BETS = np.geomspace(0.01, 5.0, 20)
_MOST_LOST = 0.95
_ON_BOTH = 0.8


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
    a: Moments | ArrayLike, b: Moments | ArrayLike, alpha: float = 0.05, *, bounded: bool = True, ratio: float = 1.0
) -> Estimate:
    """Return the difference of means, a - b, with an interval that holds at every look at once.

    With probability 1 - alpha the true difference lies in every interval computed while the data grow, so one may look
    as often as one likes and stop at any moment. Observations must be independent, each arm's mean constant.

    ``bounded``: values in [0, 1] (errors, 0/1 losses, scaled losses). Holds for any n. Somebody bets against each pair
    of means; if these are the true ones the capital is a nonnegative supermartingale, so it ever exceeds 1 / alpha with a
    probability of at most alpha (Ville 1939; Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by
    betting"). Four fifths are bet on the difference: opposite bets on the arms, so that what they share cancels, a mixture
    over sizes and both signs (growth bounded from below as in Fan, Grama & Liu 2015, which needs no more than moments and
    makes use of a small variance). A fifth is bet on each arm alone, by its Beta(1/2, 1/2) mixture (Robbins 1970). The
    interval holds the differences of pairs that the capital does not exclude. ``ratio`` is how many values of a are
    expected for one of b, known beforehand; the further from what comes, the wider the interval, which holds all the same.

    Otherwise: the asymptotic normal-mixture sequence (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024) in information
    time, for means of any values with a variance (say the logarithm of latencies); infinite below ``BURN_IN`` values an arm.

    ``n`` of the result is that of both arms together.

    >>> found = difference_sequence(Moments(2000, 0.05, 0.0475), Moments(20000, 0.01, 0.0099), ratio=0.1)
    >>> found.value.__round__(2), found.low > 0.02
    (0.04, True)
    """
    first = a if isinstance(a, Moments) else Moments.of(a)
    second = b if isinstance(b, Moments) else Moments.of(b)
    if not 0 < alpha < 1 or ratio <= 0:
        raise ValueError(f"alpha must lie strictly between 0 and 1 and ratio be positive, not {alpha}, {ratio}")
    if not bounded:
        return _normal_mixture(first, second, alpha)
    for arm in (first, second):
        if not -1e-12 <= arm.mean <= 1 + 1e-12:
            raise ValueError(f"bounded values lie in [0, 1], but an arm's mean is {arm.mean:.6g}: use bounded=False")
    value = first.mean - second.mean
    level = -math.log(alpha)
    low = _edge(first, second, level, ratio, -1.0, value)
    high = _edge(first, second, level, ratio, 1.0, value)
    return Estimate(value, low, high, first.n + second.n, "betting confidence sequence", 1 - alpha)


def always_valid_p(a: Moments, b: Moments, *, difference: float = 0.0, ratio: float = 1.0) -> float:
    """Return a p-value, valid at every look, for means of two streams of [0, 1] values that lie so far apart.

    It is below alpha exactly when the bounded :func:`difference_sequence` leaves out the difference.

    >>> always_valid_p(Moments(2000, 0.05, 0.0475), Moments(20000, 0.01, 0.0099)) < 1e-6
    True
    """
    return math.exp(min(0.0, -_log_capital(a, b, difference, ratio)))


def n_to_exclude(
    a: Moments, b: Moments, difference: float, alpha: float = 0.05, *, bounded: bool = True, ratio: float = 1.0
) -> int | None:
    """Return how many values of a (with b growing alike) would put the whole interval below a difference, were both equal.

    The spreads are taken as seen. None when a million times as many would not do, or nothing was seen yet.

    >>> n_to_exclude(Moments(100, 0.2, 0.05), Moments(400, 0.2, 0.05), 0.03, alpha=0.05 / 3, ratio=0.25)
    1250
    """
    if a.n == 0 or b.n == 0 or difference <= 0:
        return None
    pooled = (a + b).mean

    def excludes(n: float) -> bool:
        first, second = (Moments(math.ceil(arm.n * n / a.n), pooled, arm.variance) for arm in (a, b))
        if bounded:
            return always_valid_p(first, second, difference=difference, ratio=ratio) < alpha
        return _normal_mixture(first, second, alpha).high < difference

    low, high = 0.0, float(a.n)
    while not excludes(high):
        low, high = high, 2 * high
        if high > 1e6 * a.n:
            return None
    while high - low > max(1.0, 0.005 * high):
        middle = (low + high) / 2
        low, high = (low, middle) if excludes(middle) else (middle, high)
    return math.ceil(high)


class ConfidenceSequence:
    """A running difference of two streams, candidate minus champion.

    >>> errors = ConfidenceSequence(alpha=0.05)
    >>> errors.add(candidate=[1] * 40 + [0] * 60, champion=[1] * 10 + [0] * 990)
    >>> errors.estimate().low > 0
    True
    """

    def __init__(self, *, alpha: float = 0.05, bounded: bool = True, ratio: float = 1.0) -> None:
        self.alpha = alpha
        self.bounded = bounded
        self.ratio = ratio
        self.candidate = Moments()
        self.champion = Moments()

    def add(self, *, candidate: ArrayLike | Moments = (), champion: ArrayLike | Moments = ()) -> None:
        """Take in new observations of either stream."""
        self.candidate += candidate if isinstance(candidate, Moments) else Moments.of(candidate)
        self.champion += champion if isinstance(champion, Moments) else Moments.of(champion)

    def estimate(self) -> Estimate:
        """Return the difference with its interval, as of now."""
        return difference_sequence(self.candidate, self.champion, self.alpha, bounded=self.bounded, ratio=self.ratio)


def _log_capital(first: Moments, second: Moments, difference: float, ratio: float) -> float:
    """Return the logarithm of what betting against this difference has at least made, whatever the second mean is."""
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)
    n = max(first.n + second.n, 1)
    apart = first.mean - second.mean - difference
    centre = second.mean + first.n / n * apart
    spread = math.sqrt(sum((arm.variance + 1 / max(arm.n, 1)) / max(arm.n, 1) for arm in (first, second)))
    offsets = spread * np.geomspace(0.02, 50, 20)
    means = np.concatenate((np.linspace(low, high, 33), [centre], centre - offsets, centre + offsets))
    for _ in range(3):
        means = np.unique(np.clip(means, low, high))
        capital = _log_capitals(first, second, means + difference, means, ratio)
        best = int(np.argmin(capital))
        means = np.linspace(means[max(best - 1, 0)], means[min(best + 1, len(means) - 1)], 9)
    return float(capital.min())


def _log_capitals(
    first: Moments, second: Moments, means: NDArray[np.float64], others: NDArray[np.float64], ratio: float
) -> NDArray[np.float64]:
    """Return the logarithm of the capital against each pair of means."""
    alone = _log_alone(first, means) + _log_alone(second, others)
    sizes = _BETS * min(1.0, 1 / ratio), _BETS * min(1.0, ratio)
    up = _log_growth(first, means, sizes[0]) + _log_growth(second, others, -sizes[1])
    down = _log_growth(first, means, -sizes[0]) + _log_growth(second, others, sizes[1])
    opposite = np.logaddexp.reduce(np.concatenate((up, down)), axis=0) - math.log(2 * len(_BETS))
    return np.asarray(np.logaddexp(opposite + math.log(_ON_BOTH), alone + math.log(1 - _ON_BOTH)))


def _log_growth(arm: Moments, means: NDArray[np.float64], bets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sum log(1 + bet (x - mean)) from below, of shape (bets, means), for bets of one sign.

    log(1 + s) >= s - c(u) s^2 / u^2 for s >= -u, with c(u) = -log(1 - u) - u (Fan, Grama & Liu 2015, lemma 4.1).
    """
    room = np.maximum(means if bets[0] > 0 else 1 - means, 1e-12)
    loss = np.minimum(np.abs(bets)[:, None] * room, _MOST_LOST)
    size = np.sign(bets[0]) * loss / room
    squares = arm.variance * max(arm.n - 1, 0) + arm.n * (arm.mean - means) ** 2
    return np.asarray(size * arm.n * (arm.mean - means) + (np.log1p(-loss) + loss) * squares / room**2)


def _log_alone(arm: Moments, means: NDArray[np.float64]) -> NDArray[np.float64]:
    hits = arm.n * min(max(arm.mean, 0.0), 1.0)
    mixture = float(betaln(0.5 + hits, 0.5 + arm.n - hits) - betaln(0.5, 0.5))
    inside = np.clip(means, 0.0, 1.0)
    return np.asarray(mixture - xlogy(hits, inside) - xlog1py(arm.n - hits, -inside))


def _edge(first: Moments, second: Moments, level: float, ratio: float, outer: float, inner: float) -> float:
    if _log_capital(first, second, outer, ratio) < level:
        return outer
    for _ in range(30):
        middle = (outer + inner) / 2
        is_excluded = _log_capital(first, second, middle, ratio) >= level
        outer, inner = (middle, inner) if is_excluded else (outer, middle)
    return outer


def _normal_mixture(first: Moments, second: Moments, alpha: float) -> Estimate:
    value, n = first.mean - second.mean, first.n + second.n
    method = "asymptotic confidence sequence"
    pooled = (first.variance * max(first.n - 1, 0) + second.variance * max(second.n - 1, 0)) / max(n - 2, 1)
    if min(first.n, second.n) < BURN_IN or pooled == 0:
        return Estimate(value, -math.inf, math.inf, n, method, 1 - alpha)
    # An arm that has not met its rare large values yet looks surer than it is: it is taken to spread as both together do.
    error = sum(max(arm.variance, pooled) / arm.n for arm in (first, second))
    time = pooled / error
    # The mixture is tuned to be narrowest about when each arm has 1000 values (Howard et al. 2021, proposition 3).
    spread = -2 * math.log(alpha)
    rho = _TUNED_FOR / 2 / (spread + math.log(spread) + 1)
    half = math.sqrt(pooled * (time + rho) * math.log((time + rho) / (rho * alpha**2))) / time
    return Estimate(value, value - half, value + half, n, method, 1 - alpha)
