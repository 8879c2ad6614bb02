"""The steps together, on the project's own data."""

from __future__ import annotations

from pathlib import Path

import pipeline
import polars as pl
import pytest

pytestmark = pytest.mark.integration
DATA = Path(__file__).parents[2] / "data" / "measurements.parquet"


def test_training_flows_into_a_candidate() -> None:
    if not DATA.exists():
        pytest.skip("the data is not here: mainspring data checkout measurements")
    candidate = pipeline.train(pl.read_parquet(DATA))
    assert candidate.target == "benign"
    assert len(candidate.holdout) > 50
