"""How a candidate is made. Steps are remembered: what did not change is not done again."""

from __future__ import annotations

import features
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mainspring import Candidate, log_param, pipeline, step


@step
def divide(measurements: pl.DataFrame, holdout_share: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep rows aside that training never sees."""
    return features.split(measurements, holdout_share)


@step
def fit(rows: pl.DataFrame, learning_rate: float) -> Pipeline:
    """Fit a scaled logistic regression; preprocessing is part of the model, so serving does the same."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=learning_rate, max_iter=1000))
    return model.fit(rows.select(features.feature_names(rows)), rows[features.TARGET].to_numpy())


@pipeline
def train(measurements: pl.DataFrame, learning_rate: float = 0.1, holdout_share: float = 0.25) -> Candidate:
    """Make a candidate of the present data."""
    log_param("model", "logistic regression")
    rows, holdout = divide(measurements, holdout_share)
    return Candidate(
        model=fit(rows, learning_rate),
        train=rows,
        holdout=holdout,
        features=features.feature_names(measurements),
        target=features.TARGET,
    )
