"""What a run left behind, in the form that two of them can be compared in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.reproducibility import records
from mainspring.reproducibility.ladder import (
    Measured,
    Rung,
    compare_files,
    compare_metrics,
    compare_predictions,
    incomparable_predictions,
)
from mainspring.tracking import search
from mainspring.versioning import models
from mainspring.versioning.artifact import read_manifest
from mainspring.versioning.evidence import read_evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.evidence import Evidence
    from mainspring.versioning.models import ModelVersion

_BESIDE = ("manifest.json", "probe.parquet", "profile.json")
"""Files of an artifact that describe the model, and are no part of it."""
_VOLATILE = re.compile(r"(?i)(?:^|[_./ ])(?:seconds|time|duration|elapsed|latency|memory|rss|ms|mb)(?:$|[_./ ])")
"""Metrics that measure the machine and not the model."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The files, predictions and metrics of a run."""

    files: Mapping[str, str]
    predictions: NDArray[np.float64] | None
    holdout: pl.DataFrame | None
    """The rows that the predictions are for."""
    metrics: Mapping[str, Measured]

    def compare(self, again: Outcome) -> list[Rung]:
        """Return the rungs of the ladder, the highest first."""
        return [
            compare_files(self.files, again.files),
            *self._predictions(again),
            compare_metrics(self.metrics, again.metrics),
        ]

    def _predictions(self, again: Outcome) -> tuple[Rung, Rung]:
        if self.predictions is None or again.predictions is None or again.holdout is None:
            side = "the original" if self.predictions is None else "the new run"
            return incomparable_predictions(f"{side} made no candidate with a holdout")
        assert self.holdout is not None
        if self.holdout.schema != again.holdout.schema or not self.holdout.equals(again.holdout):
            return incomparable_predictions("the new run kept other rows aside as its holdout")
        return compare_predictions(self.predictions, again.predictions)


def of_version(workspace: Workspace, version: ModelVersion) -> Outcome:
    """Return the outcome of a run that made a model version.

    Raises:
        NotFound, Corrupted: objects of the version are gone or damaged.
    """
    manifest, _ = read_manifest(models.materialise(workspace, version))
    evidence = read_evidence(workspace, version) if version.evidence is not None else None
    return Outcome(
        files={name: sha256 for name, sha256 in manifest.files.items() if name not in _BESIDE},
        predictions=_predictions(evidence) if evidence else None,
        holdout=evidence.holdout if evidence else None,
        metrics={name: found for name, value in version.metrics.items() if (found := _measured(value)) is not None},
    )


def of_run(workspace: Workspace, run_id: str) -> Outcome:
    """Return the outcome of a run that made no model version: its artifacts and its metrics, those of time left out."""
    with workspace.database.read() as connection:
        kept = records.artifact_rows(connection, run_id)
    found = search.get_run(workspace, run_id).metrics
    return Outcome(
        files={row.path: row.md5 for row in kept},
        predictions=None,
        holdout=None,
        metrics={
            name: Measured(value=point.value, low=point.low, high=point.high, n=point.n)
            for name, point in found.items()
            if _VOLATILE.search(name) is None
        },
    )


def _predictions(evidence: Evidence) -> NDArray[np.float64]:
    scores = evidence.scores
    return np.column_stack([scores.score, scores.label]).astype(np.float64)


def _measured(value: Any) -> Measured | None:
    if isinstance(value, dict):
        return Measured(value=value.get("value"), low=value.get("low"), high=value.get("high"), n=value.get("n"))
    return Measured(value=float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None
