"""Intervals of rows that come in groups (days, callers, sites) and resemble each other within them.

The standard error is the jackknife's that leaves out one cluster at a time (Tukey 1958; CV3 of MacKinnon, Nielsen & Webb
2023), with Student's t at clusters - 1 degrees of freedom. Clusters of unequal size count as fewer: (sum of sizes)^2 / sum
of squared sizes (Kish 1965; Carter, Schnepel & Steigerwald 2017). An interval is never narrower than independent rows give.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from mainspring.measures.arrays import floats, labels, positives, same_length
from mainspring.measures.classification import MANY_ROWS
from mainspring.measures.intervals import cluster_codes, mean_interval, normal_quantile
from mainspring.measures.metric import get_metric
from mainspring.measures.ranking import areas_left_out, average_precision_influence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from mainspring.measures.estimate import Estimate
    from mainspring.measures.metric import Metric

_PARTS = 500
_BATCH_CELLS = 4_000_000


def clustered(
    name: str,
    y: ArrayLike,
    prediction: ArrayLike,
    clusters: ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return a metric with an interval that lets rows of one cluster depend on each other.

    ``clusters`` names each row's group. The result says how many ``clusters`` there are and how many independent rows
    the n are worth (``effective_n``).

    :raises NotFound: an unknown metric.
    :raises ValueError: lengths that differ, or arrays the metric is undefined on.

    >>> right, day = np.repeat([1, 1, 1, 0, 1, 1, 0, 1, 1, 1], 50), np.repeat(np.arange(10), 50)
    >>> print(clustered("accuracy", right, np.ones(500), day))
    0.8 [0.4787, 1] n=500 in 10 clusters
    """
    metric = get_metric(name)
    truth, answer = labels(y, "y"), np.asarray(prediction)
    group = cluster_codes(clusters, same_length(y=truth, prediction=answer))
    alone = metric.estimate(truth, answer, confidence=confidence)
    if name == "calibration_error":
        return _calibration(metric, alone, truth, floats(answer), group, seed)
    error = jackknife_error(left_out(metric, truth, answer, group))
    return widened(alone, error, group, bounds=(0.0, 1.0) if is_share(metric) else None)


