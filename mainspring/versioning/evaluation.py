"""The numbers that every version of a model carries: its metrics on the holdout, each with its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.measures.metric import get_metric

if TYPE_CHECKING:
    from mainspring.versioning.scoring import Scores
    from mainspring.versioning.signature import Signature, Task

_METRICS: dict[Task, tuple[str, ...]] = {
    "binary": ("accuracy", "roc_auc", "average_precision", "log_loss", "brier"),
    "multiclass": ("accuracy", "log_loss"),
    "regression": ("mae", "rmse", "r2"),
}


def holdout_metrics(signature: Signature, scores: Scores, truth: np.ndarray) -> dict[str, Any]:
    """Return the metrics of the signature's task as ``{"value", "low", "high", "n", "method"}``.

    ``truth`` is encoded as ``Signature.encode`` does. A metric that the rows do not define (AUC of one class) is left out.
    """
    found: dict[str, Any] = {}
    task = signature.target.task
    for name in _METRICS[task]:
        metric = get_metric(name)
        prediction = scores.score if metric.needs == "score" else scores.label
        known = truth if task == "regression" else truth.astype(np.int64)
        try:
            estimate = metric.estimate(known, prediction)
        except ValueError:
            continue
        found[name] = {
            "value": _finite(estimate.value),
            "low": _finite(estimate.low),
            "high": _finite(estimate.high),
            "n": estimate.n,
            "method": estimate.method,
        }
    return found


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
