"""Quantiles and slopes of measured times and sizes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import scipy  # `scipy.stats` loads at its first use: half a second that most commands never need

from mainspring.measures.arrays import floats
from mainspring.measures.estimate import Estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_TREND_POINTS = 300


def quantile_interval(values: ArrayLike, q: float, confidence: float = 0.95) -> Estimate:
    """Return a quantile with its exact order-statistic interval (David & Nagaraja 2003), whatever the distribution.

    In the units of the values. A side that so few values cannot bound is infinite: the upper bound of a p99 at 95%
    needs 368 values (:func:`n_for_quantile`). The values are taken as independent.

    >>> print(quantile_interval(range(1, 101), 0.5))
    50.5 [40, 61] n=100
    >>> print(quantile_interval(range(1, 101), 0.99))
    99.01 [97, inf] n=100
    """
    vector = np.sort(floats(values))
    if not 0 < q < 1:
        raise ValueError(f"q must lie strictly between 0 and 1, not {q}")
    n, tail = len(vector), (1 - confidence) / 2
    below = int(scipy.stats.binom.ppf(tail, n, q))
    above = int(scipy.stats.binom.isf(tail, n, q)) + 1
    low = float(vector[below - 1]) if below >= 1 else -math.inf
    high = float(vector[above - 1]) if above <= n else math.inf
    return Estimate(float(np.quantile(vector, q)), low, high, n, "order statistics", confidence)


def n_for_quantile(q: float, confidence: float = 0.95) -> int:
    """Return the fewest values for which both bounds of :func:`quantile_interval` are finite.

    >>> n_for_quantile(0.99), n_for_quantile(0.5)
    (368, 6)
    """
    tail = (1 - confidence) / 2
    return math.floor(math.log(tail) / math.log(max(q, 1 - q))) + 1


def trend(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the slope of a series, in units of the values a step, robustly (Theil-Sen with Sen's interval 1968).

    Series above 300 steps are first reduced to 300 medians of neighbours, so spikes and short-range dependence
    do not count. Memory that grows has a slope whose interval lies above 0.

    >>> trend([1.0, 2.0, 3.0, 4.0, 5.0]).value
    1.0
    """
    vector = floats(values)
    n = len(vector)
    if n < 3:
        raise ValueError(f"a trend needs at least 3 values, not {n}")
    width = max(1, math.ceil(n / _TREND_POINTS))
    whole = n // width * width
    medians = np.median(vector[:whole].reshape(-1, width), axis=1)
    found = scipy.stats.theilslopes(medians, np.arange(len(medians)) * width, alpha=confidence)
    return Estimate(float(found[0]), float(found[2]), float(found[3]), n, "theil-sen", confidence)
