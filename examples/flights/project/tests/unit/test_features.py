"""Single functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import features
import polars as pl
import pytest

pytestmark = pytest.mark.unit


def flights(days: int) -> pl.DataFrame:
    start = datetime(2013, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "scheduled_at": [start + timedelta(hours=6 * hour) for hour in range(4 * days)],
            "arrival_delay": [None if hour % 10 == 0 else hour % 40 for hour in range(4 * days)],
        }
    )


def test_late_is_more_than_fifteen_minutes_and_flights_that_never_arrived_are_left_out() -> None:
    labelled = features.label(pl.DataFrame({"arrival_delay": [15, 16, None]}))
    assert labelled["late"].to_list() == [0, 1]


def test_the_holdout_is_later_than_everything_trained_on() -> None:
    train, holdout = features.split_by_time(flights(60), holdout_days=14, train_days=30)
    assert train["scheduled_at"].max() < holdout["scheduled_at"].min()
    assert holdout["scheduled_at"].dt.date().n_unique() == 14
    assert train["scheduled_at"].dt.date().n_unique() == 30


def test_days_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        features.split_by_time(flights(10), holdout_days=0, train_days=3)
