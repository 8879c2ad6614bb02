"""Drift that was planted is found, and where there is none, none is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from mainspring.base.errors import InvalidData, NotFound, UsageError
from mainspring.monitoring.drift import compare, floors_of, read_pair

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N = 5000


def table(seed: int, n: int = N) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "mean": rng.normal(size=n),
            "variance": rng.normal(size=n),
            "heavy": rng.standard_t(3, n),
            "swap": rng.choice(list("abc"), n, p=[0.6, 0.3, 0.1]),
            "new": rng.choice(list("abc"), n),
            "nulls": rng.normal(size=n),
            "rare": rng.random(n) < 0.02,
            "few": rng.integers(0, 6, n),
            "mixture": rng.normal(size=n),
            "range": rng.uniform(0, 1, n),
            "wide": rng.integers(0, 1000, n).astype(str),
            "constant": np.zeros(n),
        }
    )


def _nulls(frame: pl.DataFrame) -> pl.Expr:
    return pl.when(pl.int_range(pl.len()) % 5 > 0).then("nulls")


PLANTED: dict[str, Callable[[pl.DataFrame], pl.Expr]] = {
    "mean": lambda f: pl.col("mean") + 0.5,
    "variance": lambda f: pl.col("variance") * 2,
    "heavy": lambda f: pl.col("heavy") * 1000,
    "swap": lambda f: pl.col("swap").replace({"a": "b", "b": "a"}),
    "new": lambda f: pl.when(pl.int_range(pl.len()) % 20 == 0).then(pl.lit("z")).otherwise("new"),
    "nulls": _nulls,
    "rare": lambda f: pl.col("rare") | (pl.int_range(pl.len()) % 6 == 0),
    "few": lambda f: pl.min_horizontal("few", pl.lit(3)),
    "mixture": lambda f: pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.col("mixture") + 4).otherwise("mixture"),
    "range": lambda f: pl.when(pl.int_range(pl.len()) % 25 == 0).then(pl.lit(1.5)).otherwise("range"),
    "constant": lambda f: pl.col("constant") + 1,
}


@pytest.mark.parametrize("column", PLANTED)
def test_a_planted_drift_is_found_and_no_other(column: str) -> None:
    for seed in range(3):
        current = table(seed + 100)
        current = current.with_columns(PLANTED[column](current).alias(column))
        assert compare(table(seed), current).named("drift") == [column]


def test_without_drift_there_is_none() -> None:
    for seed in range(15):
        report = compare(table(seed), table(seed + 1000))
        assert not report.drifted, report.summary()


def test_dependent_rows_are_no_drift() -> None:
    told = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(2, 3000))
        walks = np.zeros((2, 3000))
        for i in range(1, 3000):
            walks[:, i] = 0.9 * walks[:, i - 1] + noise[:, i]
        report = compare(pl.DataFrame({"x": walks[0]}), pl.DataFrame({"x": walks[1]}))
        told.append(report.columns[0].verdict)
    assert told.count("drift") == 0, told


def test_few_rows_are_insufficient_and_never_no_drift() -> None:
    for seed in range(10):
        report = compare(table(seed), table(seed + 50, n=15))
        verdicts = {finding.column: finding.verdict for finding in report.columns}
        assert "no_drift" not in {verdicts["mean"], verdicts["variance"], verdicts["heavy"], verdicts["swap"]}
        assert not report.drifted
        needed = report.columns[0].n_needed
        assert needed is not None
        assert needed > 15


def test_a_million_rows_and_a_shift_of_nothing() -> None:
    rng = np.random.default_rng(0)
    reference = pl.DataFrame({"x": rng.normal(size=1_000_000)})
    report = compare(reference, reference.select(pl.Series("x", rng.normal(0.01, 1, 1_000_000))))
    assert report.columns[0].p_value is not None
    assert report.columns[0].p_value < 1e-4
    assert report.columns[0].verdict == "no_drift"


def test_what_cannot_be_compared_is_said() -> None:
    before = table(0).with_columns(at=pl.datetime(2026, 1, 1), items=pl.concat_list("few"), text=pl.col("few"))
    after = (
        table(1)
        .drop("swap")
        .with_columns(
            at=pl.datetime(2026, 2, 1), items=pl.concat_list("few"), text=pl.col("few").cast(pl.String), more=pl.lit(1)
        )
    )
    report = compare(before, after)
    assert [skipped.column for skipped in report.skipped] == ["at", "items"]
    assert report.only_in_reference == ["swap"]
    assert report.only_in_current == ["more"]
    assert {finding.column: finding.method for finding in report.columns if finding.verdict == "drift"} == {
        "swap": "schema",
        "text": "schema",
    }


def test_empty_tables() -> None:
    report = compare(table(0), table(0).clear())
    assert {finding.verdict for finding in report.columns} == {"insufficient_data"}
    assert "too few rows" in report.summary()
    with pytest.raises(InvalidData):
        compare(table(0).clear(), table(0))


def test_columns_and_floors() -> None:
    report = compare(table(0), table(1), columns=["few", "mean"])
    assert [finding.column for finding in report.columns] == ["mean", "few"]
    with pytest.raises(NotFound) as unknown:
        compare(table(0), table(1), columns=["meen"])
    assert unknown.value.hint == "did you mean 'mean'?"
    for wrong in ({"ks": 0, "psi": 0.1, "alpha": 0.01}, {"ks": 0.1, "psi": 0.1, "alpha": 1}):
        with pytest.raises(UsageError):
            floors_of(**wrong)
    moved = table(1).with_columns(pl.col("mean") + 0.3)
    assert compare(table(0), moved, floors_of(ks=0.05, psi=0.1, alpha=0.01)).drifted
    assert not compare(table(0), moved, floors_of(ks=0.3, psi=0.1, alpha=0.01)).drifted


def test_categoricals_decimals_and_integers_with_nulls() -> None:
    before = pl.DataFrame(
        {
            "c": pl.Series(["a", "b"] * 500, dtype=pl.Categorical),
            "d": pl.Series(range(1000)).cast(pl.Decimal(10, 2)),
            "i": [None, *range(999)],
        }
    )
    after = before.with_columns(pl.col("c").cast(pl.String))
    assert not compare(before, after, ordered=False).drifted
    assert compare(before, after, ordered=False).named("no_drift") == ["c", "d", "i"]


def test_reading(tmp_path: Path) -> None:
    good, empty, broken = (tmp_path / f"{name}.parquet" for name in ("good", "empty", "broken"))
    table(0).write_parquet(good)
    table(0).clear().write_parquet(empty)
    broken.write_bytes(good.read_bytes()[:1000])
    assert read_pair(good, empty)[1].height == 0
    for pair in ((good, broken), (broken, good), (empty, good)):
        with pytest.raises(InvalidData) as refused:
            read_pair(*pair)
        assert str(tmp_path) in refused.value.message
    with pytest.raises(NotFound):
        read_pair(good, tmp_path / "gone.parquet")
