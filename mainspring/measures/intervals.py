"""Confidence intervals for proportions, means, differences of proportions, and any statistic."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import betaincinv, ndtri, stdtrit

from mainspring.measures.arrays import floats, same_length
from mainspring.measures.estimate import Estimate
from mainspring.measures.resampling import bca_bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Arrays = list[NDArray[Any]]

_JACKKNIFE_GROUPS = 500
_BATCH_VALUES = 2_000_000


def normal_quantile(confidence: float) -> float:
    """Return z of a two-sided interval.

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie strictly between 0 and 1, not {confidence}")
    return float(ndtri((1 + confidence) / 2))


def wilson(successes: float, n: int, confidence: float = 0.95) -> Estimate:
    """Return a proportion with Wilson's score interval (Wilson 1927); n = 0 gives value 0 in [0, 1].

    >>> print(wilson(90, 100))
    0.9 [0.8256, 0.9448] n=100
    """
    _check_counts(successes, n)
    z = normal_quantile(confidence)
    if n == 0:
        return Estimate(0.0, 0.0, 1.0, 0, "wilson", confidence)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Estimate(share, low, high, n, "wilson", confidence)


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> Estimate:
    """Return a proportion with the exact interval (Clopper & Pearson 1934), never too narrow.

    >>> print(clopper_pearson(0, 300))
    0 [0, 0.01222] n=300
    """
    _check_counts(successes, n)
    normal_quantile(confidence)
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1 - tail))
    return Estimate(successes / n if n else 0.0, low, high, n, "clopper-pearson", confidence)


