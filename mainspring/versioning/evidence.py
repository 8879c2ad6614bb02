"""What a model version was judged with: its rows and its predictions, frozen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from mainspring.base.errors import NotFound
from mainspring.versioning.scoring import Scores
from mainspring.versioning.tables import read_table

if TYPE_CHECKING:
    from mainspring.store.objects import Objects
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.artifact import Artifact
    from mainspring.versioning.candidate import Candidate
    from mainspring.versioning.registry import ModelVersion

FORMAT_VERSION = 1


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What the tables are about."""

    format_version: int
    features: list[str]
    target: str
    task: str
    train_rows: int
    holdout_rows: int
    metrics: dict[str, float] = {}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Training rows, holdout rows and the holdout's predictions of a model version; read when first asked for."""

    objects: Objects
    files: dict[str, str]

    @cached_property
    def meta(self) -> Meta:
        """What the tables are about."""
        return msgspec.json.decode(self.objects.read_bytes(self.files["meta.json"]), type=Meta)

    @cached_property
    def train(self) -> pl.DataFrame:
        """The rows that the model was trained on."""
        return self._table("train.parquet")

    @cached_property
    def holdout(self) -> pl.DataFrame:
        """The rows that the model had never seen."""
        return self._table("holdout.parquet")

    @cached_property
    def scores(self) -> Scores:
        """The model's answers to the holdout, in its order."""
        table = self._table("predictions.parquet")
        label = table.get_column("label").to_numpy()
        if "score" in table.columns:
            return Scores(table.get_column("score").to_numpy(), label)
        return Scores(table.drop("label").to_numpy(), label)

    @property
    def holdout_md5(self) -> str:
        """Address of the holdout: versions with the same one were judged on identical rows."""
        return self.files["holdout.parquet"]

    def _table(self, name: str) -> pl.DataFrame:
        self.objects.check(self.files[name])
        return read_table(self.objects.path(self.files[name]), as_format="parquet")


def write_evidence(candidate: Candidate, artifact: Artifact, folder: Path) -> Scores:
    """Write train, holdout, predictions and what they are about into ``folder``; return the predictions.

    The same candidate gives the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    candidate.train.write_parquet(folder / "train.parquet")
    candidate.holdout.write_parquet(folder / "holdout.parquet")
    scores = artifact.predict(candidate.holdout.select(artifact.signature.features))
    write_scores(scores, folder / "predictions.parquet")
    meta = Meta(
        format_version=FORMAT_VERSION,
        features=list(candidate.features),
        target=candidate.target,
        task=artifact.signature.target.task,
        train_rows=len(candidate.train),
        holdout_rows=len(candidate.holdout),
        metrics=dict(candidate.metrics),
    )
    (folder / "meta.json").write_bytes(msgspec.json.encode(meta))
    return scores


def write_scores(scores: Scores, path: Path) -> None:
    """Write predictions: ``score`` (of several classes ``score.0``, ``score.1``, …) and ``label``."""
    columns: dict[str, np.ndarray]
    if scores.score.ndim == 1:
        columns = {"score": scores.score}
    else:
        columns = {f"score.{index}": scores.score[:, index] for index in range(scores.score.shape[1])}
    pl.DataFrame(columns | {"label": scores.label}).write_parquet(path)


def read_evidence(workspace: Workspace, version: ModelVersion) -> Evidence:
    """Return what a model version was judged with.

    Raises:
        NotFound: it was registered without a holdout, or the objects are gone.
    """
    if version.evidence is None:
        raise NotFound(
            f"{version.model}@{version.version} was registered without rows to judge it on",
            hint="register it with `--target COLUMN --holdout FILE`",
            model=version.model,
            version=version.version,
        )
    files = {entry.relpath: entry.md5 for entry in workspace.objects.listing(version.evidence)}
    return Evidence(objects=workspace.objects, files=files)
