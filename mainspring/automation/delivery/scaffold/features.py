"""What the model sees, in one place for training and serving alike."""

from __future__ import annotations

import polars as pl

TARGET = "benign"


def feature_names(measurements: pl.DataFrame) -> list[str]:
    """Return the columns the model may look at: all but the target."""
    return [name for name in measurements.columns if name != TARGET]


def split(measurements: pl.DataFrame, holdout_share: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return rows to train on and rows kept aside, by a hash of each row: the same row always falls on the same side."""
    if not 0 < holdout_share < 1:
        raise ValueError(f"holdout_share lies between 0 and 1, not at {holdout_share}")
    kept = measurements.hash_rows(seed=1) % 1000 < holdout_share * 1000
    return measurements.filter(~kept), measurements.filter(kept)
