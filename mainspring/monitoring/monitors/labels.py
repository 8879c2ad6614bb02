"""Drift of the truth: the labels that arrive against the labels of the champion's holdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.measures.distribution import effective_n
from mainspring.measures.floors import n_for_floor
from mainspring.measures.intervals import newcombe
from mainspring.monitoring.drift import Verdict, compare, floors_of
from mainspring.monitoring.monitors.finding import Finding, Insufficient, Status, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mainspring.base.settings.monitors import LabelDrift
    from mainspring.monitoring.monitors.watched import Watched


_STATUS: dict[Verdict, Status] = {"drift": "firing", "no_drift": "ok", "insufficient_data": "insufficient_data"}


def label_drift(monitor: LabelDrift, watched: Watched) -> Finding:
    """Compare every class's share (in regression the distribution) of the labels that arrived with the holdout's.

    A class drifted when its share changed by the floor, and the interval of the difference (Newcombe's, Bonferroni over the
    classes, dependent neighbours counted for fewer) leaves out 0. Labels that have not arrived yet are no sample of all: late
    labels may be of another kind, so the coverage stands in the evidence.
    """
    window = watched.labelled(monitor.window)
    if window.rows.is_empty():
        raise Insufficient("no labels arrived for the predictions of the window")
    truth = window.rows["truth"].to_numpy()
    reference = watched.signature.encode(watched.evidence.holdout[watched.signature.target.name])
    reference = reference[~np.isnan(reference)]
    coverage = window.rows.height / max(1, watched.answered(monitor.window).rows.height)
    judge = _values if watched.signature.target.classes is None else _classes
    status, summary, evidence = judge(monitor, watched, reference, truth)
    return Finding(
        status=status,
        n=len(truth),
        summary=f"{summary} ({len(truth)} labels)",
        evidence={
            "champion": watched.champion.version,
            "n_reference": len(reference),
            "label_coverage": coverage,
            **evidence,
        },
        window_start=window.start,
        window_end=window.end,
    )


def _values(
    monitor: LabelDrift, _watched: Watched, reference: NDArray[np.float64], truth: NDArray[np.float64]
) -> tuple[Status, str, dict[str, Any]]:
    floors = floors_of(ks=monitor.floor, psi=monitor.floor, alpha=monitor.alpha)
    report = compare(pl.DataFrame({"label": reference}), pl.DataFrame({"label": truth}), floors)
    found = report.columns[0]
    status = _STATUS[found.verdict]
    evidence = {"method": found.method, "effect": found.effect, "floor": found.floor, "p_value": found.p_value}
    return status, report.summary(), evidence


def _classes(
    monitor: LabelDrift, watched: Watched, reference: NDArray[np.float64], truth: NDArray[np.float64]
) -> tuple[Status, str, dict[str, Any]]:
    classes = watched.signature.target.classes or []
    told = list(enumerate(classes))[1:] if len(classes) == 2 else list(enumerate(classes))
    confidence = 1 - monitor.alpha / len(told)
    shares, moved, unsure = [], [], []
    for code, label in told:
        entry, verdict = _share(code, reference, truth, monitor, confidence)
        shares.append({"label": label, **entry})
        if verdict == "moved":
            moved.append(f"the share of {label!r} went from {entry['reference']:.3g} to {entry['current']:.3g}")
        elif verdict == "unsure":
            unsure.append(label)
    evidence = {"floor": monitor.floor, "shares": shares}
    if moved:
        return "firing", "; ".join(moved[:3]), evidence
    if unsure:
        words = f"too few labels to tell a change of {monitor.floor:g}"
        return "insufficient_data", words, evidence
    return "ok", f"no class's share changed by {monitor.floor:g}", evidence


def _share(
    code: int, reference: NDArray[np.float64], truth: NDArray[np.float64], monitor: LabelDrift, confidence: float
) -> tuple[dict[str, Any], str]:
    before, after = reference == code, truth == code
    independent = [max(1, round(effective_n(mark))) for mark in (before, after)]
    hits = [round(float(mark.mean()) * n) for mark, n in zip((before, after), independent, strict=True)]
    difference = newcombe(hits[1], independent[1], hits[0], independent[0], confidence)
    share = float(before.mean())
    change = float(after.mean()) - share
    needed = n_for_floor(monitor.floor, monitor.alpha, "null_share", share=share)
    entry = {
        "reference": share,
        "current": float(after.mean()),
        "difference": numbers(difference) | {"value": change, "n": len(truth)},
        "n_needed": needed,
    }
    seen = abs(change) >= monitor.floor and not difference.contains(0)
    if seen:
        return entry, "moved"
    return entry, "same" if min(independent) >= needed else "unsure"
