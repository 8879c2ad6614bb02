from __future__ import annotations

from datetime import date, datetime

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.base.errors import InvalidData
from mainspring.versioning.signature import ColumnType, Signature, Target, infer_signature

ALL = pl.DataFrame(
    {
        "i": [1, 2],
        "f": [1.5, None],
        "s": ["a", "b"],
        "b": [True, False],
        "t": [datetime(2020, 1, 1), datetime(2020, 1, 2)],  # noqa: DTZ001 - columns without a zone
        "d": [date(2020, 1, 1), date(2020, 1, 2)],
        "y": ["no", "yes"],
    }
)
SIGNATURE = infer_signature(ALL, ["i", "f", "s", "b", "t", "d"], "y")


def test_types_and_nullability_are_inferred() -> None:
    found = [(column.dtype, column.nullable) for column in SIGNATURE.inputs]
    assert found == [
        ("int64", False),
        ("float64", True),
        ("string", False),
        ("boolean", False),
        ("datetime", False),
        ("date", False),
    ]
    assert SIGNATURE.target == Target("y", "binary", ["no", "yes"])


def test_it_survives_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(SIGNATURE), type=Signature) == SIGNATURE


def test_conform_restores_order_and_casts_what_loses_nothing() -> None:
    rows = pl.DataFrame(
        {
            "d": ["2020-02-01"],
            "t": ["2020-02-01T01:00:00+01:00"],
            "b": [True],
            "s": pl.Series(["x"], dtype=pl.Categorical),
            "f": [3],
            "i": [4.0],
        }
    )
    found = SIGNATURE.conform(rows)
    assert found.columns == SIGNATURE.features
    assert found.row(0) == (4, 3.0, "x", True, datetime(2020, 2, 1), date(2020, 2, 1))  # noqa: DTZ001
    assert SIGNATURE.conform(found).equals(found)


@pytest.mark.parametrize(
    ("change", "column", "says"),
    [
        (pl.lit(1.5).alias("i"), "i", "expected int64, found the number 1.5"),
        (pl.lit("3").alias("f"), "f", "expected float64, found string"),
        (pl.lit(1).alias("s"), "s", "expected string, found int64"),
        (pl.lit(1).alias("b"), "b", "expected boolean, found int64"),
        (pl.lit("soon").alias("t"), "t", "expected datetime, found the text 'soon'"),
        (pl.lit(None, dtype=pl.Int64).alias("i"), "i", "is null in 2 of 2 rows"),
        (pl.lit(True).alias("i"), "i", "expected int64, found boolean"),
    ],
)
def test_conform_names_column_expected_and_found(change: pl.Expr, column: str, says: str) -> None:
    with pytest.raises(InvalidData, match=says) as caught:
        SIGNATURE.conform(ALL.drop("y").with_columns(change))
    assert caught.value.details["column"] == column


def test_conform_names_missing_and_unknown_columns() -> None:
    with pytest.raises(InvalidData, match="missing column 'i'"):
        SIGNATURE.conform(ALL.drop("y", "i"))
    with pytest.raises(InvalidData, match="unknown column 'y'"):
        SIGNATURE.conform(ALL)
    with pytest.raises(InvalidData, match="missing columns 'i', 'f'"):
        SIGNATURE.conform(ALL.select("s"))


def test_a_null_column_without_a_type_takes_the_signatures() -> None:
    rows = ALL.drop("y").with_columns(f=None)
    assert SIGNATURE.conform(rows).schema["f"] == pl.Float64


def test_nan_counts_as_null_where_null_may_not_be() -> None:
    signature = infer_signature(pl.DataFrame({"x": [1.0], "y": [1.0]}), ["x"], "y")
    with pytest.raises(InvalidData, match="null in 1 of 1"):
        signature.conform(pl.DataFrame({"x": [float("nan")]}))


def test_unsigned_numbers_beyond_64_bits_are_refused() -> None:
    with pytest.raises(InvalidData, match="beyond 64 bits"):
        SIGNATURE.conform(ALL.drop("y").with_columns(i=pl.lit(2**64 - 1, dtype=pl.UInt64)))


def test_encode_and_decode() -> None:
    assert SIGNATURE.encode(["yes", "no", None]).tolist()[:2] == [1.0, 0.0]
    assert np.isnan(SIGNATURE.encode([None])[0])
    assert SIGNATURE.encode(pl.Series(["no", "yes"])).tolist() == [0.0, 1.0]
    assert SIGNATURE.decode(np.array([1.0, 0.0])) == ["yes", "no"]
    with pytest.raises(InvalidData, match="'maybe' is no class of 'y'"):
        SIGNATURE.encode(["maybe"])
    with pytest.raises(InvalidData, match="no class"):
        SIGNATURE.encode([["list"]])


def test_boolean_targets_take_what_json_and_csv_make_of_them() -> None:
    signature = infer_signature(pl.DataFrame({"x": [1], "y": [True]}), ["x"], "y")
    assert signature.target.classes == [False, True]
    assert signature.encode([True, 0, 1.0]).tolist() == [1.0, 0.0, 1.0]


def test_regression_values() -> None:
    signature = infer_signature(pl.DataFrame({"x": [1], "y": [2.5]}), ["x"], "y")
    assert signature.target.task == "regression"
    assert signature.encode([1, 2]).tolist() == [1.0, 2.0]
    with pytest.raises(InvalidData):
        signature.encode(["x"])


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0, 1, 0], "binary"),
        (["a", "b", "c"], "multiclass"),
        ([1.0, 2.0, 3.5], "regression"),
        ([1, 2, 3], "regression"),
    ],
)
def test_tasks_are_inferred(values: list[object], task: str) -> None:
    frame = pl.DataFrame({"x": [1, 2, 3], "y": values})
    assert infer_signature(frame, ["x"], "y").target.task == task


def test_types_that_no_model_takes() -> None:
    with pytest.raises(InvalidData, match="a model cannot take"):
        infer_signature(pl.DataFrame({"x": [[1]], "y": [1.0]}), ["x"], "y")


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1))
def test_whole_floats_come_back_as_they_were(values: list[int]) -> None:
    signature = Signature([ColumnType("x", "int64", False)], Target("y", "regression", None), "polars")
    found = signature.conform(pl.DataFrame({"x": [float(value) for value in values]}))
    assert found["x"].to_list() == values
