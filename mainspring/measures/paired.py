"""A candidate against the champion on the same rows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # `scipy.stats` loads at its first use: half a second that most commands never need
from scipy.special import ndtri

from mainspring.measures.arrays import codes, floats, labels, positives, same_length
from mainspring.measures.classification import MANY_ROWS
from mainspring.measures.clustered import is_share, jackknife_error, left_out, widened
from mainspring.measures.confusion import distinct_rows
from mainspring.measures.estimate import Estimate
from mainspring.measures.intervals import bootstrap, cluster_codes, mean_interval, normal_quantile, tango
from mainspring.measures.metric import Metric, get_metric
from mainspring.measures.ranking import average_precision_influence, delong
from mainspring.measures.resampling import weighted_bootstrap

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from mainspring.measures.resampling import Weighted

MOST_NEEDED = 1_000_000_000
"""A number of rows beyond this says only that nobody will have them."""


def difference(
    metric_name: str,
    y: ArrayLike,
    candidate: ArrayLike,
    champion: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    positive: object | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return candidate minus champion on identical rows, in the metric's units and with its sign.

    ``candidate`` and ``champion`` hold what the metric needs (labels, scores or values). Accuracy: Tango's interval,
    consistent with McNemar's test. ROC AUC: paired DeLong. Means of row losses (log_loss, brier, mae, mape): t on the
    row differences. The others: paired BCa bootstrap (average precision of
    more than 20,000 rows: infinitesimal jackknife). ``clusters`` names each row's group, when rows of a group depend
    on each other: the interval is widened to the error of the jackknife by cluster (:mod:`~mainspring.measures.clustered`).
    ``positive`` names the positive class where labels are neither 0/1 nor booleans.

    :raises NotFound: an unknown metric.
    :raises ValueError: lengths that differ, or arrays the metric is undefined on.

    >>> y = [1, 1, 1, 1, 0, 0, 0, 0] * 20
    >>> print(difference("accuracy", y, y, [1, 1, 1, 0, 0, 0, 0, 0] * 20))
    0.125 [0.08239, 0.1852] n=160
    """
    metric = get_metric(metric_name)
    truth, new, old = labels(y, "y"), np.asarray(candidate), np.asarray(champion)
    n = same_length(y=truth, candidate=new, champion=old)
    if positive is not None:
        truth = truth == positive
        if metric.needs == "label":
            new, old = labels(new, "candidate") == positive, labels(old, "champion") == positive
    alone = _of_rows(metric, truth, new, old, confidence, seed)
    if clusters is None:
        return alone
    group = cluster_codes(clusters, n)
    error = jackknife_error(left_out(metric, truth, new, group) - left_out(metric, truth, old, group))
    return widened(alone, error, group, bounds=(-1.0, 1.0) if is_share(metric) else None)


def _of_rows(
    metric: Metric, y: NDArray[Any], new: NDArray[Any], old: NDArray[Any], confidence: float, seed: int
) -> Estimate:
    if metric.name == "average_precision" and len(y) > MANY_ROWS:
        return _precision_difference(y, new, old, confidence)
    if metric.name == "roc_auc":
        return _area_difference(y, new, old, confidence)
    if metric.rows is not None:
        gained = metric.rows(y, new) - metric.rows(y, old)
        if metric.name == "accuracy":
            return tango(int(np.sum(gained > 0)), int(np.sum(gained < 0)), len(y), confidence)
        found = mean_interval(gained, confidence)
    elif metric.weighted is not None:
        found = _weighted_difference(metric, y, new, old, confidence, seed)
    else:
        found = _median_difference(y, new, old, confidence, seed)
    return replace(found, method=f"paired {found.method}")


