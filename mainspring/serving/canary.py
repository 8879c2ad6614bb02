"""Is the new version worse? A rule that may be asked after every request.

The rule. Callers are split at random (a salted hash of their key), so canary and champion see the same kind of
requests. Three harms are compared, each as canary minus champion:

* errors: the share of requests that failed, or were refused as not what the version takes; harm beyond
  ``max_error_rate_increase``;
* latency: the mean logarithm of the time to answer; harm beyond log(``max_latency_ratio``);
* performance: the mean loss of predictions whose label arrived; harm beyond ``max_performance_loss``.

Each has a confidence sequence: an interval that covers the true difference at all times at once, so that looking again
and again does not raise the risk of a false alarm (a fixed-sample test looked at repeatedly is wrong in 14 to 29 % of
equal pairs). Errors and losses within [0, 1] (accuracy, brier) use the betting sequence, which holds for any number of
requests; latency and the other losses an asymptotic one, which says nothing below ``BURN_IN`` requests an arm
(:func:`~mainspring.measures.sequential.difference_sequence` has the sources). Each holds with probability
1 - (1 - confidence) / 3, so together they hold with ``confidence`` (union bound). That traffic changes in time does no
harm as long as it changes for both arms alike.

A harm whose interval lies wholly above its margin rolls the canary back, at once. When ``min_predictions`` are reached and
no harm is shown, it is promoted; with ``min_labels`` only once these are reached too and the interval of the loss lies
wholly below its margin: it is shown to be no worse than that. What stays open longer than ``patience`` is said to be
inconclusive, with the number of labels that would decide, and ``when_undecided`` is done.

The unit is what chance assigns, one caller in one request: it counts once however many rows it has (its loss is their
mean). Several requests of one caller are treated as independent, a simplification when few ask often.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import polars as pl

from mainspring.base.clock import milliseconds, now
from mainspring.base.errors import SettingsError
from mainspring.measures.sequential import Moments, difference_sequence, n_to_exclude
from mainspring.serving.predictions import labelled, predictions

if TYPE_CHECKING:
    from mainspring.base.settings.schema import CanarySettings, ShadowSettings
    from mainspring.store.workspace import Workspace

Decision = Literal["wait", "promote", "roll back"]
LOSSES = ("accuracy", "brier", "log_loss", "mae", "squared_error")
_WITHIN_ONE = ("accuracy", "brier")
_REQUEST_DIGITS = 27
"""Ids of one request share all digits but the last five."""
_COLUMNS = ("prediction_id", "key", "version", "role", "status", "score", "label", "scores", "latency_ms")
_FLOOR = 1e-15
_HARMS = 3


class Harm(msgspec.Struct, frozen=True, kw_only=True):
    """A difference canary minus champion with its interval, and the margin it may not exceed.

    ``n_needed`` of the canary, with the champion's in proportion, would show it to be within the margin if both are equal;
    told of the loss when it is neither beyond the margin nor within.
    """

    name: str
    estimate: float | None
    interval: tuple[float, float] | None
    margin: float
    canary: float | None
    champion: float | None
    n_canary: int
    n_champion: int
    method: str
    worse: bool
    n_needed: int | None = None


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done with a release in flight, and why."""

    decision: Decision
    reason: str
    predictions: int
    labels: int
    harms: list[Harm]
    undecided: bool = False


def judge_canary(
    workspace: Workspace, endpoint: str, settings: CanarySettings, *, canary: str, champion: str, since: int
) -> Judgement:
    """Judge a canary by what was answered since it began (ms UTC).

    Raises:
        SettingsError: the metric is none that a single prediction has.
    """
    if settings.metric not in LOSSES:
        raise SettingsError(
            f"release.canary.metric: '{settings.metric}' cannot be computed for a single prediction",
            hint=f"use one of {', '.join(LOSSES)}",
        )
    seen = _of_versions(
        predictions(workspace, endpoint, arrived_since=since, roles=("champion", "canary"), columns=_COLUMNS),
        canary,
        champion,
    )
    known = _of_versions(
        labelled(workspace, endpoint, arrived_since=since, roles=("champion", "canary"), columns=_COLUMNS),
        canary,
        champion,
    )
    harms = [_errors(seen, settings), _latency(seen, settings), _performance(known, settings)]
    answered = _count(seen.filter(pl.col("status") == "ok"), "canary")
    with_label = _count(known, "canary")
    decision, reason = _decide(harms, answered, with_label, settings)
    undecided = (
        decision == "wait" and answered >= settings.min_predictions and now() - since > milliseconds(settings.patience)
    )
    if undecided:
        decision, reason = settings.when_undecided, f"inconclusive after {settings.patience}: {reason}"
    return Judgement(
        decision=decision, reason=reason, predictions=answered, labels=with_label, harms=harms, undecided=undecided
    )


