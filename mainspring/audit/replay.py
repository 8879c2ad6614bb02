"""Asking the packaged model again what the endpoint was asked, and comparing the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mainspring.audit.evidence import day
from mainspring.audit.finding import TRAINING_SERVING_SKEW, Finding
from mainspring.base.errors import MainspringError
from mainspring.serving.predictions import predictions
from mainspring.versioning import models

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.audit.evidence import Evidence
    from mainspring.versioning.artifact import Artifact

ROWS = 200
"""Newest recorded predictions that are asked again."""
TOLERANCE = 1e-6
_PREFIX = "input."


def find(evidence: Evidence) -> Iterator[Finding]:
    """Compare recorded scores of the production version with what its artifact answers to the same inputs now."""
    version = evidence.production
    assert version is not None
    recorded = predictions(evidence.workspace, version.model, roles=["champion"])
    recorded = recorded.filter(version=version.version, status="ok").tail(ROWS)
    if recorded.is_empty() or not any(name.startswith(_PREFIX) for name in recorded.columns):
        return
    fix = f"mainspring test {version.reference}; then find what changes rows between the endpoint and the model"
    try:
        distance = _distance(models.load(evidence.workspace, version), recorded)
    except MainspringError as error:
        said = f"{version.reference} cannot answer recorded requests again: {error.message}"
        yield _finding("The production model cannot be replayed", said, error.hint or fix)
        return
    worst = float(distance.max()) if not np.isnan(distance).any() else float("inf")
    if worst > TOLERANCE:
        beyond = int((~(distance <= TOLERANCE)).sum())
        since = day(int(recorded.get_column("at").min() or 0))  # type: ignore[arg-type]  # a column of whole numbers
        said = (
            f"{beyond} of {len(recorded)} requests recorded since {since} get another score from the artifact, "
            f"by up to {worst:.3g} (tolerance {TOLERANCE:g})"
        )
        yield _finding("The endpoint answered otherwise than its model", said, fix)


def _distance(artifact: Artifact, recorded: pl.DataFrame) -> np.ndarray:
    columns = [name for name in artifact.signature.features if _PREFIX + name in recorded.columns]
    rows = recorded.select(pl.col(_PREFIX + name).alias(name) for name in columns)
    score = artifact.predict(rows).score
    answered = recorded.get_column("score").cast(pl.Float64).to_numpy()
    distance: np.ndarray = np.abs(answered - (score if score.ndim == 1 else score.max(axis=1)))
    return distance


def _finding(title: str, evidence: str, fix: str) -> Finding:
    return Finding(rule=TRAINING_SERVING_SKEW, severity="error", title=title, evidence=evidence, fix=fix)
