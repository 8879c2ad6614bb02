"""Drift of what goes into the model, and of what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from mainspring.base.clock import milliseconds
from mainspring.base.errors import InvalidData, did_you_mean
from mainspring.measures.distribution import effective_n
from mainspring.monitoring.drift import ColumnFinding, DriftReport, compare, floors_of
from mainspring.monitoring.monitors.finding import Finding, Insufficient, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.base.settings.monitors import DataDrift, PredictionDrift
    from mainspring.measures.drift import DriftFloors
    from mainspring.monitoring.monitors.watched import Watched, Window

_PSI = 0.1


def data_drift(monitor: DataDrift, watched: Watched) -> Finding:
    """Compare the inputs of every answered request in the window with the rows the champion was trained on."""
    columns = _watched_columns(monitor.columns, watched.signature.features)
    window = watched.answered(monitor.window)
    current = watched.inputs(window)
    current = current.select(name for name in columns if name in current.columns)
    floors = floors_of(ks=monitor.ks, psi=monitor.psi, alpha=monitor.alpha)
    report = compare(watched.evidence.train.select(columns), current, floors)
    drifted = report.named("drift")
    fires = bool(drifted) and len(drifted) >= monitor.min_share * len(columns)
    return _finding(report, _status(report, fires), watched, window)


def prediction_drift(monitor: PredictionDrift, watched: Watched) -> Finding:
    """Compare the present version's scores in the window with those on its holdout, or with its own first in production.

    Of several classes their shares too. The holdout is what the version was judged on, and there from the first day; but a
    fortnight of dependent rows is worth few independent ones. The version's own first weeks are worth more once there are
    enough of them. They are no reference where they had drifted from the holdout themselves.
    """
    window = watched.answered(monitor.window, this_version=True)
    if window.rows.is_empty():
        raise Insufficient(f"{watched.champion.reference} has answered nothing in the window")
    floors = floors_of(ks=monitor.ks, psi=_PSI, alpha=monitor.alpha)
    reference, told = _reference(monitor, watched, floors)
    current = _answers(window.rows, watched)
    report = compare(reference, current, floors)
    found = _finding(report, _status(report, report.drifted), watched, window)
    worth = {"effective_n": _worth(current), "effective_n_reference": _worth(reference)}
    return msgspec.structs.replace(
        found, summary=f"{found.summary}, against {told['reference']}", evidence=found.evidence | told | worth
    )


def _reference(monitor: PredictionDrift, watched: Watched, floors: DriftFloors) -> tuple[pl.DataFrame, dict[str, Any]]:
    scores = watched.evidence.scores
    score = scores.score if scores.score.ndim == 1 else np.max(scores.score, axis=1)
    held = _answers(pl.DataFrame({"score": score, "label": scores.label}), watched)
    if monitor.reference == "holdout":
        return held, {"reference": "its holdout"}
    early = watched.first(monitor.window)
    own = _answers(early.rows, watched)
    if own.is_empty() or _worth(own) <= _worth(held):
        return held, {"reference": "its holdout"}
    before = compare(held, own, floors)
    if before.drifted:
        return held, {
            "reference": "its holdout, which its first predictions had drifted from",
            "first": before.summary(),
        }
    days = (early.end - early.start) / milliseconds("1d")
    told = {"reference": f"its own first {days:.3g} days", "reference_start": early.start, "reference_end": early.end}
    return own, told


def _answers(rows: pl.DataFrame, watched: Watched) -> pl.DataFrame:
    """Return what is compared of answers: the score, and of several classes the class."""
    if watched.signature.target.task != "multiclass":
        return rows.select("score")
    return rows.select("score", pl.col("label").cast(pl.Int64).cast(pl.String))


def _worth(answers: pl.DataFrame) -> float:
    """Return how many independent rows answers in order of time are worth."""
    known = answers["score"].drop_nulls().drop_nans()
    return float(effective_n(known.to_numpy())) if len(known) else 0.0


def _watched_columns(wanted: Sequence[str], inputs: Sequence[str]) -> list[str]:
    for name in wanted:
        if name not in inputs:
            hint = did_you_mean(name, inputs) or f"its inputs: {', '.join(inputs)}"
            raise InvalidData(f"the champion has no input '{name}'", hint=hint, column=name)
    return list(wanted or inputs)


def _status(report: DriftReport, fires: bool) -> Status:
    if fires:
        return "firing"
    return "ok" if report.named("no_drift") or report.drifted else "insufficient_data"


def _finding(report: DriftReport, status: Status, watched: Watched, window: Window) -> Finding:
    evidence = {
        "champion": watched.champion.version,
        "drifted": report.named("drift"),
        "insufficient_data": report.named("insufficient_data"),
        "skipped": [skipped.column for skipped in report.skipped],
        "n_reference": report.n_reference,
        "columns": [_brief(finding) for finding in report.columns],
    }
    return Finding(
        status=status,
        n=report.n_current,
        summary=report.summary(),
        evidence=evidence,
        window_start=window.start,
        window_end=window.end,
    )


def _brief(finding: ColumnFinding) -> dict[str, Any]:
    return {
        "column": finding.column,
        "verdict": finding.verdict,
        "method": finding.method,
        "effect": finding.effect,
        "floor": finding.floor,
        "p_adjusted": finding.p_adjusted,
        "n": finding.n,
        "n_needed": finding.n_needed,
    }
