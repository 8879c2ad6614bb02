"""Do the probabilities mean what they say?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.measures.classification import calibration_error
from mainspring.measures.clustered import clustered
from mainspring.testing.checks.context import clusters_for, truth_for
from mainspring.testing.verdict import Verdict, against_bound, measuring, not_applicable

if TYPE_CHECKING:
    from mainspring.base.settings.checks import Calibration
    from mainspring.testing.checks.context import Context


def check(settings: Calibration, context: Context) -> list[Verdict]:
    """Judge the expected calibration error, with its bootstrap interval, against the bound."""
    name = settings.name or "calibration"
    if context.task != "binary":
        reason = f"a {context.task} model answers no single probability"
        return [not_applicable(name, reason, required=settings.required)]
    truth, clusters = truth_for(context.truth, context.task), clusters_for(settings, context)
    with measuring("the calibration error"):
        if clusters is None:
            found = calibration_error(truth, context.scores.score)
        else:
            found = clustered("calibration_error", truth, context.scores.score, clusters)
    said = float(context.scores.score.mean())
    happened = float(context.truth.mean())
    evidence = {"mean_score": said, "base_rate": happened}
    return [against_bound(name, found, high=settings.max_error, required=settings.required, evidence=evidence)]
