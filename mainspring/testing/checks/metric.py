"""Does a metric on the holdout clear its bound?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.base.errors import UsageError
from mainspring.measures.clustered import clustered
from mainspring.testing.checks.context import clusters_for, metric_for, predictions_for, truth_for
from mainspring.testing.verdict import Verdict, against_bound, measuring

if TYPE_CHECKING:
    from mainspring.base.settings.checks import MetricThreshold
    from mainspring.testing.checks.context import Context


def check(settings: MetricThreshold, context: Context) -> list[Verdict]:
    """Judge the metric's whole confidence interval against the bounds."""
    name = settings.name or f"metric: {settings.metric}"
    if settings.min is None and settings.max is None:
        raise UsageError(f"the check '{name}' has neither min nor max", hint="give it a bound, e.g. min: 0.8")
    metric = metric_for(settings.metric, context.task)
    truth, answer = truth_for(context.truth, context.task), predictions_for(metric, context.scores, context.task)
    clusters = clusters_for(settings, context)
    with measuring(settings.metric):
        if clusters is None:
            found = metric.estimate(truth, answer, confidence=settings.confidence)
        else:
            found = clustered(metric.name, truth, answer, clusters, confidence=settings.confidence)
    evidence = {"holdout_md5": context.frozen.holdout_md5, "rows": context.holdout.height}
    return [
        against_bound(name, found, low=settings.min, high=settings.max, required=settings.required, evidence=evidence)
    ]
