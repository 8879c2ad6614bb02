"""Does a metric on the holdout clear its bound?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.base.errors import UsageError
from mainspring.testing.checks.context import metric_for, predictions_for, truth_for
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
    truth = truth_for(context.truth, context.task)
    with measuring(settings.metric):
        found = metric.estimate(
            truth, predictions_for(metric, context.scores, context.task), confidence=settings.confidence
        )
    evidence = {"holdout_md5": context.frozen.holdout_md5, "rows": context.holdout.height}
    return [
        against_bound(name, found, low=settings.min, high=settings.max, required=settings.required, evidence=evidence)
    ]
