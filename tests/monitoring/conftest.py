"""A workspace with a real champion, and predictions written as the server writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
import yaml
from sklearn.linear_model import LinearRegression, LogisticRegression

from mainspring.base.ids import new_id
from mainspring.serving import segments
from mainspring.serving.labels import SCHEMA as LABEL_SCHEMA
from mainspring.store.workspace import Workspace
from mainspring.versioning import models
from mainspring.versioning.candidate import Candidate
from mainspring.versioning.registration import register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.versioning.models import ModelVersion

DAY = 86_400_000
START = 1_700_000_000_000
FEATURES = ["distance", "hour", "carrier_code"]


def rows(n: int, seed: int = 0, *, shift: float = 0.0, flip: float = 0.0, base: float = 0.0) -> pl.DataFrame:
    """Make rows; ``shift`` moves the distance, ``base`` the share of the positive class, ``flip`` breaks the relation."""
    rng = np.random.default_rng(seed)
    distance, hour = rng.normal(shift, 1, n), rng.integers(0, 24, n)
    carrier = rng.integers(0, 4, n)
    odds = 2 * distance + 0.1 * (hour - 12) + base
    late = rng.random(n) < 1 / (1 + np.exp(-odds))
    late = np.where(rng.random(n) < flip, ~late, late)
    return pl.DataFrame({"distance": distance, "hour": hour, "carrier_code": carrier, "late": late})


@dataclass
class Scene:
    """A workspace under construction."""

    root: Path
    settings: dict[str, Any] = field(default_factory=lambda: {"project": "trial", "model": {"name": "delay"}})
    opened: list[Workspace] = field(default_factory=list)

    def open(self, **settings: Any) -> Workspace:
        """Write the settings and open the workspace."""
        (self.root / "mainspring.yaml").write_text(yaml.safe_dump({**self.settings, **settings}))
        self.opened.append(Workspace(self.root))
        return self.opened[-1]


@pytest.fixture
def scene(tmp_path: Path, state: str) -> Iterator[Scene]:
    made = Scene(tmp_path)
    made.settings |= yaml.safe_load(state) or {}
    yield made
    for workspace in made.opened:
        workspace.close()


def champion(workspace: Workspace, *, seed: int = 0, task: str = "binary") -> ModelVersion:
    """Train a model, register it and put it into production."""
    train, holdout = rows(3000, seed), rows(2000, seed + 1)
    model: Any = LogisticRegression(max_iter=500)
    if task == "regression":
        target = pl.col("distance") * 2 + pl.col("hour") * 0.1
        train, holdout = (frame.with_columns(late=target) for frame in (train, holdout))
        model = LinearRegression()
    model.fit(train.select(FEATURES).to_numpy(), train["late"].to_numpy())
    candidate = Candidate(
        model=model, train=train, holdout=holdout, features=FEATURES, target="late", container="numpy",
        task="regression" if task == "regression" else "binary",
    )  # fmt: skip
    version = register(workspace, "delay", candidate)
    models.transition(workspace, "delay", version.version, "production", reason="a test")
    return models.resolve(workspace, version.reference)


def serve(
    workspace: Workspace,
    version: ModelVersion,
    frame: pl.DataFrame,
    *,
    start: int = START,
    days: float = 20,
    role: str = "champion",
    labels: float = 1.0,
    delay_days: float = 0.0,
    **columns: Any,
) -> pl.DataFrame:
    """Answer rows spread evenly over days of event time, and let the labels of a share of them arrive."""
    artifact = models.load(workspace, version)
    answers = artifact.predict(frame.select(FEATURES))
    n = frame.height
    moments = (start + np.arange(n) * (days * DAY / n)).astype(np.int64)
    ids = [new_id() for _ in range(n)]
    segment = pl.DataFrame(
        {
            "prediction_id": ids,
            "at": moments,
            "event_time": moments,
            "version": [version.version] * n,
            "role": [role] * n,
            "status": ["ok"] * n,
            "score": answers.score,
            "label": answers.label,
            "latency_ms": np.random.default_rng(0).gamma(2, 2, n),
            "key": ids,
            "error": pl.Series([None] * n, dtype=pl.String),
        }
    ).with_columns(frame.select(pl.col(FEATURES).name.prefix("input.")))
    segment = segment.with_columns(**columns)
    segments.write(segments.folder(workspace, segments.PREDICTIONS, "delay"), segment, at=start, writer="test")
    known = np.random.default_rng(1).random(n) < labels
    truth = artifact.signature.encode(frame["late"])
    arrived = pl.DataFrame(
        {"prediction_id": ids, "at": moments + int(delay_days * DAY), "truth": truth, "received_at": moments},
        schema=LABEL_SCHEMA,
    ).filter(pl.Series(known))
    if arrived.height:
        segments.write(segments.folder(workspace, segments.LABELS, "delay"), arrived, at=start, writer="test")
    return segment