def _area_difference(y: NDArray[Any], new: NDArray[Any], old: NDArray[Any], confidence: float) -> Estimate:
    mask = positives(y)
    areas = delong(mask, np.stack([floats(new, "candidate"), floats(old, "champion")]))
    value = float(areas.values[0] - areas.values[1])
    contrast = np.array([1.0, -1.0])
    variance = float(contrast @ areas.covariance @ contrast) if np.isfinite(areas.covariance).all() else math.inf
    if variance <= 1e-18:
        rarer = int(min(mask.sum(), len(y) - mask.sum()))
        half = tango(0, 0, rarer, confidence).half_width
        return Estimate(value, value - half, value + half, len(y), "no pair differs, over the rarer class", confidence)
    half = normal_quantile(confidence) * math.sqrt(variance)
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half), len(y), "paired delong", confidence)


def _precision_difference(y: NDArray[Any], new: NDArray[Any], old: NDArray[Any], confidence: float) -> Estimate:
    mask = positives(y)
    first, pull = average_precision_influence(mask, floats(new, "candidate"))
    second, other = average_precision_influence(mask, floats(old, "champion"))
    n, pulls = len(y), pull - other
    half = normal_quantile(confidence) * math.sqrt(n / (n - 1) * float(pulls @ pulls))
    value, method = first - second, "paired infinitesimal jackknife"
    return Estimate(value, value - half, value + half, n, method, confidence)


def _weighted_difference(
    metric: Metric, y: NDArray[Any], new: NDArray[Any], old: NDArray[Any], confidence: float, seed: int
) -> Estimate:
    assert metric.weighted is not None
    counts: NDArray[Any] = np.ones(len(y))
    if metric.needs == "label":
        first, counts = distinct_rows(*codes(y, labels(new, "candidate"), labels(old, "champion"))[0])
        y, new, old = y[first], new[first], old[first]
    of_new: Weighted = metric.weighted(y, new)
    of_old: Weighted = metric.weighted(y, old)

    def gained(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return of_new(weights) - of_old(weights)

    return weighted_bootstrap(gained, counts, confidence=confidence, seed=seed)


def _median_difference(y: NDArray[Any], new: NDArray[Any], old: NDArray[Any], confidence: float, seed: int) -> Estimate:
    def gained(errors_new: NDArray[np.float64], errors_old: NDArray[np.float64]) -> float:
        return float(np.median(errors_new) - np.median(errors_old))

    errors = [np.abs(floats(y, "y") - floats(value, name)) for name, value in (("candidate", new), ("champion", old))]
    times = int(np.clip(40_000_000 // len(y), 400, 1000))
    return bootstrap(gained, *errors, n_resamples=times, seed=seed, confidence=confidence)


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> float:
    """Return the exact two-sided p of McNemar's test (1947): are the two right equally often, on the same rows?

    >>> mcnemar([1] * 10 + [0] * 2, [0] * 10 + [1] * 2).__round__(4)
    0.0386
    """
    a, b = positives(correct_a, "correct_a"), positives(correct_b, "correct_b")
    same_length(correct_a=a, correct_b=b)
    wins, losses = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    return float(scipy.stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def n_needed(estimate: Estimate, margin: float, power: float = 0.9) -> int | None:
    """Return how many rows would decide: resolve a distance ``margin`` at the estimate's confidence with this power.

    ``margin`` is how far the truth is thought to lie from the boundary: for a no-regression gate on equal models the
    allowed regression, for a threshold the distance of the value from it. The standard error read off the interval is
    taken to shrink with the root of n. In the units of ``estimate.n``; None when no number can be told (a distance of
    0, an open interval, no rows) or it is beyond ``MOST_NEEDED``.

    >>> n_needed(Estimate(0.0, -0.0152, 0.0152, 1000, "tango"), 0.02)
    1580
    """
    if margin < 0 or not 0.5 <= power < 1:
        raise ValueError(f"the margin must not be negative and power must lie in [0.5, 1); they are {margin}, {power}")
    if margin == 0 or estimate.n == 0 or not math.isfinite(estimate.half_width) or not math.isfinite(margin):
        return None
    reached = (1 + float(ndtri(power)) / normal_quantile(estimate.confidence)) * (estimate.half_width / margin)
    needed = estimate.n * reached * reached
    return max(1, math.ceil(needed)) if needed <= MOST_NEEDED else None