def _decide(harms: list[Harm], answered: int, with_label: int, settings: CanarySettings) -> tuple[Decision, str]:
    """Decide on the harms; patience aside."""
    worse = [_told(harm) for harm in harms if harm.worse]
    if worse:
        return "roll back", "the canary is worse: " + "; ".join(worse)
    if answered < settings.min_predictions:
        return "wait", f"{answered} of {settings.min_predictions} predictions"
    if with_label < settings.min_labels:
        return "wait", f"{with_label} of {settings.min_labels} labels"
    if settings.min_labels == 0:
        return "promote", f"not found worse in {answered} predictions, {with_label} of them with a label"
    loss = harms[-1]
    if loss.interval is not None and loss.interval[1] < loss.margin:
        return "promote", f"shown to be no worse in {answered} predictions: {_told(loss)}"
    needed = f"about {loss.n_needed} labelled answers" if loss.n_needed else "more labelled answers"
    shown = f": {_told(loss)}" if loss.interval is not None else ""
    return (
        "wait",
        f"neither worse nor shown to be no worse, {needed} of the canary would show it if both are equal{shown}",
    )


def _told(harm: Harm) -> str:
    low, high = harm.interval or (math.nan, math.nan)
    where = "beyond" if harm.worse else "below" if high < harm.margin else "around"
    return (
        f"{harm.name} {harm.canary:.4g} against {harm.champion:.4g}, difference {harm.estimate:.4g} "
        f"[{low:.4g}, {high:.4g}] {where} {harm.margin:.4g} (n = {harm.n_canary} and {harm.n_champion})"
    )


def judge_shadow(
    workspace: Workspace, endpoint: str, settings: ShadowSettings, *, shadow: str, since: int
) -> Judgement:
    """Judge a shadow by what it answered since it began (ms UTC).

    It is rolled back when it failed on more than ``max_error_rate`` of ``min_predictions`` requests: as soon as that many
    have failed, whatever follows. Otherwise it goes on once it has answered ``min_predictions``.
    """
    seen = predictions(workspace, endpoint, arrived_since=since, roles=("shadow",), columns=_COLUMNS)
    seen = seen.filter(pl.col("version") == shadow)
    requests = _requests(seen)
    failed = int((requests["status"] != "ok").sum())
    answered = int((seen["status"] == "ok").sum())
    allowed = settings.max_error_rate * max(settings.min_predictions, len(requests))
    decision: Decision = "wait"
    reason = f"{answered} of {settings.min_predictions} shadow predictions, {failed} of {len(requests)} requests failed"
    if failed > allowed:
        decision = "roll back"
        reason = f"as shadow it failed on {failed} of {len(requests)} requests, more than {settings.max_error_rate:.2%} of them"
    elif answered >= settings.min_predictions:
        decision = "promote"
    return Judgement(decision=decision, reason=reason, predictions=answered, labels=0, harms=[])


def _of_versions(frame: pl.DataFrame, canary: str, champion: str) -> pl.DataFrame:
    pair = pl.struct("role", "version")
    return frame.filter(
        (pair == {"role": "canary", "version": canary}) | (pair == {"role": "champion", "version": champion})
    )


def _unit() -> pl.Expr:
    """Return what chance assigns: the rows of one caller in one request."""
    return pl.struct(pl.col("prediction_id").str.slice(0, _REQUEST_DIGITS), "key").alias("unit")


