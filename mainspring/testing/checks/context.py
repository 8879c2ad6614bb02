"""What every check may look at, and how predictions become what a metric needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.base.errors import InvalidData, UsageError
from mainspring.measures import clusters
from mainspring.measures.metric import METRICS, Metric, get_metric

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from mainspring.base.settings.checks import ClusteredSettings
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.artifact import Artifact
    from mainspring.versioning.evidence import Evidence
    from mainspring.versioning.models import ModelVersion
    from mainspring.versioning.scoring import Scores
    from mainspring.versioning.signature import Signature


@dataclass(frozen=True, kw_only=True)
class Context:
    """A candidate under judgement: its record, its packaged model, its frozen rows, and the champion it would replace."""

    workspace: Workspace
    version: ModelVersion
    artifact: Artifact
    evidence: Evidence | None
    champion: ModelVersion | None = None
    champion_artifact: Artifact | None = None
    champion_evidence: Evidence | None = None

    @property
    def signature(self) -> Signature:
        """What the candidate takes and answers."""
        return self.artifact.signature

    @property
    def task(self) -> str:
        """binary, multiclass or regression."""
        return self.signature.target.task

    @property
    def frozen(self) -> Evidence:
        """The rows that were frozen with the candidate.

        Raises:
            InvalidData: it was registered without any.
        """
        if self.evidence is None:
            raise InvalidData(
                f"{self.version.model}@{self.version.version} was registered without a holdout",
                hint="register it with a holdout, so that it can be judged",
            )
        return self.evidence

    @property
    def train(self) -> pl.DataFrame:
        """The candidate's training rows."""
        return self.frozen.train

    @property
    def holdout(self) -> pl.DataFrame:
        """The candidate's holdout rows."""
        return self.frozen.holdout

    @cached_property
    def scores(self) -> Scores:
        """What the packaged candidate answered to the holdout, row by row."""
        return self.frozen.scores

    @cached_property
    def truth(self) -> NDArray[np.float64]:
        """The holdout's target: the class's index in the candidate's order, or the value."""
        return np.asarray(self.signature.encode(self.holdout.get_column(self.signature.target.name)))


def clusters_for(settings: ClusteredSettings, context: Context) -> NDArray[np.int64] | None:
    """Return the number of each holdout row's cluster; None where the check names none. Missing values are one cluster.

    A time column is cut into days (of UTC, where it has a time zone), or what ``cluster_by`` says.

    Raises:
        InvalidData: the holdout has no such column.
        UsageError: ``cluster_by`` without a column, or of one that holds no times.
    """
    name, length = settings.cluster, settings.cluster_by
    if name is None:
        if length is not None:
            raise UsageError("cluster_by needs cluster", hint="say which column: `cluster: <column>`")
        return None
    hint = "keep it in the holdout; it need be no feature"
    return clusters.cut(context.holdout, name, length, table="the holdout", hint=hint)


def metric_for(name: str, task: str) -> Metric:
    """Return the metric of that name.

    Raises:
        NotFound: there is none.
        UsageError: it does not fit the task.
    """
    metric = get_metric(name)
    if task not in metric.task:
        fitting = ", ".join(other.name for other in METRICS.values() if task in other.task)
        raise UsageError(f"the metric '{name}' is not for a {task} model", hint=f"these are: {fitting}", metric=name)
    return metric


def truth_for(truth: NDArray[np.float64], task: str) -> NDArray[Any]:
    """Return encoded truth as measures take it: class numbers as integers, values as floats."""
    return truth if task == "regression" else truth.astype(np.int64)


def predictions_for(metric: Metric, scores: Scores, task: str) -> NDArray[Any]:
    """Return the part of the answers that a metric is computed from: labels, scores or values."""
    if metric.needs == "label":
        return np.asarray(scores.label).astype(np.int64) if task != "regression" else np.asarray(scores.label)
    return np.asarray(scores.score)
