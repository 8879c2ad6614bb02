"""Metrics of classifiers, each with its interval.

Binary labels are booleans, 0/1 or -1/1 (the positive class is True or 1); other labels are classes. Scores are
probabilities of the positive class, or one column a class in the sorted order of the classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import expit, logit

from mainspring.measures.arrays import codes, floats, labels, positives, probabilities, same_length
from mainspring.measures.confusion import Average, Share, distinct_rows, is_macro, weighted_share
from mainspring.measures.estimate import Estimate
from mainspring.measures.intervals import mean_interval, normal_quantile, wilson
from mainspring.measures.ranking import average_precision_influence, delong, weighted_average_precision
from mainspring.measures.resampling import weighted_bootstrap

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from mainspring.measures.resampling import Weighted

Binning = Literal["uniform", "quantile"]
MANY_ROWS = 20_000
"""From here on average precision's error is computed, not resampled."""


def correct_rows(y: ArrayLike, label: ArrayLike) -> NDArray[np.float64]:
    """Return 1.0 for each row whose label is right.

    >>> correct_rows([0, 1], [0, 0])
    array([1., 0.])
    """
    truth, answer = labels(y, "y"), labels(label, "label")
    same_length(y=truth, label=answer)
    (truth_code, answer_code), _ = codes(truth, answer)
    return np.asarray(truth_code == answer_code, dtype=np.float64)