def _requests(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(_unit()).unique("unit", keep="first", maintain_order=True).drop("unit")


def _count(frame: pl.DataFrame, role: str) -> int:
    return int((frame["role"] == role).sum())


def _arms(frame: pl.DataFrame, values: np.ndarray) -> tuple[Moments, Moments]:
    roles = frame["role"].to_numpy()
    return Moments.of(values[roles == "canary"]), Moments.of(values[roles == "champion"])


def _harm(
    name: str, frame: pl.DataFrame, values: np.ndarray, margin: float, settings: CanarySettings, *, bounded: bool
) -> Harm:
    canary, champion = _arms(frame, values)
    alpha, ratio = (1 - settings.confidence) / _HARMS, _ratio(settings.share)
    known = canary.n > 0 and champion.n > 0
    estimate = difference_sequence(canary, champion, alpha, bounded=bounded, ratio=ratio) if known else None
    sure = estimate is not None and math.isfinite(estimate.low) and math.isfinite(estimate.high)
    is_open = name.startswith("loss") and estimate is not None and estimate.low <= margin <= estimate.high
    return Harm(
        name=name,
        estimate=estimate.value if estimate else None,
        interval=(estimate.low, estimate.high) if estimate and sure else None,
        margin=margin,
        canary=canary.mean if canary.n else None,
        champion=champion.mean if champion.n else None,
        n_canary=canary.n,
        n_champion=champion.n,
        method=estimate.method if estimate else "no observations",
        worse=bool(estimate and sure and estimate.low > margin),
        n_needed=n_to_exclude(canary, champion, margin, alpha, bounded=bounded, ratio=ratio) if is_open else None,
    )


def _ratio(share: float) -> float:
    """Return how many answers of the canary are expected for one of the champion."""
    return min(max(share, 0.001), 0.999) / (1 - min(max(share, 0.001), 0.999))


def _errors(seen: pl.DataFrame, settings: CanarySettings) -> Harm:
    requests = _requests(seen)
    failed = (requests["status"] != "ok").cast(pl.Float64).to_numpy()
    return _harm("error rate", requests, failed, settings.max_error_rate_increase, settings, bounded=True)


def _latency(seen: pl.DataFrame, settings: CanarySettings) -> Harm:
    requests = _requests(seen.filter(pl.col("status") == "ok"))
    logarithm = np.log(np.maximum(requests["latency_ms"].to_numpy(), 1e-6))
    return _harm("log latency", requests, logarithm, math.log(settings.max_latency_ratio), settings, bounded=False)


def _performance(known: pl.DataFrame, settings: CanarySettings) -> Harm:
    usable = known.filter(pl.col("truth").is_finite(), pl.col("label").is_finite(), pl.col("score").is_finite())
    by_unit = usable.with_columns(pl.Series("loss", losses(usable, settings.metric))).group_by(
        _unit(), "role", maintain_order=True
    )
    means = by_unit.agg(pl.col("loss").mean())
    values = means["loss"].to_numpy()
    bounded = settings.metric in _WITHIN_ONE and bool(np.all(values <= 1))
    name = f"loss ({settings.metric})"
    return _harm(name, means, values, settings.max_performance_loss, settings, bounded=bounded)


def losses(known: pl.DataFrame, metric: str) -> np.ndarray:
    """Return the loss of each labelled prediction: smaller is better, whatever the metric.

    ``accuracy`` 0 or 1; ``brier`` squared error of the probabilities, in multiclass halved so that it lies in [0, 1];
    ``log_loss`` -ln P(truth); ``mae`` and ``squared_error`` of the value, or in classification of P(second class).
    """
    truth = known["truth"].to_numpy().astype(np.float64)
    score = known["score"].to_numpy().astype(np.float64)
    loss: np.ndarray
    if metric == "accuracy":
        loss = (known["label"].to_numpy() != truth).astype(np.float64)
    elif metric == "mae":
        loss = np.abs(score - truth)
    elif metric == "squared_error":
        loss = (score - truth) ** 2
    else:
        of_truth, squares = _probabilities(known, truth, score)
        loss = squares if metric == "brier" else -np.log(np.clip(of_truth, _FLOOR, 1.0))
    return loss


def _probabilities(known: pl.DataFrame, truth: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return P(truth), and the Brier loss, of each prediction."""
    if "scores" in known.columns and len(known) and known["scores"].null_count() == 0:
        matrix: Any = np.array(known["scores"].to_list(), dtype=np.float64)
        chosen = np.eye(matrix.shape[1])[truth.astype(int)]
        return (matrix * chosen).sum(axis=1), ((matrix - chosen) ** 2).sum(axis=1) / 2
    return np.where(truth == 1, score, 1 - score), (score - truth) ** 2
