"""How far apart are the groups?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.base.errors import InvalidData, did_you_mean
from mainspring.measures.fairness import gap
from mainspring.testing.checks.context import clusters_for, truth_for
from mainspring.testing.verdict import Verdict, against_bound, measuring, not_applicable, undecided

if TYPE_CHECKING:
    from mainspring.base.settings.checks import Fairness
    from mainspring.measures.fairness import FairnessGap
    from mainspring.testing.checks.context import Context


def check(settings: Fairness, context: Context) -> list[Verdict]:
    """Judge the largest gap between two groups, with its simultaneous interval, against the bound.

    Groups with fewer than ``min_group`` rows in the rate's denominator are left out and named. With fewer than two
    groups left the question stays open.
    """
    name = settings.name or f"fairness: {settings.metric} by {settings.group}"
    if context.task == "regression" or (context.task == "multiclass" and settings.metric != "accuracy"):
        reason = f"a {context.task} model has no {settings.metric.replace('_', ' ')}"
        return [not_applicable(name, reason, required=settings.required)]
    found = _gap(settings, context)
    evidence = _told(found)
    if found.gap is None:
        small = ", ".join(found.too_small[:10]) or "none"
        reason = f"fewer than two groups of '{settings.group}' have {settings.min_group} rows; too small: {small}"
        return [undecided(name, reason, required=settings.required, evidence=evidence)]
    return [against_bound(name, found.gap, high=settings.max_gap, required=settings.required, evidence=evidence)]


def _gap(settings: Fairness, context: Context) -> FairnessGap:
    if settings.group not in context.holdout.columns:
        raise InvalidData(
            f"the holdout has no column '{settings.group}' to group by",
            hint=did_you_mean(settings.group, context.holdout.columns)
            or "keep it in the holdout; it need be no feature",
            column=settings.group,
        )
    truth = truth_for(context.truth, context.task)
    label = truth_for(np.asarray(context.scores.label), context.task)
    groups = np.array(context.holdout.get_column(settings.group).cast(pl.String).to_list(), dtype=object)
    dependent = clusters_for(settings, context)
    with measuring(f"the gap of {settings.metric} over '{settings.group}'"):
        if settings.metric == "accuracy":
            right = (truth == label).astype(np.int64)
            return gap(np.ones_like(right), right, groups, "accuracy", min_n=settings.min_group, clusters=dependent)
        return gap(truth, label, groups, settings.metric, min_n=settings.min_group, clusters=dependent)


def _told(found: FairnessGap) -> dict[str, Any]:
    rates = {
        each.group: {"rate": each.rate.value, "interval": [each.rate.low, each.rate.high], "n": each.rate.n}
        for each in found.groups
    }
    return {"groups": rates, "too_small": list(found.too_small), "min_group": found.min_n}
