"""Which module answers which kind of check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.base.errors import MainspringError
from mainspring.base.settings.checks import (
    Baseline,
    Calibration,
    Fairness,
    Latency,
    Leakage,
    Memory,
    MetricThreshold,
    NoRegression,
    Skew,
)
from mainspring.testing.checks import (
    baseline,
    calibration,
    fairness,
    latency,
    leakage,
    memory,
    metric,
    no_regression,
    skew,
)
from mainspring.testing.verdict import Verdict, of_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mainspring.base.settings.checks import Check
    from mainspring.testing.checks.context import Context

CHECKS: Mapping[type, Callable[[Any, Context], list[Verdict]]] = {
    MetricThreshold: metric.check,
    NoRegression: no_regression.check,
    Leakage: leakage.check,
    Fairness: fairness.check,
    Latency: latency.check,
    Memory: memory.check,
    Baseline: baseline.check,
    Skew: skew.check,
    Calibration: calibration.check,
}
"""The function that answers each kind of check's settings."""


def label(settings: Check) -> str:
    """Return how reports call a check: its name, or its type and main argument.

    >>> label(MetricThreshold(metric="roc_auc", min=0.7)), label(Skew())
    ('metric: roc_auc', 'skew')
    """
    if settings.name:
        return settings.name
    kind = str(settings.__struct_config__.tag)
    argument = getattr(settings, "metric", None) if not isinstance(settings, Fairness | Baseline) else None
    return f"{kind}: {argument}" if argument else kind


def answer(settings: Check, context: Context) -> list[Verdict]:
    """Return the verdicts of one check.

    What stops a check for a reason in the data or the settings makes it inconclusive, with the error as evidence; an
    error of the program is raised.
    """
    try:
        return CHECKS[type(settings)](settings, context)
    except MainspringError as error:
        return [of_error(label(settings), error, required=settings.required)]
