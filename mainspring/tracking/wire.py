"""Runs as JSON: moments as ISO 8601, and NaN and infinity, which JSON has no numbers for, as text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.clock import iso

if TYPE_CHECKING:
    from mainspring.tracking.artifacts import ArtifactInfo
    from mainspring.tracking.compare import Comparison
    from mainspring.tracking.search import Curve, Metric, RunInfo


def number(value: float | None) -> float | str | None:
    """Return a number as JSON can hold it.

    >>> number(0.5), number(float("nan")), number(float("-inf"))
    (0.5, 'NaN', '-Infinity')
    """
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def metric_json(metric: Metric) -> dict[str, Any]:
    """Return a metric with its interval and number of observations."""
    return {
        "value": number(metric.value),
        "low": number(metric.low),
        "high": number(metric.high),
        "n": metric.n,
        "step": metric.step,
        "at": iso(metric.at),
    }


def run_json(run: RunInfo) -> dict[str, Any]:
    """Return a run with all it logged but histories and files."""
    return {
        **msgspec.structs.asdict(run),
        "started_at": iso(run.started_at),
        "ended_at": None if run.ended_at is None else iso(run.ended_at),
        "metrics": {key: metric_json(metric) for key, metric in run.metrics.items()},
    }


def artifact_json(info: ArtifactInfo) -> dict[str, Any]:
    """Return a file of a run."""
    return {**msgspec.structs.asdict(info), "created_at": iso(info.created_at)}


def curve_json(curve: Curve) -> dict[str, Any]:
    """Return the history of a metric."""
    return {
        "steps": curve.steps,
        "at": [iso(at) for at in curve.at],
        "values": [number(value) for value in curve.values],
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return runs side by side."""
    return {
        "runs": [run_json(run) for run in comparison.runs],
        "params": comparison.params,
        "metrics": {
            key: [None if metric is None else metric_json(metric) for metric in metrics]
            for key, metrics in comparison.metrics.items()
        },
        "snapshots": msgspec.to_builtins(comparison.snapshots),
    }
