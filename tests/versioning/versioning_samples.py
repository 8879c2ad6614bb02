"""A small model on made rows; imported by tests and by the processes that they start."""

from __future__ import annotations

import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from mainspring.versioning.candidate import Candidate

FEATURES = ["delay", "hour", "carrier"]


def make_rows(n: int = 600, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    delay = rng.normal(size=n)
    frame = pl.DataFrame({"delay": delay, "hour": rng.integers(0, 24, n), "carrier": rng.choice(["AA", "B6", "UA"], n)})
    return frame.with_columns(
        pl.Series("late", delay + rng.normal(size=n) > 0),
        pl.when(pl.col("hour") == 3).then(None).otherwise(pl.col("delay")).alias("delay"),
    )


def make_model(rows: pl.DataFrame, *, iterations: int = 5) -> Pipeline:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((encoder, ["carrier"]), remainder="passthrough")
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=iterations, random_state=0))
    return model.fit(rows.select(FEATURES), rows["late"].to_numpy())


def make_candidate(*, iterations: int = 5, seed: int = 0) -> Candidate:
    rows = make_rows(seed=seed)
    train, holdout = rows[:400], rows[400:]
    return Candidate(
        model=make_model(train, iterations=iterations), train=train, holdout=holdout, features=FEATURES, target="late"
    )