def accuracy(y: ArrayLike, label: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return the share of right labels, with Wilson's interval.

    >>> print(accuracy([0, 1, 1, 0], [0, 1, 0, 0]))
    0.75 [0.3006, 0.9544] n=4
    """
    right = correct_rows(y, label)
    return wilson(float(right.sum()), len(right), confidence)


def f1(
    y: ArrayLike, label: ArrayLike, *, average: Average = "auto", confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Return F1 (harmonic mean of precision and recall), binary or the mean over classes, with a BCa bootstrap.

    >>> f1([0, 1, 1, 0] * 25, [0, 1, 0, 0] * 25).value.__round__(4)
    0.6667
    """
    return _share_bootstrap(y, label, "f1", average, confidence, seed)


def precision(
    y: ArrayLike, label: ArrayLike, *, average: Average = "auto", confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Return the share of predicted positives that are positive, with Wilson's interval; n counts predicted positives.

    Without a predicted positive it is undefined: 0 in [0, 1], n = 0. More than two classes: the mean over the classes
    with a BCa bootstrap.

    >>> print(precision([0, 1, 1, 0], [0, 1, 0, 0]))
    1 [0.2065, 1] n=1
    """
    return _ratio(y, label, "precision", average, confidence, seed)


def recall(
    y: ArrayLike, label: ArrayLike, *, average: Average = "auto", confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Return the share of positives that were predicted, with Wilson's interval; n counts positives.

    Without a positive it is undefined: 0 in [0, 1], n = 0. More than two classes: the mean over the classes with a BCa
    bootstrap.

    >>> print(recall([0, 1, 1, 0], [0, 1, 0, 0]))
    0.5 [0.09453, 0.9055] n=2
    """
    return _ratio(y, label, "recall", average, confidence, seed)


def _ratio(
    y: ArrayLike,
    label: ArrayLike,
    share: Literal["precision", "recall"],
    average: Average,
    confidence: float,
    seed: int,
) -> Estimate:
    truth, answer = labels(y, "y"), labels(label, "label")
    if is_macro(truth, answer, average):
        return _share_bootstrap(truth, answer, share, "macro", confidence, seed)
    same_length(y=truth, label=answer)
    real, told = positives(truth), positives(answer, "label")
    among = told if share == "precision" else real
    return wilson(float((real & told).sum()), int(among.sum()), confidence)


def _share_bootstrap(
    y: ArrayLike, label: ArrayLike, share: Share, average: Average, confidence: float, seed: int
) -> Estimate:
    truth, answer = labels(y, "y"), labels(label, "label")
    same_length(y=truth, label=answer)
    first, counts = distinct_rows(truth, answer)
    kind: Average = "macro" if is_macro(truth, answer, average) else "binary"
    statistic = weighted_share(truth[first], answer[first], share, kind)
    return weighted_bootstrap(statistic, counts, confidence=confidence, seed=seed, n_resamples=1000)


def log_loss_rows(y: ArrayLike, score: ArrayLike) -> NDArray[np.float64]:
    """Return each row's negative log-likelihood in nats; probabilities are kept 2.2e-16 away from 0 and 1.

    ``score`` is a vector for binary labels, or of shape (n, classes) in the sorted order of the classes.

    >>> log_loss_rows([1, 0], [0.5, 0.5]).round(4)
    array([0.6931, 0.6931])
    """
    tiny = np.finfo(np.float64).eps
    matrix: NDArray[Any] = np.asarray(score)
    if matrix.ndim != 2:
        given = probabilities(score)
        mask = positives(y)
        same_length(y=mask, score=given)
        return np.asarray(-np.log(np.clip(np.where(mask, given, 1 - given), tiny, 1.0)))
    flat = probabilities(matrix.ravel()).reshape(matrix.shape)
    truth = labels(y, "y")
    same_length(y=truth, score=flat)
    sums = flat.sum(axis=1)
    if not np.allclose(sums, 1, atol=1e-3):
        raise ValueError(f"each row of score must sum to 1; row {int(np.argmax(abs(sums - 1)))} does not")
    own = flat[np.arange(len(truth)), _class_columns(truth, int(matrix.shape[-1]))]
    return np.asarray(-np.log(np.clip(own, tiny, 1.0)))


def _class_columns(truth: NDArray[np.generic], width: int) -> NDArray[np.int64]:
    (code,), classes = codes(truth)
    if len(classes) == width:
        return code
    if classes.dtype.kind in "iub" and classes.min() >= 0 and classes.max() < width:
        return truth.astype(np.int64)
    raise ValueError(
        f"score has {width} columns but y holds {len(classes)} classes: number the classes 0..{width - 1} in y"
    )


def log_loss(y: ArrayLike, score: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return the mean negative log-likelihood in nats, with a t interval.

    >>> print(log_loss([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]))
    0.1976 [0.007189, 0.3881] n=4
    """
    return mean_interval(log_loss_rows(y, score), confidence)


def brier_rows(y: ArrayLike, score: ArrayLike) -> NDArray[np.float64]:
    """Return each row's squared error of the probability.

    >>> brier_rows([1, 0], [0.5, 0.0])
    array([0.25, 0.  ])
    """
    mask, given = positives(y), probabilities(score)
    same_length(y=mask, score=given)
    return np.asarray((given - mask) ** 2)


def brier(y: ArrayLike, score: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return the mean squared error of the probabilities (Brier 1950), with a t interval.

    >>> brier([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]).value.__round__(4)
    0.0375
    """
    return mean_interval(brier_rows(y, score), confidence)


def roc_auc(y: ArrayLike, score: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return the area under the ROC curve; DeLong's error on the logit scale (Pepe 2003).

    Where the error is undefined or 0 (one row of a class, perfect order), Wilson's interval over as many rows as the
    rarer class has. ``score`` is any finite ranking score.

    :raises ValueError: one class only, lengths that differ, NaN scores.

    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value
    0.75
    """
    mask, given = positives(y), floats(score, "score")
    n = same_length(y=mask, score=given)
    areas = delong(mask, given[None, :])
    value, variance = float(areas.values[0]), float(areas.covariance[0, 0])
    if not 0 < variance < np.inf or not 0 < value < 1:
        rarer = int(min(mask.sum(), n - mask.sum()))
        bounds = wilson(value * rarer, rarer, confidence)
        return Estimate(value, bounds.low, bounds.high, n, "wilson over the rarer class", confidence)
    low, high = _logit_bounds(value, variance, confidence)
    return Estimate(value, low, high, n, "delong", confidence)


def _logit_bounds(value: float, variance: float, confidence: float) -> tuple[float, float]:
    half = normal_quantile(confidence) * variance**0.5 / (value * (1 - value))
    centre = float(logit(value))
    return float(expit(centre - half)), float(expit(centre + half))


def average_precision(y: ArrayLike, score: ArrayLike, *, confidence: float = 0.95, seed: int = 0) -> Estimate:
    """Return average precision (scikit-learn's definition), with a BCa bootstrap.

    Above 20,000 rows: the infinitesimal jackknife's error on the logit scale, which is the same without resampling.

    >>> average_precision([0, 0, 1, 1] * 20, [0.1, 0.4, 0.35, 0.8] * 20).value.__round__(3)
    0.833
    """
    mask, given = positives(y), floats(score, "score")
    n = same_length(y=mask, score=given)
    if not mask.any():
        raise ValueError("average precision needs at least one positive in y")
    if n > MANY_ROWS:
        value, pull = average_precision_influence(mask, given)
        if 0 < value < 1:
            low, high = _logit_bounds(value, float(pull @ pull), confidence)
            return Estimate(value, low, high, n, "infinitesimal jackknife", confidence)
    return weighted_bootstrap(weighted_average_precision(mask, given), np.ones(n), confidence=confidence, seed=seed)


def weighted_calibration_error(
    y: ArrayLike, score: ArrayLike, bins: int = 10, binning: Binning = "uniform"
) -> Weighted:
    """Return the expected calibration error as a function of row weights.

    >>> weighted_calibration_error([0, 1], [0.2, 0.9])(np.ones((1, 2))).round(3)
    array([0.15])
    """
    mask, given = positives(y), probabilities(score)
    n = same_length(y=mask, score=given)
    errors = np.zeros((n, bins))
    errors[np.arange(n), _bins(given, bins, binning)] = mask - given

    def value(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.abs(weights @ errors).sum(axis=1) / weights.sum(axis=1))

    return value


def calibration_error(
    y: ArrayLike,
    score: ArrayLike,
    *,
    bins: int = 10,
    binning: Binning = "uniform",
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return the expected calibration error (Guo et al. 2017): the mean distance of score and frequency over bins.

    The plain error is biased upwards, the more so the fewer rows a bin has. So the interval reaches down to 0 unless
    the error is larger than a calibrated model's would be (consistency resampling, Bröcker & Smith 2007); beyond that
    it is the basic bootstrap's, which reflects the bias.

    >>> calibration_error([0, 1] * 50, [0.5, 0.5] * 50).value
    0.0
    """
    given = probabilities(score)
    n, place = len(given), _bins(given, bins, binning)
    found = weighted_bootstrap(
        weighted_calibration_error(y, score, bins, binning), np.ones(n), confidence=confidence, seed=seed, basic=True
    )
    spread = np.sqrt(np.bincount(place, weights=given * (1 - given), minlength=bins))
    calibrated = np.abs(np.random.default_rng(seed).normal(size=(2000, bins)) * spread).sum(axis=1) / n
    is_chance = found.value <= np.quantile(calibrated, (1 + confidence) / 2)
    low = 0.0 if is_chance else min(max(0.0, found.low), found.value)
    return Estimate(found.value, low, min(1.0, max(found.value, found.high)), n, found.method, confidence)


def _bins(score: NDArray[np.float64], bins: int, binning: Binning) -> NDArray[np.int64]:
    if bins < 1 or binning not in ("uniform", "quantile"):
        raise ValueError(f"bins must be positive and binning 'uniform' or 'quantile', not {bins}, {binning!r}")
    if binning == "uniform":
        return np.minimum((score * bins).astype(np.int64), bins - 1)
    return np.searchsorted(np.quantile(score, np.arange(1, bins) / bins), score, side="right").astype(np.int64)


def spiegelhalter(y: ArrayLike, score: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return Spiegelhalter's z (1986): standard normal for a calibrated model, so an interval without 0 rejects it.

    Positive z: scores too extreme or too low for what happened.

    :raises ValueError: every score is 0, 1/2 or 1, where the statistic is undefined.

    >>> print(spiegelhalter([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]))
    -0.8805 [-2.84, 1.08] n=4
    """
    mask, given = positives(y), probabilities(score)
    n = same_length(y=mask, score=given)
    spread = float(np.sum((1 - 2 * given) ** 2 * given * (1 - given)))
    if spread == 0:
        raise ValueError("Spiegelhalter's z is undefined when every score is 0, 1/2 or 1")
    value = float(np.sum((mask - given) * (1 - 2 * given))) / spread**0.5
    z = normal_quantile(confidence)
    return Estimate(value, value - z, value + z, n, "spiegelhalter", confidence)
