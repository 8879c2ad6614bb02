"""A model that asks to be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import polars as pl

from mainspring.base.errors import InvalidData, did_you_mean
from mainspring.versioning.frames import Container, to_polars
from mainspring.versioning.signature import Task


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A fitted model with the rows it was trained on and rows it has never seen.

    ``container`` says with what kind of table ``model.predict`` is called: the kind it was fitted with. Unless said, it is
    the kind of ``train``. Both tables may be pandas frames; they are kept as polars ones. ``metrics`` are numbers of your own.

    Raises:
        InvalidData: columns that are not there, an empty table, a model that cannot predict.
    """

    model: Any
    train: pl.DataFrame
    holdout: pl.DataFrame
    features: Sequence[str]
    target: str
    task: Task | None = None
    container: Container = None  # type: ignore[assignment] # never None once it is made
    metrics: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what can be checked without calling the model."""
        if vars(self)["container"] is None:
            pandas = type(self.train).__module__.partition(".")[0] == "pandas"
            object.__setattr__(self, "container", "pandas" if pandas else "polars")
        for table in ("train", "holdout"):
            object.__setattr__(self, table, to_polars(getattr(self, table)))
        features = [self.features] if isinstance(self.features, str) else list(self.features)
        object.__setattr__(self, "features", features)
        self._check_words()
        self._check_table("train", self.train)
        self._check_table("holdout", self.holdout)

    def _check_words(self) -> None:
        for name, value, known in (
            ("container", self.container, get_args(Container)),
            ("task", self.task, (None, *get_args(Task))),
        ):
            if value not in known:
                words = [word for word in known if word]
                raise InvalidData(
                    f"{name}={value!r} is not known",
                    hint=did_you_mean(str(value), words) or f"one of {', '.join(words)}",
                )
        if isinstance(self.model, type):
            raise InvalidData(f"the model is the class {self.model.__name__}, not a fitted model of it")
        if not self.features:
            raise InvalidData("a candidate needs at least one feature")
        if len(set(self.features)) != len(self.features):
            raise InvalidData("a feature is named twice", features=list(self.features))
        if self.target in self.features:
            raise InvalidData(
                f"the target '{self.target}' is among the features", hint="leave it out: it is what is predicted"
            )
        for metric, number in self.metrics.items():
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise InvalidData(f"metric '{metric}' is {type(number).__name__}, expected a number")

    def _check_table(self, table: str, frame: pl.DataFrame) -> None:
        for column in (*self.features, self.target):
            if column not in frame.columns:
                raise InvalidData(
                    f"the {table} table has no column '{column}'",
                    hint=did_you_mean(column, frame.columns) or f"it has {', '.join(frame.columns[:20])}",
                    column=column,
                    table=table,
                )
        if frame.is_empty():
            raise InvalidData(f"the {table} table is empty", hint="a candidate needs rows to be judged on", table=table)
        if missing := frame.get_column(self.target).null_count():
            raise InvalidData(
                f"the target '{self.target}' is null in {missing} rows of the {table} table",
                hint="drop rows without a truth before training and judging",
                column=self.target,
                table=table,
            )
