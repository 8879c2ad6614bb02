"""Would something simpler do as well?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mainspring.base.errors import InvalidData
from mainspring.measures.paired import difference
from mainspring.testing.checks.context import clusters_for, metric_for, predictions_for, truth_for
from mainspring.testing.checks.no_regression import gain
from mainspring.testing.verdict import Verdict, against_bound, measuring, not_applicable

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from mainspring.base.settings.checks import Baseline
    from mainspring.measures.metric import Metric
    from mainspring.testing.checks.context import Context
    from mainspring.versioning.scoring import Scores

_MOST_ROWS = 50_000


def check(settings: Baseline, context: Context) -> list[Verdict]:
    """Fit a dummy and a linear model on the candidate's training rows; each must be worse by more than the margin.

    At most 50,000 training rows are taken, by the workspace's seed. Numbers are imputed and scaled, categories encoded
    one-hot (the 50 most frequent). The linear model does not apply to a candidate that is a linear model itself.
    """
    from mainspring.testing.checks.simple_models import answers_of  # late: scikit-learn takes a second

    metric = metric_for(settings.metric, context.task)
    features, target = _training_rows(context)
    verdicts = []
    for kind in ("dummy", "linear"):
        name = f"{settings.name or 'baseline'}: {kind}"
        if kind == "linear" and (own := linear_name(context.artifact)):
            reason = f"the candidate is a linear model itself ({own})"
            verdicts.append(not_applicable(name, reason, required=settings.required))
            continue
        answers = answers_of(kind, metric, features, target, context)
        verdicts.append(_compared(name, settings, metric, answers, context, len(target)))
    return verdicts


def _compared(
    name: str, settings: Baseline, metric: Metric, answers: Scores, context: Context, trained: int
) -> Verdict:
    truth = truth_for(context.truth, context.task)
    candidate, simple = (predictions_for(metric, scores, context.task) for scores in (context.scores, answers))
    with measuring(f"the difference in {metric.name}"):
        found = difference(
            metric.name,
            truth,
            candidate,
            simple,
            seed=context.workspace.settings.seed,
            clusters=clusters_for(settings, context),
        )
        value, baseline = (metric.estimate(truth, part).value for part in (candidate, simple))
    return against_bound(
        name,
        gain(found, metric),
        low=settings.margin,
        required=settings.required,
        strict=True,
        evidence={
            "candidate_value": value,
            "baseline_value": baseline,
            "trained_on": trained,
            "metric": metric.name,
        },
    )


def _training_rows(context: Context) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    rows = context.train
    truth = context.signature.encode(rows.get_column(context.signature.target.name))
    if rows.height > _MOST_ROWS:
        picked = np.sort(np.random.default_rng(context.workspace.settings.seed).permutation(rows.height)[:_MOST_ROWS])
        rows, truth = rows[picked], truth[picked]
    if context.task != "regression" and len(np.unique(truth)) < 2:
        raise InvalidData("the training rows hold one class only", hint="give the candidate the rows it was fitted on")
    return rows.select(context.signature.features), np.asarray(truth)


def linear_name(artifact: object) -> str | None:
    """Return the class of the artifact's model if it is one of scikit-learn's linear models (last step of a pipeline)."""
    model = getattr(artifact, "model", None)
    steps = getattr(model, "steps", None)
    last = steps[-1][1] if isinstance(steps, list) and steps else model
    kind = type(last)
    return kind.__name__ if kind.__module__.startswith("sklearn.linear_model") else None
