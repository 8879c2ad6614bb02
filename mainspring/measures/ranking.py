"""Measures of order: the area under the ROC curve by fast DeLong, and average precision of weighted rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mainspring.measures.resampling import Weighted


class Areas(NamedTuple):
    """The areas of k scores on the same rows, and each row's pull on them (shape (k, n), summing to 0)."""

    values: NDArray[np.float64]
    influence: NDArray[np.float64]
    covariance: NDArray[np.float64]


def midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks 1..n, ties sharing their mean rank.

    >>> midranks(np.array([10.0, 30.0, 10.0]))
    array([1.5, 3. , 1.5])
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    edge = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((edge[:-1] + edge[1:] + 1) / 2, np.diff(edge))
    return ranks


def delong(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Areas:
    """Return areas under the ROC curve and their covariance (DeLong 1988) in O(n log n) (Sun & Xu 2014).

    ``scores`` is of shape (k, n). The covariance needs two rows of each class; with one it is infinite.

    >>> y = np.array([False, False, True, True])
    >>> delong(y, np.array([[0.1, 0.4, 0.35, 0.8]])).values
    array([0.75])
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if m == 0 or n == 0:
        raise ValueError("the area under the ROC curve needs both classes, but y holds one only")
    values, influence = np.empty(len(scores)), np.empty(scores.shape)
    above, below = np.empty((len(scores), m)), np.empty((len(scores), n))
    for i, score in enumerate(scores):
        overall = midranks(score)
        above[i] = (overall[positive] - midranks(score[positive])) / n
        below[i] = 1 - (overall[~positive] - midranks(score[~positive])) / m
        values[i] = above[i].mean()
        influence[i, positive] = (above[i] - values[i]) / m
        influence[i, ~positive] = (below[i] - values[i]) / n
    if min(m, n) < 2:
        return Areas(values, influence, np.full((len(scores), len(scores)), np.inf))
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return Areas(values, influence, covariance)


def areas_left_out(
    positive: NDArray[np.bool_], score: NDArray[np.float64], group: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the area under the ROC curve without each group 0..G-1, all exactly and at the cost of two; NaN without a class.

    Of the pairs won, those that hold a row of the group go: its positives against everybody, everybody against its
    negatives, less the pairs within the group, which both count.

    >>> y, score = np.array([False, True, False, True]), np.array([0.1, 0.4, 0.35, 0.2])
    >>> areas_left_out(y, score, np.array([0, 0, 1, 1]))
    array([0., 1.])
    """
    m, n, groups = int(positive.sum()), int((~positive).sum()), int(group.max()) + 1
    if m == 0 or n == 0:
        raise ValueError("the area under the ROC curve needs both classes, but y holds one only")
    overall = midranks(score)
    won = np.empty(len(score))
    won[positive] = overall[positive] - midranks(score[positive])
    won[~positive] = m - (overall[~positive] - midranks(score[~positive]))
    by_group = np.bincount(group, weights=won, minlength=groups)
    _, dense = np.unique(score, return_inverse=True)
    within = midranks((group * (int(dense.max()) + 1) + dense).astype(np.float64))
    sizes = np.bincount(group, minlength=groups)
    within -= (np.cumsum(sizes) - sizes)[group]
    hits = np.bincount(group, weights=positive, minlength=groups)
    inside = np.bincount(group, weights=np.where(positive, within, 0.0), minlength=groups) - hits * (hits + 1) / 2
    left = float(won[positive].sum()) - by_group + inside
    pairs = (m - hits) * (n - (sizes - hits))
    return np.asarray(np.divide(left, pairs, out=np.full(groups, np.nan), where=pairs > 0))


def weighted_average_precision(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> Weighted:
    """Return average precision as a function of row weights: the sum of precision x recall gained, ties as one step.

    >>> y, score = np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8])
    >>> weighted_average_precision(y, score)(np.ones((1, 4))).round(3)
    array([0.833])
    """
    order = np.argsort(-score, kind="stable")
    ordered, hit = score[order], positive[order].astype(np.float64)
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))

    def value(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        drawn = weights[:, order]
        seen = np.cumsum(drawn, axis=1)[:, ends]
        found = np.cumsum(drawn * hit, axis=1)[:, ends]
        gained = np.diff(found, axis=1, prepend=0.0)
        total = found[:, -1]
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
        summed = np.einsum("ij,ij->i", precision, gained)
        return np.asarray(np.divide(summed, total, out=np.full_like(summed, np.nan), where=total > 0))

    return value


def average_precision_influence(
    positive: NDArray[np.bool_], score: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return average precision and each row's pull on it: its derivative by the row's weight (summing to 0).

    The root of the sum of squared pulls is the infinitesimal jackknife's standard error (Jaeckel 1972), which for many
    rows is the bootstrap's, without resampling.

    >>> y, score = np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8])
    >>> value, pull = average_precision_influence(y, score)
    >>> round(value, 3), abs(round(float(pull.sum()), 9))
    (0.833, 0.0)
    """
    order = np.argsort(-score, kind="stable")
    ordered, hit = score[order], positive[order].astype(np.float64)
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    group = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=-1))
    found, seen = np.cumsum(hit)[ends], (ends + 1).astype(np.float64)
    gained, total = np.diff(found, prepend=0.0), found[-1]
    value = float(np.sum(gained * found / seen) / total)
    as_hit = np.cumsum((gained / seen)[::-1])[::-1]
    as_row = np.cumsum((gained * found / seen**2)[::-1])[::-1]
    pull = np.empty(len(score))
    pull[order] = (hit * ((found / seen)[group] + as_hit[group] - value) - as_row[group]) / total
    return value, pull
