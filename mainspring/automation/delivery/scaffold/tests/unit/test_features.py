"""Single functions."""

from __future__ import annotations

import features
import polars as pl
import pytest

pytestmark = pytest.mark.unit


def rows(n: int = 1000) -> pl.DataFrame:
    return pl.DataFrame(
        {"mean_radius": [float(value) for value in range(n)], "benign": [value % 2 for value in range(n)]}
    )


def test_target_is_no_feature() -> None:
    assert features.feature_names(rows()) == ["mean_radius"]


def test_split_keeps_every_row_once() -> None:
    train, holdout = features.split(rows(), 0.25)
    assert len(train) + len(holdout) == 1000
    assert 150 < len(holdout) < 350


def test_a_row_stays_on_its_side_when_rows_are_added() -> None:
    _, few = features.split(rows(500), 0.25)
    _, many = features.split(rows(1000), 0.25)
    assert set(few["mean_radius"]) <= set(many["mean_radius"])


def test_a_share_outside_of_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        features.split(rows(), 1.5)