def _check_counts(successes: float, n: int) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie in 0..n, but are {successes} of {n}")


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return a mean with Student's t interval; one value has an infinite one.

    >>> print(mean_interval([1.0, 2.0, 3.0]))
    2 [-0.4841, 4.484] n=3
    """
    vector = floats(values)
    mean, n = float(vector.mean()), len(vector)
    normal_quantile(confidence)
    error = float(vector.std(ddof=1)) / math.sqrt(n) if n > 1 else math.inf
    half = error if math.isinf(error) else float(stdtrit(n - 1, (1 + confidence) / 2)) * error
    return Estimate(mean, mean - half, mean + half, n, "t", confidence)


def newcombe(successes_a: int, n_a: int, successes_b: int, n_b: int, confidence: float = 0.95) -> Estimate:
    """Return the difference a - b of two independent proportions with Newcombe's interval (1998, method 10).

    >>> print(newcombe(56, 70, 48, 80))
    0.2 [0.05243, 0.3339] n=150
    """
    a, b = wilson(successes_a, n_a, confidence), wilson(successes_b, n_b, confidence)
    value = a.value - b.value
    low = value - math.hypot(a.value - a.low, b.high - b.value)
    high = value + math.hypot(a.high - a.value, b.value - b.low)
    return Estimate(value, max(-1.0, low), min(1.0, high), n_a + n_b, "newcombe", confidence)


def tango(wins: int, losses: int, n: int, confidence: float = 0.95) -> Estimate:
    """Return the paired difference of two proportions, (wins - losses) / n, with Tango's score interval (1998).

    ``wins`` counts the rows where only the first was right, ``losses`` those where only the second was. The interval
    leaves out 0 exactly when McNemar's score test rejects.

    >>> print(tango(1, 7, 21))
    -0.2857 [-0.5172, -0.026] n=21
    """
    if n <= 0 or min(wins, losses) < 0 or wins + losses > n:
        raise ValueError(f"wins and losses must be counts within n, but are {wins}, {losses} of {n}")
    z, value = normal_quantile(confidence), (wins - losses) / n

    def score(difference: float) -> float:
        b = (2 * n - wins + losses) * difference - wins - losses
        c = -losses * difference * (1 - difference)
        rest = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        spread = n * (2 * rest + difference * (1 - difference))
        gap = wins - losses - n * difference
        return gap / math.sqrt(spread) if spread > 0 else math.copysign(math.inf, gap) if gap else 0.0

    low = _crossing(score, z, -1.0, value)
    high = _crossing(score, -z, value, 1.0)
    return Estimate(value, low, high, n, "tango", confidence)


def _crossing(falling: Callable[[float], float], level: float, left: float, right: float) -> float:
    for _ in range(60):
        middle = (left + right) / 2
        left, right = (middle, right) if falling(middle) > level else (left, middle)
    return (left + right) / 2


def bootstrap(
    statistic: Callable[..., Any],
    *arrays: ArrayLike,
    n_resamples: int = 1000,
    seed: int = 0,
    paired: bool = True,
    method: Literal["BCa", "percentile"] = "BCa",
    confidence: float = 0.95,
) -> Estimate:
    """Return any statistic of one or several arrays with a bootstrap interval (Efron 1987).

    The statistic is called as ``statistic(*arrays)``; if it has a parameter ``axis`` it is called on whole batches of
    resamples with ``axis=-1``. ``paired`` draws the same rows of all arrays (of one length), otherwise each is drawn on
    its own. Above 500 rows BCa's acceleration comes from leaving out 500 random parts instead of single rows.

    :raises ValueError: empty arrays, unequal lengths, fewer than 2 rows, a statistic undefined on a resample.

    >>> print(bootstrap(np.median, [1.0, 2.0, 3.0, 4.0, 100.0]))
    3 [1, 100] n=5
    """
    if method not in ("BCa", "percentile"):
        raise ValueError(f"method must be 'BCa' or 'percentile', not {method!r}")
    data = [np.asarray(array) for array in arrays]
    units = _units(data, paired)
    value = float(statistic(*data))
    rng = np.random.default_rng(seed)
    resampled = _resample(statistic, data, units, n_resamples, rng)
    undefined = int(np.count_nonzero(~np.isfinite(resampled)))
    if undefined or not math.isfinite(value):
        raise ValueError(f"the statistic is undefined on {undefined} of {n_resamples} resamples: too few rows")
    tail = (1 - confidence) / 2
    if method == "percentile":
        low, high = np.quantile(resampled, [tail, 1 - tail]).tolist()
    else:
        left_out = [_leave_out(statistic, data, sample, units, rng) for sample in range(len(units))]
        low, high = bca_bounds(value, resampled, left_out, confidence)
    n = len(data[0]) if paired else sum(units)
    return Estimate(value, low, high, n, f"bootstrap {method}, {n_resamples} resamples", confidence)


def _units(data: Arrays, paired: bool) -> list[int]:
    """Return how many rows each draw takes from each sample."""
    if not data or any(len(array) == 0 for array in data):
        raise ValueError("the bootstrap needs at least one array, and none may be empty")
    if paired:
        same_length(**{f"array {i}": array for i, array in enumerate(data)})
    units = [len(array) for array in (data[:1] if paired else data)]
    if min(units) < 2:
        raise ValueError("the bootstrap needs at least two rows")
    return units


def cluster_codes(clusters: ArrayLike, n: int) -> NDArray[np.int64]:
    """Number the clusters of n rows 0..G-1.

    >>> cluster_codes(["b", "a", "b"], 3)
    array([1, 0, 1])
    """
    names = np.asarray(clusters)
    if names.shape != (n,):
        raise ValueError(f"clusters must name the group of each of the {n} rows, but are of shape {names.shape}")
    if names.dtype.kind == "O":
        names = names.astype(str)
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _take(data: Arrays, rows: list[NDArray[np.int64]]) -> Arrays:
    shared = rows if len(rows) == len(data) else rows * len(data)
    return [array[index] for array, index in zip(data, shared, strict=True)]


def _resample(
    statistic: Callable[..., Any],
    data: Arrays,
    units: list[int],
    times: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    if _takes_axis(statistic):
        batch = max(1, min(times, _BATCH_VALUES // max(units)))
        parts = []
        for start in range(0, times, batch):
            size = min(batch, times - start)
            rows = [rng.integers(0, n, (size, n)) for n in units]
            parts.append(np.asarray(statistic(*_take(data, rows), axis=-1), dtype=np.float64))
        return np.concatenate(parts)
    values = np.empty(times)
    for i in range(times):
        rows = [rng.integers(0, n, n) for n in units]
        values[i] = statistic(*_take(data, rows))
    return values


def _leave_out(
    statistic: Callable[..., Any],
    data: Arrays,
    sample: int,
    units: list[int],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n = units[sample]
    groups = min(n, _JACKKNIFE_GROUPS)
    part = np.arange(n) if groups == n else rng.permutation(n) % groups
    values = np.empty(groups)
    for i in range(groups):
        rows = [np.arange(size) for size in units]
        rows[sample] = np.flatnonzero(part != i)
        values[i] = statistic(*_take(data, rows))
    defined = np.isfinite(values)
    return values[defined], np.ones(int(defined.sum()))


def _takes_axis(statistic: Callable[..., Any]) -> bool:
    try:
        return "axis" in inspect.signature(statistic).parameters
    except (TypeError, ValueError):
        return False
