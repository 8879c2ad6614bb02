"""Rows in two tables: what is a leak, and what is chance."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.testing.rows import hashes, overlap


def continuous(n: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n).round(1), "y": rng.integers(0, 2, n)})


def categorical(n: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "carrier": rng.choice(list("abcdefgh"), n, p=np.array([8, 7, 6, 5, 4, 3, 2, 1]) / 36),
            "hour": rng.integers(0, 24, n),
            "place": rng.zipf(1.6, n).clip(0, 500),
            "y": rng.integers(0, 2, n),
        }
    )


def test_copied_rows_are_found() -> None:
    table = continuous(4000)
    train, holdout = table.head(3000), pl.concat([table.tail(1000), table.head(50)])
    found = overlap(holdout, train, table.columns)
    assert found.share == pytest.approx(50 / 1050)
    assert found.chance < 0.001
    assert found.seen.sum() == 50
    assert found.is_beyond(0.01)


def test_an_unleaked_continuous_table_passes() -> None:
    table = continuous(4000)
    found = overlap(table.tail(1000), table.head(3000), table.columns)
    assert (found.share, found.is_beyond(0.01)) == (0.0, False)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("sizes", [(3000, 1000), (500, 2000), (8000, 400)])
def test_an_ordinary_table_of_categories_passes(seed: int, sizes: tuple[int, int]) -> None:
    table = categorical(sum(sizes), seed)
    found = overlap(table.tail(sizes[1]), table.head(sizes[0]), table.columns)
    assert found.share > 0.2
    assert not found.is_beyond(0.01)


@pytest.mark.parametrize("seed", range(6))
def test_a_leak_in_a_table_of_categories_is_found_where_chance_does_not_explain_it(seed: int) -> None:
    table = categorical(5000, seed)
    train = table.head(4000)
    leaked = pl.concat([table.tail(1000), train.sample(500, seed=seed)])
    assert overlap(leaked, train, table.columns).is_beyond(0.01)


def test_oversampling_before_the_split_is_found() -> None:
    table = continuous(3000)
    minority = table.filter(pl.col("y") == 1)
    shuffled = pl.concat([table, *[minority] * 4]).sample(fraction=1.0, shuffle=True, seed=1)
    cut = shuffled.height * 3 // 4
    assert overlap(shuffled.tail(-cut), shuffled.head(cut), table.columns).is_beyond(0.01)


def test_oversampling_of_the_training_rows_alone_passes() -> None:
    table = continuous(4000)
    train = table.head(3000)
    train = pl.concat([train, *[train.filter(pl.col("y") == 1)] * 4])
    assert not overlap(table.tail(1000), train, table.columns).is_beyond(0.01)


def test_one_coarse_column_that_decides_the_target_is_no_leak() -> None:
    rng = np.random.default_rng(0)
    ages = rng.integers(0, 100, 5000)
    table = pl.DataFrame({"age": ages, "y": (ages > 60).astype(int)})
    assert not overlap(table.tail(1000), table.head(4000), table.columns).is_beyond(0.01)


def test_equal_rows_hash_alike_whatever_their_spelling() -> None:
    left = pl.DataFrame({"i": [1, 2], "f": [0.1 + 0.2, -0.0], "s": [" Abc", None], "t": [date(2020, 1, 1), None]})
    right = pl.DataFrame({"i": [1.0, 2.0], "f": [0.3, 0.0], "s": ["abc ", None], "t": [date(2020, 1, 1), None]})
    right = right.with_columns(pl.col("t").cast(pl.Datetime("us")), pl.col("s").cast(pl.Categorical))
    one, two = hashes([left, right], left.columns)
    assert one.tolist() == two.tolist()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_seen_is_set_membership(rows: list[int], known: list[int]) -> None:
    found = overlap(pl.DataFrame({"x": rows}), pl.DataFrame({"x": known}), ["x"])
    assert found.seen.tolist() == [row in known for row in rows]
    assert 0 <= found.chance <= 1


def test_a_leak_across_moments_is_found_though_rows_repeat_within_a_day() -> None:
    table = categorical(26_000).with_columns(pl.Series("day", np.arange(26_000) // 50))
    train, holdout = table.head(24_000), table.tail(2_000)
    assert not overlap(holdout, train, table.columns).is_beyond(0.01)
    leaked = pl.concat([train, holdout.head(300)])
    assert overlap(holdout, leaked, table.columns).is_beyond(0.01)


def test_a_holdout_of_the_common_rows_alone_passes() -> None:
    table = categorical(12_000)
    common = table.tail(2000).filter(pl.col("carrier").is_in(["a", "b"]))
    found = overlap(common, table.head(10_000), table.columns)
    assert not found.is_beyond(0.01)
