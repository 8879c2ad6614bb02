"""A version that is loaded, warm, and answers."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from mainspring.base.errors import Corrupted
from mainspring.serving.payload import Columns, Reader
from mainspring.versioning.artifact import load_artifact

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from mainspring.serving.routes import Route

_WARM_CALLS = 3


class Answer(NamedTuple):
    """What a version says about the rows of a request."""

    score: np.ndarray
    """(n,) P(second class) or value; (n, k) class probabilities in multiclass."""
    label: np.ndarray
    """(n,) index of the class, or value."""


class Predictor:
    """One version of a model in this process.

    Attributes:
        seconds: what a call with one row takes, measured while warming up.
    """

    def __init__(self, route: Route, folder: Path, policy: tuple[bool, tuple[str, ...]]) -> None:
        """Load the artifact, checked against its manifest, and call it a few times with rows it knows.

        Raises:
            Corrupted, InvalidData, Refused: it cannot be served; says why.
        """
        self.version = route.version
        self.artifact_id = route.artifact
        trust_pickle, trusted_types = policy
        self.artifact = load_artifact(folder, trust_pickle=trust_pickle, trusted_types=trusted_types)
        self.signature = self.artifact.signature
        self.reader = Reader(self.signature)
        self.classes = self.signature.target.classes
        self.seconds = self._warm()

    def _warm(self) -> float:
        try:
            frame = self.signature.conform(self.artifact.probe()[0].head(1))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise Corrupted(f"the probe of version {self.version} cannot be read: {error}") from error
        taken = []
        for _ in range(_WARM_CALLS):
            start = time.perf_counter()
            self.artifact.predict_raw(frame)
            taken.append(time.perf_counter() - start)
        return median(taken)

    def predict(self, columns: Columns) -> Answer:
        """Answer rows that ``reader.read`` returned. Whatever the model raises comes through."""
        score, label = self.artifact.predict_raw(self.reader.frame(columns))
        return Answer(score, label)

    def decode(self, label: np.ndarray) -> list[Any]:
        """Return predicted labels as the values of the target."""
        classes = self.classes
        values: list[Any] = label.tolist()
        return values if classes is None else [classes[int(index)] for index in values]
