"""Drift of what goes into the model, and of what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.base.errors import InvalidData, did_you_mean
from mainspring.monitoring.drift import ColumnFinding, DriftReport, compare, floors_of
from mainspring.monitoring.monitors.finding import Finding, Insufficient, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.base.settings.monitors import DataDrift, PredictionDrift
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
    """Compare the present version's scores in the window with its scores on its holdout; of several classes their shares too."""
    window = watched.answered(monitor.window, this_version=True)
    if window.rows.is_empty():
        raise Insufficient(f"{watched.champion.reference} has answered nothing in the window")
    held = watched.evidence.scores
    score = held.score if held.score.ndim == 1 else np.max(held.score, axis=1)
    reference = pl.DataFrame({"score": score})
    names = ["score"]
    if watched.signature.target.task == "multiclass":
        reference = reference.with_columns(label=pl.Series(held.label).cast(pl.Int64).cast(pl.String))
        names.append("label")
    current = window.rows.select(names)
    if "label" in names:
        current = current.with_columns(pl.col("label").cast(pl.Int64).cast(pl.String))
    report = compare(reference, current, floors_of(ks=monitor.ks, psi=_PSI, alpha=monitor.alpha))
    return _finding(report, _status(report, report.drifted), watched, window)


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
