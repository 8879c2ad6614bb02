"""How a candidate is made of the months that are there."""

from __future__ import annotations

import features
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mainspring import Candidate, log_params, pipeline, step


@step
def prepare(flights: pl.DataFrame, congestion: str) -> pl.DataFrame:
    """Label the flights, put them in time order, and take how busy the airport is from one column of the feed."""
    rows = features.label(flights).with_columns(pl.col(congestion).alias("departures_in_hour"))
    return rows.sort("scheduled_at", "flight_id")


@step
def divide(rows: pl.DataFrame, holdout_days: int, train_days: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep the newest days aside."""
    return features.split_by_time(rows, holdout_days=holdout_days, train_days=train_days)


@step
def fit(rows: pl.DataFrame, penalty: float) -> Pipeline:
    """Fit a logistic regression; the encoders are part of the model, so that serving cannot encode otherwise.

    Boosted trees were tried first: on these eight columns the gate's baseline check could not tell them from a linear model.
    """
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", min_frequency=50), features.CATEGORIES),
        (StandardScaler(), features.NUMBERS),
    )
    model = make_pipeline(encode, LogisticRegression(C=1 / penalty, max_iter=500))
    return model.fit(rows.select(features.FEATURES), rows[features.TARGET].to_numpy())


@pipeline
def train(
    flights: pl.DataFrame,
    penalty: float = 1.0,
    holdout_days: int = 14,
    train_days: int = 91,
    congestion: str = "departures_in_hour",
) -> Candidate:
    """Make a candidate; ``congestion`` names the column that says how busy the airport is."""
    rows = prepare(flights, congestion)
    trained_on, holdout = divide(rows, holdout_days, train_days)
    log_params({"train_rows": len(trained_on), "holdout_rows": len(holdout)})
    return Candidate(
        model=fit(trained_on, penalty),
        train=trained_on,
        holdout=holdout,
        features=features.FEATURES,
        target=features.TARGET,
    )
