"""Whether labels keep arriving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mainspring.base.clock import milliseconds
from mainspring.measures.intervals import wilson
from mainspring.monitoring.monitors.finding import Finding, beyond, numbers

if TYPE_CHECKING:
    from mainspring.base.settings.monitors import Freshness
    from mainspring.monitoring.monitors.watched import Watched

_HOUR = milliseconds("1h")


def freshness(monitor: Freshness, watched: Watched) -> Finding:
    """Take the share of predictions, old enough to have one, whose label arrived; fires when it is beyond doubt too low.

    Old enough is ``label_delay`` before the newest prediction, in event time.
    """
    window = watched.with_labels(watched.answered(monitor.window))
    due = window.rows.filter(pl.col("event_time") <= window.end - milliseconds(monitor.label_delay))
    span = {"window_start": window.start, "window_end": window.end, "n": due.height}
    evidence: dict[str, object] = {"due": due.height, "label_delay": monitor.label_delay}
    if due.is_empty():
        words = f"no prediction of the window is older than {monitor.label_delay}"
        return Finding(status="insufficient_data", summary=words, evidence=evidence, **span)
    coverage = wilson(int(due["truth"].is_not_null().sum()), due.height)
    age = (due["label_at"] - due["event_time"]).median()
    evidence |= {
        "label_coverage": numbers(coverage),
        "min_label_coverage": monitor.min_label_coverage,
        "label_age_hours": age / _HOUR if isinstance(age, int | float) else None,
    }
    wrong = beyond(coverage, low=monitor.min_label_coverage)
    words = f"labels arrived for {coverage} of the predictions older than {monitor.label_delay}"
    if wrong:
        return Finding(status="firing", summary=f"{words}, {wrong}", evidence=evidence, **span)
    return Finding(status="ok", summary=words, evidence=evidence, **span)
