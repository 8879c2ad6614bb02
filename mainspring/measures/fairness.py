"""Rates by group, and the gap between groups with an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from mainspring.measures.arrays import floats, missing_values, positives, same_length
from mainspring.measures.classification import roc_auc
from mainspring.measures.clustered import jackknife_error, means_left_out, widened
from mainspring.measures.estimate import Estimate
from mainspring.measures.intervals import cluster_codes, newcombe, normal_quantile, wilson
from mainspring.measures.ranking import areas_left_out

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Rate = Literal[
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "false_negative_rate",
    "precision",
    "accuracy",
    "roc_auc",
]
MISSING = "(missing)"


@dataclass(frozen=True)
class GroupRate:
    """One group's rate; its ``n`` counts the rows of the rate's denominator."""

    group: str
    rate: Estimate


@dataclass(frozen=True)
class FairnessGap:
    """The largest difference between two groups; None when fewer than two groups have rows enough to be compared.

    ``too_small`` names the groups left out: about them nothing was found, good or bad.
    """

    metric: str
    gap: Estimate | None
    groups: tuple[GroupRate, ...]
    too_small: tuple[str, ...]
    min_n: int


def gap(
    y: ArrayLike,
    prediction: ArrayLike,
    groups: ArrayLike,
    metric: Rate = "selection_rate",
    *,
    min_n: int = 100,
    confidence: float = 0.95,
    clusters: ArrayLike | None = None,
) -> FairnessGap:
    """Return the largest minus the smallest rate over the groups with at least ``min_n`` rows in the denominator.

    ``prediction`` holds 0/1 labels, or scores for ``roc_auc``. The interval is simultaneous over all pairs of groups:
    Newcombe's for proportions and a normal one for areas, at Bonferroni's level; the largest lower bound and the largest
    upper bound of any pair bound the gap. It is conservative, and unlike a bootstrap of max - min not biased upwards.
    Rows without a group form the group ``(missing)``. ``clusters`` names what rows depend on each other (also across the
    groups): intervals are widened to the error of the jackknife by cluster (:mod:`~mainspring.measures.clustered`).

    >>> y, label = [1, 0] * 400, [1, 0, 1, 1] * 200
    >>> found = gap(y, label, ["a", "a", "b", "b"] * 200)
    >>> str(found.gap), [(each.group, each.rate.value) for each in found.groups]
    ('0.5 [0.4503, 0.5488] n=800', [('a', 0.5), ('b', 1.0)])
    """
    truth, names = positives(y), _names(groups)
    answer = floats(prediction, "prediction") if metric == "roc_auc" else positives(prediction, "prediction")
    same_length(y=truth, prediction=answer, groups=names)
    dependent = None if clusters is None else cluster_codes(clusters, len(truth))
    kept: dict[str, _Group] = {}
    too_small = []
    for name in np.unique(names).tolist():
        mine = names == name
        found = _rate(metric, truth[mine], answer[mine], confidence, None if dependent is None else dependent[mine])
        if found is None or found.n < min_n:
            too_small.append(name)
        else:
            kept[name] = found
    rates = tuple(GroupRate(name, found.shown) for name, found in kept.items())
    largest = _largest(kept, metric, confidence, dependent) if len(kept) > 1 else None
    return FairnessGap(metric, largest, rates, tuple(too_small), min_n)


@dataclass(frozen=True, kw_only=True)
class _Group:
    """A group's rate with rows taken as independent; ``shown`` heeds the clusters, of which ``of`` has those of its rows."""

    hits: int
    n: int
    alone: Estimate
    shown: Estimate
    of: NDArray[np.int64] | None = None
    left: NDArray[np.float64] | None = None


def _names(groups: ArrayLike) -> NDArray[np.str_]:
    array = np.asarray(groups)
    if array.ndim != 1:
        raise ValueError(f"groups must be one-dimensional, not of shape {array.shape}")
    missing = missing_values(array)
    return np.where(missing, MISSING, array.astype(str))


