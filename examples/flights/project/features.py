"""What is known of a flight before it departs; training and serving read the same columns."""

from __future__ import annotations

import polars as pl

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = ["weekday", "departure_minute", "arrival_minute", "distance", "departures_in_hour"]
FEATURES = [*CATEGORIES, *NUMBERS]
TARGET = "late"
LATE_MINUTES = 15


def label(flights: pl.DataFrame) -> pl.DataFrame:
    """Add whether each flight arrived more than 15 minutes late; flights that never arrived have no label and are left out."""
    return flights.filter(pl.col("arrival_delay").is_not_null()).with_columns(
        (pl.col("arrival_delay") > LATE_MINUTES).cast(pl.Int64).alias(TARGET)
    )


def split_by_time(rows: pl.DataFrame, *, holdout_days: int, train_days: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of ``train_days`` before the last ``holdout_days``, and those last days.

    Whole days are kept apart, so that no flight of the holdout departs before one that was trained on.
    """
    if holdout_days < 1 or train_days < 1:
        raise ValueError("holdout_days and train_days are at least 1")
    day = pl.col("scheduled_at").dt.date()
    last = rows["scheduled_at"].dt.date().max()
    first_held = pl.lit(last) - pl.duration(days=holdout_days - 1)
    first_trained = first_held - pl.duration(days=train_days)
    held = rows.filter(day >= first_held)
    return rows.filter((day < first_held) & (day >= first_trained)), held
