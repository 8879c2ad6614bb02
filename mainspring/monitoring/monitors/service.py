"""Whether the endpoint answers, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mainspring.measures.intervals import wilson
from mainspring.measures.latency import quantile_interval
from mainspring.monitoring.monitors.finding import Finding, beyond, numbers

if TYPE_CHECKING:
    from mainspring.base.settings.monitors import Service
    from mainspring.monitoring.monitors.watched import Watched


def service(monitor: Service, watched: Watched) -> Finding:
    """Hold the share of requests that failed through no fault of the caller, and the p99 of the time to answer, against bounds.

    Rows of one request count once. Fires when a whole 95% interval is beyond its bound.
    """
    window = watched.window(monitor.window)
    requests = window.rows.unique(["at", "latency_ms", "key", "status"], keep="first", maintain_order=True)
    valid = requests.filter(pl.col("status") != "invalid")
    n = valid.height
    evidence: dict[str, object] = {"requests": requests.height, "invalid": requests.height - n}
    span = {"window_start": window.start, "window_end": window.end, "n": n}
    if n < monitor.min_requests:
        words = f"{n} requests in the window, {monitor.min_requests} are needed"
        return Finding(status="insufficient_data", summary=words, evidence=evidence, **span)
    errors = wilson(int((valid["status"] == "error").sum()), n)
    evidence |= {"error_rate": numbers(errors), "max_error_rate": monitor.max_error_rate}
    problems = (
        [f"the error rate is {errors}, {wrong}"] if (wrong := beyond(errors, high=monitor.max_error_rate)) else []
    )
    answered = valid.filter(pl.col("status") == "ok")["latency_ms"].drop_nulls()
    words = f"error rate {errors}"
    if len(answered):
        slow = quantile_interval(answered.to_numpy(), 0.99)
        evidence |= {"p99_ms": numbers(slow), "max_p99_ms": monitor.max_p99_ms}
        words += f", p99 {slow} ms"
        if wrong := beyond(slow, high=monitor.max_p99_ms):
            problems.append(f"the p99 is {slow} ms, {wrong}")
    if problems:
        return Finding(status="firing", summary="; ".join(problems), evidence=evidence, **span)
    return Finding(status="ok", summary=words, evidence=evidence, **span)
