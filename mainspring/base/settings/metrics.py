"""The names of metrics, for settings that name one; ``mainspring.measures`` computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mainspring.base.settings.schema import Settings

METRICS = (
    "accuracy",
    "f1",
    "precision",
    "recall",
    "log_loss",
    "brier",
    "roc_auc",
    "average_precision",
    "calibration_error",
    "mae",
    "rmse",
    "r2",
    "mape",
    "median_absolute_error",
)
LOSSES = ("accuracy", "brier", "log_loss", "mae", "squared_error")
"""Those that a single prediction has, by which a canary is compared."""


def named_metrics(settings: Settings) -> Iterable[tuple[list[str | int], str, tuple[str, ...]]]:
    """Yield where settings name a metric, its name, and the names that are known there."""
    for index, check in enumerate(settings.checks):
        if (name := getattr(check, "metric", None)) is not None and type(check).__name__ != "Fairness":
            yield ["checks", index, "metric"], name, METRICS
    for key, monitor in settings.monitors.items():
        if (name := getattr(monitor, "metric", None)) is not None:
            yield ["monitors", key, "metric"], name, METRICS
    if settings.release.canary is not None:
        yield ["release", "canary", "metric"], settings.release.canary.metric, LOSSES
