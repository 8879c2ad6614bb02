"""What the newest candidate has to be able to do, beyond its gate."""

from __future__ import annotations

import polars as pl
import pytest

pytestmark = pytest.mark.model


def test_scores_are_probabilities(candidate, holdout) -> None:
    scores = candidate.predict(holdout).score
    assert ((scores >= 0) & (scores <= 1)).all()


def test_an_airline_it_never_saw_is_answered(candidate, holdout) -> None:
    unseen = holdout.head(10).with_columns(pl.lit("??").alias("carrier"))
    assert len(candidate.predict(unseen).score) == 10


def test_evening_flights_are_later_than_those_at_dawn(candidate, holdout) -> None:
    dawn = candidate.predict(holdout.with_columns(pl.lit(6 * 60).alias("departure_minute"))).score.mean()
    evening = candidate.predict(holdout.with_columns(pl.lit(19 * 60).alias("departure_minute"))).score.mean()
    assert evening > dawn
