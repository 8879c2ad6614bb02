"""The weighted bootstrap: a resample is how often each row was drawn, so whole batches of resamples are one product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

from mainspring.measures.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Weighted = Callable[[NDArray[np.float64]], NDArray[np.float64]]
    """Weights of shape (resamples, rows) in, one value for each resample out."""

_DRAWS = 40_000_000
_BATCH_CELLS = 4_000_000
_JACKKNIFE_GROUPS = 500


def bca_bounds(
    value: float,
    resampled: NDArray[np.float64],
    left_out: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    confidence: float,
) -> tuple[float, float]:
    """Return bias-corrected and accelerated bounds (Efron 1987; Efron & Tibshirani 1993, chapter 14).

    ``left_out`` has one pair for each sample: the jackknife values and how often each occurs. Falls back to plain
    percentiles where the correction is undefined (every resample on one side of the value).

    >>> bca_bounds(2.0, np.array([2.0, 2.0]), [], 0.95)
    (2.0, 2.0)
    """
    tail = (1 - confidence) / 2
    below = (np.mean(resampled < value) + np.mean(resampled <= value)) / 2
    levels = np.array([tail, 1 - tail])
    if 0 < below < 1:
        bias, acceleration = ndtri(below), _acceleration(left_out)
        shifted = bias + ndtri(levels)
        levels = ndtr(bias + shifted / (1 - acceleration * shifted))
    low, high = np.quantile(resampled, levels)
    return float(low), float(high)


def _acceleration(left_out: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> float:
    pulls = [
        ((times.sum() - 1) / times.sum() * (np.average(values, weights=times) - values), times)
        for values, times in left_out
        if len(values)
    ]
    scale = max((float(np.abs(pull).max()) for pull, _ in pulls), default=0.0)
    if scale < np.finfo(np.float64).tiny:
        return 0.0
    cubes = squares = 0.0
    for pull, times in ((raw / scale, times) for raw, times in pulls):
        cubes += float(times @ pull**3)
        squares += float(times @ pull**2)
    return float(cubes / (6 * squares**1.5))


def weighted_bootstrap(
    statistic: Weighted,
    counts: NDArray[Any],
    *,
    n_resamples: int | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    basic: bool = False,
) -> Estimate:
    """Bootstrap a statistic of weighted rows; row ``i`` stands for ``counts[i]`` identical observations.

    The result is that of the ordinary bootstrap, since a resample of rows is a vector of integer weights. Without
    ``n_resamples`` 1000 are drawn, fewer (at least 400) beyond 40,000 observations.
    ``basic=True`` gives the basic (reflected) interval, which suits statistics biased upwards such as the calibration
    error, rather than BCa.

    >>> values = np.array([1.0, 2.0, 3.0, 4.0])
    >>> mean = weighted_bootstrap(lambda w: w @ values / w.sum(axis=1), np.ones(4))
    >>> mean.value, bool(1 <= mean.low < mean.value < mean.high <= 4)
    (2.5, True)
    """
    counts = np.asarray(counts, dtype=np.float64)
    total = int(counts.sum())
    times = n_resamples or int(np.clip(_DRAWS // max(total, 1), 400, 1000))
    rng = np.random.default_rng(seed)
    batch = max(1, min(times, _BATCH_CELLS // max(len(counts), 1)))
    value = float(statistic(counts[None, :])[0])
    drawn = [statistic(_draw(rng, counts, min(batch, times - start))) for start in range(0, times, batch)]
    resampled = np.concatenate(drawn)
    undefined = int(np.count_nonzero(~np.isfinite(resampled)))
    if undefined or not np.isfinite(value):
        raise ValueError(f"the statistic is undefined on {undefined} of {times} bootstrap resamples: too few rows")
    if basic:
        tail = (1 - confidence) / 2
        low, high = (2 * value - np.quantile(resampled, [1 - tail, tail])).tolist()
    else:
        low, high = bca_bounds(value, resampled, [_jackknife(statistic, counts, batch, rng)], confidence)
    kind = "basic" if basic else "BCa"
    return Estimate(value, low, high, total, f"bootstrap {kind}, {times} resamples", confidence)


def _draw(rng: np.random.Generator, counts: NDArray[np.float64], batch: int) -> NDArray[np.float64]:
    n, cells = int(counts.sum()), len(counts)
    if cells * 8 < n:
        return rng.multinomial(n, counts / n, size=batch).astype(np.float64)
    owner = np.repeat(np.arange(cells), counts.astype(np.int64)) if cells != n else None
    weights = np.empty((batch, cells))
    for row in weights:
        picked = rng.integers(0, n, n)
        row[:] = np.bincount(picked if owner is None else owner[picked], minlength=cells)
    return weights


def _jackknife(
    statistic: Weighted, counts: NDArray[np.float64], batch: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Leave out one observation at a time, or one of 500 random groups when there are more kinds of rows than that."""
    cells = len(counts)
    single = cells <= _JACKKNIFE_GROUPS
    group = np.arange(cells) if single else rng.permutation(cells) % _JACKKNIFE_GROUPS
    times = counts if single else np.ones(_JACKKNIFE_GROUPS)
    values = np.full(len(times), np.nan)
    for start in range(0, len(times), batch):
        part = np.arange(start, min(start + batch, len(times)))
        left = np.repeat(counts[None, :], len(part), axis=0)
        if single:
            left[np.arange(len(part)), part] -= 1
        else:
            left[group[None, :] == part[:, None]] = 0
        if counts.sum() > 1:
            values[part] = statistic(left)
    defined = np.isfinite(values) & (times > 0)
    return values[defined], times[defined]
