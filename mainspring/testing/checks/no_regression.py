"""Is the candidate as good as the champion, on the very same rows?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from mainspring.base.errors import InvalidData
from mainspring.measures.paired import difference, n_needed
from mainspring.testing.checks.context import clusters_for, metric_for, predictions_for, truth_for
from mainspring.testing.rows import overlap
from mainspring.testing.verdict import (
    Verdict,
    against_bound,
    measuring,
    not_applicable,
    undecided,
)
from mainspring.versioning.scoring import Scores

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from mainspring.base.settings.checks import NoRegression
    from mainspring.measures.estimate import Estimate
    from mainspring.measures.metric import Metric
    from mainspring.testing.checks.context import Context
    from mainspring.versioning.artifact import Artifact
    from mainspring.versioning.signature import Signature


def check(settings: NoRegression, context: Context) -> list[Verdict]:
    """Score the champion on the candidate's frozen holdout, and judge the paired difference against the margin.

    Without a champion the question does not arise. A champion that cannot score these rows (its inputs or its target
    are others) leaves a required question open: inconclusive, for a person to override; where the check is not required,
    it is not applicable. Rows that the champion was trained on are left out of the comparison and counted.
    """
    name = settings.name or f"no regression: {settings.metric}"
    if context.champion is None:
        reason = "there is no champion to compare with"
        return [not_applicable(name, reason, required=settings.required)]
    metric = metric_for(settings.metric, context.task)
    shown = f"{context.champion.model}@{context.champion.version}"
    try:
        answers = champion_answers(context)
    except InvalidData as error:
        reason = f"the champion {shown} cannot score these rows: {error.message}"
        answer = undecided if settings.required else not_applicable
        return [answer(name, reason, required=settings.required, evidence={"champion": shown})]
    seen = rows_seen_by_champion(context)
    evidence = {"champion": shown, "holdout_md5": context.frozen.holdout_md5, **seen.evidence}
    if not seen.kept.any():
        reason = f"every row of the holdout was among the champion's training rows ({shown})"
        return [undecided(name, reason, required=settings.required, evidence=evidence)]
    return [_compared(name, settings, context, metric, answers, seen.kept, evidence)]


def _compared(
    name: str,
    settings: NoRegression,
    context: Context,
    metric: Metric,
    answers: Scores,
    kept: NDArray[np.bool_],
    evidence: dict[str, Any],
) -> Verdict:
    truth = truth_for(context.truth, context.task)[kept]
    clusters = clusters_for(settings, context)
    candidate, champion = (predictions_for(metric, scores, context.task)[kept] for scores in (context.scores, answers))
    with measuring(f"the difference in {metric.name}"):
        found = difference(
            metric.name,
            truth,
            candidate,
            champion,
            clusters=None if clusters is None else clusters[kept],
            confidence=settings.confidence,
            seed=context.workspace.settings.seed,
        )
        values = {
            "candidate_value": metric.estimate(truth, candidate).value,
            "champion_value": metric.estimate(truth, champion).value,
        }
    gained = gain(found, metric)
    sign = "candidate - champion" if metric.greater_is_better else "champion - candidate"
    verdict = against_bound(
        name,
        gained,
        low=-settings.margin,
        required=settings.required,
        strict=True,
        evidence={**evidence, **values, "margin": settings.margin, "estimate_is": sign},
    )
    if verdict.status != "inconclusive":
        return verdict
    return msgspec.structs.replace(verdict, n_needed=_needed(gained, settings.margin))


def _needed(gained: Estimate, margin: float) -> int | None:
    """Rows that would decide if both were equally good; where that is no more than there are, if the gain is as seen."""
    equal = n_needed(gained, margin)
    return equal if equal is not None and equal > gained.n else n_needed(gained, abs(gained.value + margin))


def gain(found: Estimate, metric: Metric) -> Estimate:
    """Return a difference so that more is better, whatever the metric's direction.

    >>> from mainspring.measures.estimate import Estimate
    >>> from mainspring.measures.metric import get_metric
    >>> print(gain(Estimate(0.1, -0.1, 0.3, 50, "t"), get_metric("log_loss")))
    -0.1 [-0.3, 0.1] n=50
    """
    if metric.greater_is_better:
        return found
    return replace(found, value=-found.value, low=-found.high, high=-found.low)


def champion_answers(context: Context) -> Scores:
    """Return what the champion answers to the candidate's holdout, its classes in the candidate's order.

    Raises:
        InvalidData: the rows lack inputs of the champion, or it predicts something else.
    """
    artifact = context.champion_artifact
    assert artifact is not None
    _check_target(artifact.signature, context.signature)
    answers = artifact.predict(_rows_for(artifact, context.holdout))
    return in_order(answers, artifact.signature.target.classes, context.signature.target.classes)


def _check_target(champion: Signature, candidate: Signature) -> None:
    theirs, ours = champion.target, candidate.target
    if (theirs.name, theirs.task) != (ours.name, ours.task):
        raise InvalidData(f"it predicts '{theirs.name}' ({theirs.task}), not '{ours.name}' ({ours.task})")
    if set(theirs.classes or ()) != set(ours.classes or ()):
        raise InvalidData(f"it knows the classes {theirs.classes}, not {ours.classes}")


def _rows_for(artifact: Artifact, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(name for name in artifact.signature.features if name in rows.columns)


def in_order(answers: Scores, given: list[Any] | None, wanted: list[Any] | None) -> Scores:
    """Return the answers of a classifier with its classes renumbered to the wanted order.

    >>> answers = Scores(np.array([0.25]), np.array([0.0]))
    >>> in_order(answers, ["no", "yes"], ["yes", "no"])
    Scores(score=array([0.75]), label=array([1.]))
    """
    if given is None or wanted is None or list(given) == list(wanted):
        return answers
    place = np.array([list(wanted).index(label) for label in given])
    label = place[np.asarray(answers.label).astype(np.int64)].astype(np.float64)
    score = np.asarray(answers.score)
    if score.ndim == 1:
        return Scores(1.0 - score, label)
    return Scores(score[:, np.argsort(place)], label)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Which rows of the holdout the champion had not been trained on, and what to tell about the others."""

    kept: NDArray[np.bool_]
    evidence: dict[str, Any]


def rows_seen_by_champion(context: Context) -> Seen:
    """Tell the holdout's rows that stand in the champion's training rows, by all columns that both have.

    Where no more are shared than coarse columns give by chance, all rows are kept.
    """
    rows = context.holdout
    everything = np.ones(rows.height, dtype=np.bool_)
    if context.champion_evidence is None:
        return Seen(kept=everything, evidence={"seen_by_champion": None, "excluded": 0})
    known = context.champion_evidence.train
    columns = [name for name in rows.columns if name in known.columns]
    if not columns or known.is_empty():
        return Seen(kept=everything, evidence={"seen_by_champion": None, "excluded": 0})
    found = overlap(rows, known, columns)
    excluded = found.seen if found.is_beyond(0.0) else ~everything
    told = {
        "seen_by_champion": int(found.seen.sum()),
        "seen_by_chance": round(found.chance, 6),
        "excluded": int(excluded.sum()),
    }
    return Seen(kept=~excluded, evidence=told)
