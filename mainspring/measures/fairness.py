"""Rates by group, and the gap between groups with an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from mainspring.measures.arrays import floats, missing_values, positives, same_length
from mainspring.measures.classification import roc_auc
from mainspring.measures.estimate import Estimate
from mainspring.measures.intervals import newcombe, normal_quantile, wilson

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
) -> FairnessGap:
    """Return the largest minus the smallest rate over the groups with at least ``min_n`` rows in the denominator.

    ``prediction`` holds 0/1 labels, or scores for ``roc_auc``. The interval is simultaneous over all pairs of groups:
    Newcombe's for proportions and a normal one for areas, at Bonferroni's level; the largest lower bound and the largest
    upper bound of any pair bound the gap. It is conservative, and unlike a bootstrap of max - min not biased upwards.
    Rows without a group form the group ``(missing)``.

    >>> y, label = [1, 0] * 400, [1, 0, 1, 1] * 200
    >>> found = gap(y, label, ["a", "a", "b", "b"] * 200)
    >>> str(found.gap), [(each.group, each.rate.value) for each in found.groups]
    ('0.5 [0.4503, 0.5488] n=800', [('a', 0.5), ('b', 1.0)])
    """
    truth, names = positives(y), _names(groups)
    answer = floats(prediction, "prediction") if metric == "roc_auc" else positives(prediction, "prediction")
    same_length(y=truth, prediction=answer, groups=names)
    kept: dict[str, tuple[int, int, Estimate]] = {}
    too_small = []
    for name in np.unique(names).tolist():
        mine = names == name
        found = _rate(metric, truth[mine], answer[mine], confidence)
        if found is None or found[1] < min_n:
            too_small.append(name)
        else:
            kept[name] = found
    rates = tuple(GroupRate(name, found[2]) for name, found in kept.items())
    largest = _largest(kept, metric, confidence) if len(kept) > 1 else None
    return FairnessGap(metric, largest, rates, tuple(too_small), min_n)


def _names(groups: ArrayLike) -> NDArray[np.str_]:
    array = np.asarray(groups)
    if array.ndim != 1:
        raise ValueError(f"groups must be one-dimensional, not of shape {array.shape}")
    missing = missing_values(array)
    return np.where(missing, MISSING, array.astype(str))


def _rate(
    metric: Rate, truth: NDArray[np.bool_], answer: NDArray[np.generic], confidence: float
) -> tuple[int, int, Estimate] | None:
    if metric == "roc_auc":
        if truth.all() or not truth.any():
            return None
        found = roc_auc(truth, answer, confidence=confidence)
        return 0, len(truth), found
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
    return hits, n, wilson(hits, n, confidence)


def _largest(kept: dict[str, tuple[int, int, Estimate]], metric: Rate, confidence: float) -> Estimate:
    pairs = list(combinations(kept.values(), 2))
    each = 1 - (1 - confidence) / len(pairs)
    low, high, value = 0.0, 0.0, 0.0
    for (hits_a, n_a, a), (hits_b, n_b, b) in pairs:
        apart = _independent(a, b, each) if metric == "roc_auc" else newcombe(hits_a, n_a, hits_b, n_b, each)
        value = max(value, abs(apart.value))
        low = max(low, apart.low, -apart.high)
        high = max(high, apart.high, -apart.low)
    n = sum(found[1] for found in kept.values())
    name = "simultaneous delong" if metric == "roc_auc" else "simultaneous newcombe"
    return Estimate(value, low, min(1.0, high), n, f"{name}, {len(pairs)} pairs", confidence)


def _independent(a: Estimate, b: Estimate, confidence: float) -> Estimate:
    """Return the difference of two independent estimates by adding their one-sided errors (Zou & Donner 2008)."""
    wider = normal_quantile(confidence) / normal_quantile(a.confidence)
    value = a.value - b.value
    low = value - wider * math.hypot(a.value - a.low, b.high - b.value)
    high = value + wider * math.hypot(a.high - a.value, b.value - b.low)
    return Estimate(value, low, high, a.n + b.n, "mover", confidence)