def _rate(
    metric: Rate,
    truth: NDArray[np.bool_],
    answer: NDArray[np.generic],
    confidence: float,
    clusters: NDArray[np.int64] | None,
) -> _Group | None:
    if metric == "roc_auc":
        if truth.all() or not truth.any():
            return None
        area = roc_auc(truth, answer, confidence=confidence)
        if clusters is None:
            return _Group(hits=0, n=len(truth), alone=area, shown=area)
        mine, code = np.unique(clusters, return_inverse=True)
        left = areas_left_out(truth, np.asarray(answer, dtype=np.float64), code)
        return _of_clusters(0, area, clusters, mine, left)
    label = answer.astype(np.bool_)
    everyone = np.ones(len(truth), dtype=np.bool_)
    table = {
        "selection_rate": (label, everyone),
        "true_positive_rate": (label, truth),
        "false_positive_rate": (label, ~truth),
        "false_negative_rate": (~label, truth),
        "precision": (truth, label),
        "accuracy": (truth == label, everyone),
    }
    if metric not in table:
        raise ValueError(f"there is no rate {metric!r}; the rates are {', '.join(table)}, roc_auc")
    hit, of = table[metric]
    hits, n = int(np.sum(hit & of)), int(np.sum(of))
    rate = wilson(hits, n, confidence)
    if clusters is None or n == 0:
        return _Group(hits=hits, n=n, alone=rate, shown=rate)
    mine, code = np.unique(clusters[of], return_inverse=True)
    return _of_clusters(hits, rate, clusters[of], mine, means_left_out(hit[of].astype(np.float64), code))


def _of_clusters(
    hits: int, alone: Estimate, clusters: NDArray[np.int64], mine: NDArray[np.int64], left: NDArray[np.float64]
) -> _Group:
    without = np.full(int(mine.max()) + 1, alone.value)
    without[mine] = left
    shown = widened(alone, jackknife_error(left), clusters, bounds=(0.0, 1.0))
    return _Group(hits=hits, n=alone.n, alone=alone, shown=shown, of=clusters, left=without)


def _largest(kept: dict[str, _Group], metric: Rate, confidence: float, clusters: NDArray[np.int64] | None) -> Estimate:
    pairs = list(combinations(kept.values(), 2))
    each = 1 - (1 - confidence) / len(pairs)
    apart = [_apart(a, b, metric, each) for a, b in pairs]
    low = max(0.0, *(found.low for found in apart), *(-found.high for found in apart))
    high = max(0.0, *(found.high for found in apart), *(-found.low for found in apart))
    value = max(abs(found.value) for found in apart)
    n = sum(found.n for found in kept.values())
    name = "simultaneous delong" if metric == "roc_auc" else "simultaneous newcombe"
    largest = Estimate(value, low, min(1.0, high), n, f"{name}, {len(pairs)} pairs", confidence)
    if clusters is None:
        return largest
    least = min(apart, key=lambda found: found.effective_clusters or 0.0)
    worth = min((found.effective_n or 0.0) / found.n for found in apart)
    return replace(
        largest,
        method=f"{largest.method}, by cluster",
        clusters=least.clusters,
        effective_clusters=least.effective_clusters,
        effective_n=n * worth,
    )


def _apart(a: _Group, b: _Group, metric: Rate, confidence: float) -> Estimate:
    is_area = metric == "roc_auc"
    found = _independent(a.alone, b.alone, confidence) if is_area else newcombe(a.hits, a.n, b.hits, b.n, confidence)
    if a.of is None or b.of is None or a.left is None or b.left is None:
        return found
    size = max(len(a.left), len(b.left))
    first = np.pad(a.left, (0, size - len(a.left)), constant_values=a.alone.value)
    second = np.pad(b.left, (0, size - len(b.left)), constant_values=b.alone.value)
    return widened(found, jackknife_error(first - second), np.concatenate([a.of, b.of]), bounds=(-1.0, 1.0))


def _independent(a: Estimate, b: Estimate, confidence: float) -> Estimate:
    """Return the difference of two independent estimates by adding their one-sided errors (Zou & Donner 2008)."""
    wider = normal_quantile(confidence) / normal_quantile(a.confidence)
    value = a.value - b.value
    low = value - wider * math.hypot(a.value - a.low, b.high - b.value)
    high = value + wider * math.hypot(a.high - a.value, b.value - b.low)
    return Estimate(value, low, high, a.n + b.n, "mover", confidence)
