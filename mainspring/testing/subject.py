"""A model version as tests handle it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mainspring.base.errors import InvalidData
from mainspring.measures.paired import difference
from mainspring.testing.checks.context import metric_for, predictions_for, truth_for
from mainspring.testing.verdict import measuring
from mainspring.versioning import models
from mainspring.versioning.evidence import read_evidence

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from mainspring.measures.estimate import Estimate
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.artifact import Artifact
    from mainspring.versioning.evidence import Evidence
    from mainspring.versioning.models import ModelVersion
    from mainspring.versioning.scoring import Scores


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A version with its packaged model and its frozen rows."""

    version: ModelVersion
    artifact: Artifact
    evidence: Evidence | None

    @classmethod
    def load(cls, workspace: Workspace, version: ModelVersion) -> Subject:
        """Load a version, under the workspace's policy of what may be loaded."""
        evidence = None if version.evidence is None else read_evidence(workspace, version)
        return cls(version=version, artifact=models.load(workspace, version), evidence=evidence)

    def predict(self, rows: pl.DataFrame) -> Scores:
        """Return the answers to rows; columns that are no inputs are left out.

        Raises:
            InvalidData: the inputs are not what the model takes.
        """
        features = self.artifact.signature.features
        return self.artifact.predict(rows.select(name for name in features if name in rows.columns))

    def measure(self, metric: str, rows: pl.DataFrame, *, confidence: float = 0.95) -> Estimate:
        """Return a metric on rows that hold the target, with its interval.

        Raises:
            InvalidData: the rows lack the target, or the metric is undefined on them.
        """
        task = self.artifact.signature.target.task
        named = metric_for(metric, task)
        with measuring(metric):
            return named.estimate(
                truth_for(self._truth(rows), task),
                predictions_for(named, self.predict(rows), task),
                confidence=confidence,
            )

    def compare(self, other: Subject, metric: str, rows: pl.DataFrame, *, confidence: float = 0.95) -> Estimate:
        """Return this version's metric minus the other's on the same rows, with the paired interval.

        Raises:
            InvalidData: as ``measure``.
        """
        task = self.artifact.signature.target.task
        named = metric_for(metric, task)
        mine, theirs = (predictions_for(named, subject.predict(rows), task) for subject in (self, other))
        with measuring(metric):
            return difference(metric, truth_for(self._truth(rows), task), mine, theirs, confidence=confidence)

    def _truth(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        target = self.artifact.signature.target.name
        if target not in rows.columns:
            raise InvalidData(f"the rows have no column '{target}' to compare with", column=target)
        return self.artifact.signature.encode(rows.get_column(target))
