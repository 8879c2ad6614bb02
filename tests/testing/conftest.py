"""A workspace with real models, made as a user's pipeline makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
import yaml
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from mainspring.store.workspace import Workspace
from mainspring.testing.gate import gather
from mainspring.versioning import models
from mainspring.versioning.candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.testing.checks.context import Context
    from mainspring.versioning.models import ModelVersion

FEATURES = ["a", "b", "c"]


@dataclass
class Lab:
    """A workspace, rows, and candidates fitted on them."""

    root: Path
    tree: dict[str, Any] = field(default_factory=lambda: {"project": "trial", "model": {"name": "m"}})
    opened: list[Workspace] = field(default_factory=list)

    def open(self, *checks: dict[str, Any]) -> Workspace:
        """Write the settings with these checks and open the workspace."""
        (self.root / "mainspring.yaml").write_text(yaml.safe_dump({**self.tree, "checks": list(checks)}))
        self.opened.append(Workspace(self.root))
        return self.opened[-1]

    def rows(self, n: int, seed: int = 0, *, task: str = "binary", start: int = 0) -> pl.DataFrame:
        """Make rows with three features, a group, a day and an id beside the target."""
        rng = np.random.default_rng([seed, start])
        a, b, c = rng.normal(size=(3, n))
        noisy = 1.5 * np.sin(2 * a) + b * (a > 0) + 0.2 * c + rng.logistic(0, 0.6, n)
        target = {
            "binary": (noisy > 0).astype(np.int64),
            "multiclass": np.digitize(noisy, [-0.7, 0.7]).astype(np.int64),
            "regression": noisy,
        }[task]
        number = np.arange(start, start + n)
        groups = rng.choice(["north", "south", "island"], n, p=[0.5, 0.48, 0.02])
        return pl.DataFrame({"id": number, "day": number // 10, "group": groups, "a": a, "b": b, "c": c, "y": target})

    def fit(
        self, train: pl.DataFrame, holdout: pl.DataFrame, model: Any = None, features: list[str] | None = None
    ) -> Candidate:
        """Fit a model (boosted trees by default) and return the candidate."""
        named = features or FEATURES
        model = model or HistGradientBoostingClassifier(max_iter=30, random_state=0)
        model.fit(train.select(named).to_numpy(), train["y"].to_numpy())
        return Candidate(
            model=model, train=train, holdout=holdout, features=named, target="y", container="numpy",
            task=None if hasattr(model, "classes_") else "regression",
        )  # fmt: skip

    def candidate(
        self, n_train: int = 2000, n_holdout: int = 2000, *, task: str = "binary", model: Any = None
    ) -> Candidate:
        """Return a candidate fitted on rows that come before its holdout."""
        train = self.rows(n_train, task=task)
        return self.fit(train, self.rows(n_holdout, task=task, start=n_train), model)

    def register(self, workspace: Workspace, candidate: Candidate, *, production: bool = False) -> ModelVersion:
        """Register a candidate, and put it into production if asked to."""
        version = models.register(workspace, "m", candidate)
        if production:
            models.transition(workspace, "m", version.version, "production", reason="first")
            return models.resolve(workspace, version.reference)
        return version

    def context(self, candidate: Candidate, champion: Candidate | None = None) -> Context:
        """Register a candidate, after its champion, and gather what the checks look at."""
        workspace = self.open()
        against = None if champion is None else self.register(workspace, champion, production=True)
        return gather(workspace, self.register(workspace, candidate), against)


@pytest.fixture
def lab(tmp_path: Path, state: str) -> Iterator[Lab]:
    made = Lab(tmp_path)
    made.tree |= yaml.safe_load(state) or {}
    yield made
    for workspace in made.opened:
        workspace.close()


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Keep small fits from waiting for threads on a busy machine."""
    with threadpool_limits(1):
        yield
