"""Profiles: the numbers are numpy's, the counts add up, the JSON round-trips."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.base.errors import InvalidData
from mainspring.monitoring.counts import ColumnCounts
from mainspring.monitoring.profile import MAX_BINS, MAX_CATEGORIES, Profile, build_profile


@pytest.fixture
def frame() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    n = 5000
    values = rng.lognormal(size=n)
    return pl.DataFrame(
        {
            "x": pl.Series(values).set(pl.Series(rng.random(n) < 0.1), None),
            "nan": pl.Series(np.where(rng.random(n) < 0.2, np.nan, values)),
            "few": rng.integers(-2, 5, n),
            "many": rng.integers(0, 10**6, n),
            "city": rng.choice(["ROM", "PAR", "OSL"], n, p=[0.6, 0.3, 0.1]),
            "user": [f"u{i % 700}" for i in range(n)],
            "flag": rng.random(n) < 0.5,
            "at": pl.Series([datetime(2026, 1, 1, tzinfo=UTC)] * n),
            "list": [[1]] * n,
            "same": np.full(n, 3.5),
            "nothing": pl.Series([None] * n, dtype=pl.Float64),
        }
    )


def test_numbers_are_those_of_numpy(frame: pl.DataFrame) -> None:
    column = build_profile(frame).column("x")
    values = frame["x"].drop_nulls().to_numpy()
    assert column.nulls == frame["x"].null_count()
    assert column.distinct == len(np.unique(values))
    assert column.mean == pytest.approx(values.mean())
    assert column.std == pytest.approx(values.std(ddof=1))
    assert column.quantiles["0.95"] == pytest.approx(np.quantile(values, 0.95))
    assert len(column.edges) == MAX_BINS + 1
    assert (column.edges[0], column.edges[-1]) == (values.min(), values.max())
    expected = np.histogram(values, np.asarray(column.edges))[0]
    assert column.counts.bins == expected.tolist()


def test_every_kind_of_column(frame: pl.DataFrame) -> None:
    profile = build_profile(frame, target="flag")
    kinds = {column.name: column.kind for column in profile.columns}
    assert kinds["list"] == "opaque"
    assert kinds["at"] == "moment"
    assert kinds["flag"] == kinds["city"] == "category"
    assert profile.column("few").few_valued
    assert profile.column("few").categories == [str(value) for value in range(-2, 5)]
    assert not profile.column("many").few_valued
    assert profile.column("city").categories == ["ROM", "PAR", "OSL"]
    assert len(profile.column("user").categories) == MAX_CATEGORIES
    assert not profile.column("user").complete
    assert profile.column("nan").nulls == int(frame["nan"].is_nan().sum())
    assert profile.column("same").edges == [3.5, 3.5]
    assert profile.column("nothing").mean is None
    assert profile.column("at").min == "2026-01-01T00:00:00+00:00"
    for column in profile.columns:
        assert column.counts.rows == frame.height, column.name


def test_json_round_trips_and_is_stable(frame: pl.DataFrame) -> None:
    profile = build_profile(frame)
    assert Profile.from_json(profile.to_json()) == profile
    assert build_profile(frame).to_json() == profile.to_json()


def test_infinities_survive_json() -> None:
    profile = build_profile(pl.DataFrame({"x": [1.0, float("inf"), float("-inf"), 2.0]}))
    column = Profile.from_json(profile.to_json()).column("x")
    assert (column.infinite, column.max, column.counts.below, column.counts.above) == (2, 2.0, 1, 1)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format_version": "x"}', b'{"format_version": 99}'])
def test_what_is_no_profile_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidData):
        Profile.from_json(data)


def test_an_empty_table_has_a_profile() -> None:
    profile = build_profile(pl.DataFrame(schema={"x": pl.Float64, "c": pl.String}))
    assert profile.rows == 0
    assert profile.count(pl.DataFrame({"x": [1.0], "c": ["a"]})).columns["c"].unlisted == 1


def test_new_values_have_bins_of_their_own(frame: pl.DataFrame) -> None:
    profile = build_profile(frame)
    other = pl.DataFrame(
        {"x": [-1.0, 1e9, None, 1.0], "city": ["OSL", "NYC", None, "ROM"], "few": ["a", "1", None, "99"]}
    )
    counts = profile.count(other)
    x, city, few = (counts.columns[name] for name in ("x", "city", "few"))
    assert (x.below, x.above, x.nulls, sum(x.bins)) == (1, 1, 1, 1)
    assert (city.unlisted, city.nulls, city.bins) == (1, 1, [1, 0, 1])
    assert (few.unlisted, few.nulls, sum(few.bins)) == (2, 1, 1)
    assert profile.count(pl.DataFrame({"x": ["text"]})).columns["x"].unlisted == 1


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True)), max_size=60), st.integers(0, 60))
def test_counts_of_parts_add_up_to_the_counts_of_the_whole(values: list[float | None], cut: int) -> None:
    profile = build_profile(pl.DataFrame({"x": pl.Series([0.0, 1.5, 2.5, 2.5, 7.0], dtype=pl.Float64)}))
    whole = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)})
    parts = profile.count(whole.head(cut)) + profile.count(whole.slice(cut))
    assert parts == profile.count(whole)
    assert parts.columns["x"].rows == len(values)


def test_counts_of_other_bins_do_not_add() -> None:
    with pytest.raises(InvalidData, match="2 bins"):
        ColumnCounts(bins=[1, 2], nulls=0) + ColumnCounts(bins=[1], nulls=0)
