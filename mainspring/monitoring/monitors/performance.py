"""How well the version in production does, on the predictions whose labels arrived."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.base.clock import milliseconds
from mainspring.measures.clustered import clustered
from mainspring.measures.clusters import too_few
from mainspring.measures.estimate import Estimate
from mainspring.measures.metric import get_metric
from mainspring.monitoring.monitors.clusters import clusters_of, holdout_clusters, named
from mainspring.monitoring.monitors.finding import Finding, Insufficient, beyond, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mainspring.base.settings.monitors import Performance
    from mainspring.measures.metric import Metric
    from mainspring.monitoring.monitors.watched import Watched, Window

_HOUR = milliseconds("1h")


def performance(monitor: Performance, watched: Watched) -> Finding:
    """Take the metric of the present version's labelled predictions in the window, and hold it against its bounds.

    It fires only when the whole 95% interval is beyond a bound; for ``max_drop`` the interval of the loss against the
    champion's own holdout, two independent estimates. Too few clusters, of the predictions or of the holdout, tell nothing.

    Raises:
        InvalidData: there is no such column to cluster by.
        UsageError: ``cluster_by`` of a column that holds no times.
    """
    metric = get_metric(monitor.metric)
    window = watched.labelled(monitor.window, this_version=True)
    answered = watched.answered(monitor.window, this_version=True).rows.height
    labels = {
        "champion": watched.champion.version,
        "metric": monitor.metric,
        **_labels(window, answered),
        **named(monitor),
    }
    n, clusters = window.rows.height, clusters_of(monitor, watched, window)
    if n < monitor.min_labels:
        words = f"{n} labels for {watched.champion.reference} in the window, {monitor.min_labels} are needed"
        return _finding(window, "insufficient_data", n, words, labels)
    try:
        current = _estimate(metric, window.rows["truth"].to_numpy(), _predicted(metric, window), clusters)
    except ValueError as error:
        return _finding(window, "insufficient_data", n, f"{monitor.metric} cannot be taken: {error}", labels)
    evidence = {**labels, "estimate": numbers(current), **_bounds(monitor)}
    few = too_few(current)
    if few:
        return _finding(window, "insufficient_data", n, few, evidence)
    wrong = beyond(current, low=monitor.min, high=monitor.max)
    problems = [f"{monitor.metric} {current} is {wrong}"] if wrong else []
    if monitor.max_drop is not None:
        baseline = holdout_estimate(metric, watched, holdout_clusters(monitor, watched))
        loss = drop(metric, baseline, current)
        evidence |= {"baseline": numbers(baseline), "loss": numbers(loss)}
        few = too_few(baseline)
        if few is None and loss.low > monitor.max_drop:
            problems.append(
                f"{monitor.metric} {current} lost {loss} against the holdout, {monitor.max_drop:g} is allowed"
            )
    if problems:
        return _finding(window, "firing", n, "; ".join(problems), evidence)
    if few:
        return _finding(window, "insufficient_data", n, f"the holdout's {few}", evidence)
    return _finding(window, "ok", n, f"{monitor.metric} is {current}", evidence)


def holdout_estimate(metric: Metric, watched: Watched, clusters: NDArray[np.int64] | None = None) -> Estimate:
    """Return the champion's metric on its own holdout; ``clusters`` numbers the cluster of each of its rows."""
    truth = watched.signature.encode(watched.evidence.holdout[watched.signature.target.name])
    scores = watched.evidence.scores
    prediction = scores.score if metric.needs == "score" else scores.label
    known = ~np.isnan(truth)
    return _estimate(metric, truth[known], prediction[known], None if clusters is None else clusters[known])


def _estimate(
    metric: Metric, truth: NDArray[np.float64], prediction: NDArray[np.float64], clusters: NDArray[np.int64] | None
) -> Estimate:
    if clusters is None:
        return metric.estimate(truth, prediction)
    return clustered(metric.name, truth, prediction, clusters)


def drop(metric: Metric, baseline: Estimate, current: Estimate) -> Estimate:
    """Return how much worse the current estimate is, with the interval of two independent ones (MOVER, Zou & Donner 2008).

    >>> metric = get_metric("accuracy")
    >>> print(drop(metric, Estimate(0.9, 0.87, 0.93, 400, "t"), Estimate(0.8, 0.76, 0.84, 300, "t")))
    0.1 [0.05, 0.15] n=700
    """
    better, worse = (baseline, current) if metric.greater_is_better else (current, baseline)
    value = better.value - worse.value
    low = value - math.hypot(better.value - better.low, worse.high - worse.value)
    high = value + math.hypot(better.high - better.value, worse.value - worse.low)
    return Estimate(value, low, high, baseline.n + current.n, "mover", current.confidence)


def _predicted(metric: Metric, window: Window) -> NDArray[np.float64]:
    rows = window.rows
    if metric.needs != "score":
        return rows["label"].to_numpy()
    several = "scores" in rows.columns and rows["scores"].null_count() == 0 and rows.height > 0
    return np.asarray(rows["scores"].to_list(), dtype=np.float64) if several else rows["score"].to_numpy()


def _labels(window: Window, answered: int) -> dict[str, Any]:
    """Return how many predictions have their label, and how long those took, in event time."""
    rows = window.rows
    age = (rows["label_at"] - rows["event_time"]).median() if rows.height else None
    return {
        "label_coverage": rows.height / answered if answered else None,
        "predictions": answered,
        "label_age_hours": float(age) / _HOUR if isinstance(age, int | float) else None,
    }


def _bounds(monitor: Performance) -> dict[str, float]:
    bounds = {"min": monitor.min, "max": monitor.max, "max_drop": monitor.max_drop}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _finding(window: Window, status: Any, n: int, summary: str, evidence: dict[str, Any]) -> Finding:
    if window.rows.is_empty() and not evidence["predictions"]:
        raise Insufficient(f"version {evidence['champion']} has answered nothing in the window")
    return Finding(
        status=status, n=n, summary=summary, evidence=evidence, window_start=window.start, window_end=window.end
    )
