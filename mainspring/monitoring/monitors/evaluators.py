"""Every type of monitor, and what lets it look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from mainspring.base.errors import MainspringError
from mainspring.base.settings import monitors as declared
from mainspring.monitoring.monitors.business import business
from mainspring.monitoring.monitors.drift import data_drift, prediction_drift
from mainspring.monitoring.monitors.finding import Finding, Insufficient
from mainspring.monitoring.monitors.freshness import freshness
from mainspring.monitoring.monitors.labels import label_drift
from mainspring.monitoring.monitors.performance import performance
from mainspring.monitoring.monitors.resources import resources
from mainspring.monitoring.monitors.service import service
from mainspring.monitoring.monitors.validation import validation
from mainspring.monitoring.monitors.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.monitoring import alerts


class Evaluator(NamedTuple):
    """What a type of monitor asks, and the kind of its alerts."""

    kind: alerts.Kind
    evaluate: Callable[[Any, Watched], Finding]


EVALUATORS: dict[type[declared.MonitorSettings], Evaluator] = {
    declared.DataDrift: Evaluator("drift", data_drift),
    declared.PredictionDrift: Evaluator("drift", prediction_drift),
    declared.LabelDrift: Evaluator("drift", label_drift),
    declared.Performance: Evaluator("performance", performance),
    declared.Validation: Evaluator("validation", validation),
    declared.Business: Evaluator("business", business),
    declared.Service: Evaluator("service", service),
    declared.Resources: Evaluator("resources", resources),
    declared.Freshness: Evaluator("freshness", freshness),
}


def look(evaluator: Evaluator, monitor: declared.Monitor, watched: Watched) -> Finding:
    """Return what a monitor finds; that it cannot look is a finding too."""
    try:
        return evaluator.evaluate(monitor, watched)
    except Insufficient as lacking:
        return Finding(status="insufficient_data", n=0, summary=lacking.message, evidence=_said(lacking))
    except MainspringError as error:
        return Finding(status="error", n=0, summary=error.message, evidence=_said(error))
    except (ValueError, OSError, pl.exceptions.PolarsError) as error:
        words = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return Finding(status="error", n=0, summary=words, evidence={"error": words})


def _said(error: MainspringError) -> dict[str, Any]:
    return {"reason": error.message, "hint": error.hint}
