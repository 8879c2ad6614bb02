"""Does one feature alone give the answer away?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy  # `scipy.stats` loads at its first use: half a second that most commands never need

from mainspring.measures.arrays import codes, floats, labels, missing_values, positives, same_length
from mainspring.measures.classification import roc_auc
from mainspring.measures.estimate import Estimate
from mainspring.measures.intervals import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

_FOLDS = 5
_BINS = 30
_SMOOTHING = 10.0


def single_feature_score(
    x: ArrayLike,
    y: ArrayLike,
    task: Literal["binary", "multiclass", "regression"],
    *,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """Return how well one feature alone orders the target: a leak stands out by a score near 1.

    Binary: the area under the ROC curve, 0.5 for a useless feature. Multiclass: the largest area of a class against the
    rest. Regression: the absolute rank correlation (Fisher's interval), 0 for a useless feature. Numbers are tried as
    they are and, to see dependence that goes up and down, in 30 quantile bins; text is read as categories. A bin or
    category scores by its mean target in the other folds (5, shuffled by ``seed``), so that an identifier with one row a
    value does not look like a leak. A missing value is a bin of its own.

    :raises ValueError: lengths that differ, an empty or one-class target.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 500)
    >>> single_feature_score(y + rng.normal(0, 0.01, 500), y, "binary").value
    1.0
    """
    feature = np.asarray(x)
    if task == "regression":
        target = floats(y, "y")
        same_length(x=feature, y=target)
        return _best(_scores(feature, target, seed), lambda score: _correlation(score, target, confidence))
    if task == "binary":
        mask = positives(y)
        same_length(x=feature, y=mask)
        return _best(_scores(feature, mask, seed), lambda score: roc_auc(mask, score, confidence=confidence))
    (code,), classes = codes(labels(y, "y"))
    same_length(x=feature, y=code)
    if len(classes) < 2:
        raise ValueError("the target holds one class only")
    common = [index for index in range(len(classes)) if np.sum(code == index) >= 10] or [0]
    found = []
    for index in common:
        mask = code == index
        found.append(_best(_scores(feature, mask, seed), partial(roc_auc, mask, confidence=confidence)))
    return max(found, key=lambda estimate: estimate.value)


def _best(
    scores: tuple[NDArray[np.float64] | None, NDArray[np.float64]], measure: Callable[[NDArray[np.float64]], Estimate]
) -> Estimate:
    """Return the better of both scores; only the feature as it is may count in either direction."""
    plain, learned = scores
    found = [measure(learned)] + ([] if plain is None else [measure(plain), measure(-plain)])
    return max(found, key=lambda estimate: estimate.value)


def _scores(
    feature: NDArray[Any], target: NDArray[Any], seed: int
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64]]:
    """Return the feature as it is, if it is a number, and its out-of-fold mean target; neither with missing values."""
    target = target.astype(np.float64)
    missing = missing_values(feature)
    if feature.dtype.kind == "O" and not missing.all():
        held = feature[~missing].tolist()
        if all(isinstance(value, (bool, int, float, np.number)) for value in held):
            feature = np.where(missing, np.nan, feature).astype(np.float64)
    if feature.dtype.kind in "mM":
        feature = np.where(missing, np.nan, feature.astype(np.int64).astype(np.float64))
    if feature.dtype.kind not in "iufb":
        names = np.where(missing, "", feature.astype(str))
        return None, _out_of_fold(np.unique(names, return_inverse=True)[1], target, seed)
    values = feature.astype(np.float64)
    if missing.all():
        return None, np.zeros(len(values))
    finite = values[np.isfinite(values)]
    edges = np.unique(np.quantile(finite, np.arange(1, _BINS) / _BINS)) if len(finite) else np.empty(0)
    bins = np.where(missing, len(edges) + 1, np.searchsorted(edges, values, side="right"))
    filled = np.where(missing, np.median(values[~missing]), values)
    huge = np.finfo(np.float64).max
    return np.clip(filled, -huge, huge), _out_of_fold(bins, target, seed)


def _out_of_fold(category: NDArray[Any], target: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    n, width = len(target), int(category.max()) + 1
    fold = np.random.default_rng(seed).permutation(n) % _FOLDS
    key = category * _FOLDS + fold
    sums = np.bincount(key, weights=target, minlength=width * _FOLDS).reshape(width, _FOLDS)
    counts = np.bincount(key, minlength=width * _FOLDS).reshape(width, _FOLDS)
    other_sums = sums.sum(axis=1, keepdims=True) - sums
    other_counts = counts.sum(axis=1, keepdims=True) - counts
    # The prior is the mean of the same other folds: one mean for all would tell the fold's own target.
    prior = other_sums.sum(axis=0) / np.maximum(other_counts.sum(axis=0), 1)
    means = (other_sums + _SMOOTHING * prior) / (other_counts + _SMOOTHING)
    return np.asarray(means[category, fold] - prior[fold])


def _correlation(score: NDArray[np.float64], target: NDArray[np.float64], confidence: float) -> Estimate:
    n = len(target)
    ranks = [scipy.stats.rankdata(values) - (n + 1) / 2 for values in (score, target)]
    norm = float(np.sqrt(np.sum(ranks[0] ** 2) * np.sum(ranks[1] ** 2)))
    value = max(0.0, float(np.sum(ranks[0] * ranks[1]))) / norm if norm > 0 else 0.0
    if n <= 3:
        return Estimate(value, 0.0, 1.0, n, "spearman", confidence)
    centre = np.arctanh(min(value, 1 - 1e-15))
    half = normal_quantile(confidence) * np.sqrt((1 + value**2 / 2) / (n - 3))
    return Estimate(
        value, max(0.0, float(np.tanh(centre - half))), float(np.tanh(centre + half)), n, "spearman", confidence
    )