def clustered_mean(values: ArrayLike, clusters: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return the mean of rows with an interval that lets rows of one cluster depend on each other, as :func:`clustered` does.

    :raises ValueError: no values, some that are not finite, or clusters that name another number of rows.

    >>> print(clustered_mean(np.repeat([1.0, 2.0, 3.0], 10), np.repeat([0, 1, 2], 10)))
    2 [-0.4841, 4.484] n=30 in 3 clusters
    """
    rows = floats(values)
    group = cluster_codes(clusters, len(rows))
    return widened(mean_interval(rows, confidence), jackknife_error(means_left_out(rows, group)), group)


def is_share(metric: Metric) -> bool:
    """Tell whether a metric lies in [0, 1]."""
    return metric.needs != "value" and metric.name != "log_loss"


def widened(
    alone: Estimate, error: float, group: NDArray[np.int64], *, bounds: tuple[float, float] | None = None
) -> Estimate:
    """Return an interval of independent rows, widened on both sides in proportion until it fits the clusters' error.

    ``error`` is the clusters' standard error; NaN (undefined without some cluster) opens the interval.
    """
    sizes = np.bincount(group).astype(np.float64)
    sizes = sizes[sizes > 0]
    worth = float(sizes.sum() ** 2 / (sizes @ sizes))
    named = replace(alone, clusters=len(sizes), effective_clusters=worth, method=f"{alone.method}, by cluster")
    if len(sizes) < 2 or not math.isfinite(error) or not math.isfinite(alone.half_width):
        return replace(named, low=-math.inf, high=math.inf, effective_n=min(worth, float(alone.n)))
    own = alone.half_width / normal_quantile(alone.confidence)
    inflation = max(1.0, (error / own) ** 2) if own > 0 else 1.0
    half = _t(worth, alone.confidence) * error
    factor = max(1.0, half / alone.half_width) if alone.half_width > 0 else 1.0
    low = alone.value - factor * (alone.value - alone.low)
    high = alone.value + factor * (alone.high - alone.value)
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return replace(named, low=low, high=high, effective_n=alone.n / inflation)


def jackknife_error(values: NDArray[np.float64]) -> float:
    """Return the standard error of a statistic from its values without each cluster; NaN if one is undefined.

    >>> round(jackknife_error((10.0 - np.array([1.0, 2.0, 3.0, 4.0])) / 3), 4), round(np.std([1, 2, 3, 4], ddof=1) / 2, 4)
    (0.6455, np.float64(0.6455))
    """
    parts = len(values)
    return math.sqrt((parts - 1) * float(values.var())) if parts > 1 else math.nan


def left_out(
    metric: Metric, y: NDArray[Any], prediction: NDArray[Any], group: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the metric's value without each cluster (beyond 500, without each of 500 random parts of them).

    Means, areas and medians exactly; average precision of many rows by its derivative. NaN where it is undefined.
    """
    if metric.rows is not None:
        return means_left_out(metric.rows(y, prediction), group)
    if metric.name == "roc_auc":
        return areas_left_out(positives(y), floats(prediction, "score"), group)
    if metric.name == "average_precision" and len(y) > MANY_ROWS:
        value, pull = average_precision_influence(positives(y), floats(prediction, "score"))
        return np.asarray(value - np.bincount(group, weights=pull))
    if metric.weighted is None:
        # Without many rows the jackknife of a median is inconsistent; with more than root n of them it is (Shao & Wu 1989).
        part = _parts(group, max(2, math.isqrt(len(y))))
        errors = np.abs(floats(y, "y") - floats(prediction, "value"))
        return np.array([np.median(errors[part != i]) for i in range(int(part.max()) + 1)])
    return _weighted(metric.weighted(y, prediction), _parts(group, _PARTS))


def means_left_out(rows: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of the rows without each group 0..G-1; NaN without any row.

    >>> means_left_out(np.array([1.0, 2.0, 6.0]), np.array([0, 0, 1]))
    array([6. , 1.5])
    """
    rest = len(rows) - np.bincount(group)
    sums: NDArray[np.float64] = rows.sum() - np.bincount(group, weights=rows)
    return np.asarray(np.divide(sums, rest, out=np.full(len(sums), np.nan), where=rest > 0))


def _parts(group: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    clusters = int(group.max()) + 1
    if clusters <= most:
        return group
    return np.asarray(np.random.default_rng(clusters).permutation(clusters) % most)[group]


def _weighted(statistic: Any, group: NDArray[np.int64]) -> NDArray[np.float64]:
    parts, n = int(group.max()) + 1, len(group)
    values = np.full(parts, np.nan)
    batch = max(1, _BATCH_CELLS // n)
    for start in range(0, parts if parts > 1 else 0, batch):
        part = np.arange(start, min(start + batch, parts))
        values[part] = statistic((group[None, :] != part[:, None]).astype(np.float64))
    return values


def _calibration(
    metric: Metric, alone: Estimate, y: NDArray[Any], score: NDArray[np.float64], group: NDArray[np.int64], seed: int
) -> Estimate:
    """Return the expected calibration error with the t interval of the clusters.

    It reaches down to 0 unless the error is larger than a calibrated model's would be, whose misses keep the clusters'
    dependence (the wild cluster bootstrap of Cameron, Gelbach & Miller 2008, with normal weights).
    """
    of_rows = jackknife_error(left_out(metric, y, score, np.arange(len(y)))) * normal_quantile(alone.confidence)
    even = replace(alone, low=alone.value - of_rows, high=alone.value + of_rows, method="jackknife t")
    found = widened(even, jackknife_error(left_out(metric, y, score, group)), group, bounds=(0.0, 1.0))
    cell = group * 10 + np.minimum((score * 10).astype(np.int64), 9)
    clusters = int(group.max()) + 1
    misses = np.bincount(cell, weights=positives(y) - score, minlength=10 * clusters).reshape(clusters, 10)
    sizes = np.bincount(cell, minlength=10 * clusters).reshape(clusters, 10)
    centred = misses - sizes * misses.sum(axis=0) / np.maximum(sizes.sum(axis=0), 1)
    drawn = np.random.default_rng(seed).normal(size=(2000, clusters)) @ centred
    wider = _t(found.effective_clusters or 1.0, alone.confidence) / normal_quantile(alone.confidence)
    calibrated = np.abs(drawn).sum(axis=1) / len(score) * math.sqrt(clusters / max(clusters - 1, 1)) * wider
    is_chance = alone.low == 0 or alone.value <= np.quantile(calibrated, (1 + alone.confidence) / 2)
    return replace(found, low=0.0) if is_chance else found


def _t(clusters: float, confidence: float) -> float:
    return float(stdtrit(max(clusters - 1, 1e-3), (1 + confidence) / 2))
