"""The newest candidate, and what it has to be able to do. `candidate` and `holdout` come from mainspring's pytest plugin."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.model


def test_scores_are_probabilities(candidate, holdout) -> None:
    scores = candidate.predict(holdout).score
    assert ((scores >= 0) & (scores <= 1)).all()


def test_larger_tumours_are_not_called_benign_more_often(candidate, holdout) -> None:
    import polars as pl

    larger = holdout.with_columns(pl.col("mean_radius") * 1.2)
    assert candidate.predict(larger).score.mean() <= candidate.predict(holdout).score.mean()
