"""The steps together, on a sample of the real flights."""

from __future__ import annotations

from pathlib import Path

import pipeline
import polars as pl
import pytest

pytestmark = pytest.mark.integration
DATA = Path(__file__).parents[2] / "data" / "flights"


def test_training_flows_into_a_candidate() -> None:
    files = sorted(DATA.glob("*.parquet"))
    if not files:
        pytest.skip("the data is not here: mainspring data checkout flights")
    sample = pl.read_parquet(files[0]).filter(pl.col("scheduled_at").dt.hour() == 15)
    candidate = pipeline.train(sample, holdout_days=5, train_days=30)
    assert len(candidate.holdout) > 0
    assert "arrival_delay" not in candidate.features
