"""Validation against numbers computed by hand, and against suites that are wrong."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl
import pytest

from mainspring.base.errors import InvalidData, NotFound
from mainspring.monitoring.expectations.registry import EXPECTATIONS
from mainspring.monitoring.profile import build_profile
from mainspring.monitoring.proposal import write_suite
from mainspring.monitoring.suite import Expectation, Suite, load_suite, parse_suite
from mainspring.monitoring.validate import ExpectationResult, validate

if TYPE_CHECKING:
    from pathlib import Path

FRAME = pl.DataFrame(
    {
        "id": [1, 2, 3, 4, 4, None],
        "x": [1.0, 2.0, float("nan"), 4.0, 5.0, -6.0],
        "name": ["ann", "bob", None, "dave", "eve", "x9"],
        "day": [date(2026, 1, d) for d in (1, 2, 3, 4, 5, 6)],
        "at": [datetime(2026, 1, d) for d in (1, 2, 3, 4, 5, 6)],  # noqa: DTZ001
        "low": [0, 1, 2, 3, 9, None],
        "flag": [True, False, True, None, True, True],
        "cat": pl.Series(["a", "b", "a", "a", None, "c"], dtype=pl.Categorical),
    }
)


def ask(type_: str, frame: pl.DataFrame | pl.LazyFrame = FRAME, /, **kwargs: Any) -> ExpectationResult:
    data = msgspec.json.encode({"expectations": [{"type": "expect_" + type_, "kwargs": kwargs}]})
    return validate(frame, parse_suite(data)).results[0]


ROWS = [
    ("column_values_to_not_be_null", {"column": "id"}, 1, 6),
    ("column_values_to_not_be_null", {"column": "x"}, 1, 6),
    ("column_values_to_be_null", {"column": "name"}, 5, 6),
    ("column_values_to_be_unique", {"column": "id"}, 2, 5),
    ("column_values_to_be_between", {"column": "x", "min_value": 1, "max_value": 4}, 2, 5),
    ("column_values_to_be_between", {"column": "x", "min_value": 1, "max_value": 4, "strict_min": True}, 3, 5),
    ("column_values_to_be_between", {"column": "x", "max_value": 5, "strict_max": True}, 1, 5),
    ("column_values_to_be_between", {"column": "day", "min_value": "2026-01-03"}, 2, 6),
    ("column_values_to_be_between", {"column": "at", "max_value": "2026-01-04T12:00:00Z"}, 2, 6),
    ("column_values_to_be_between", {"column": "name", "max_value": "c"}, 3, 5),
    ("column_values_to_be_in_set", {"column": "id", "value_set": [1, 2.0, 4, "no", None]}, 1, 5),
    ("column_values_to_be_in_set", {"column": "cat", "value_set": ["a", "z"]}, 2, 5),
    ("column_values_to_be_in_set", {"column": "flag", "value_set": [True]}, 1, 5),
    ("column_values_to_be_in_set", {"column": "day", "value_set": ["2026-01-01", "2026-01-02"]}, 4, 6),
    ("column_values_to_not_be_in_set", {"column": "name", "value_set": ["bob", "eve"]}, 2, 5),
    ("column_values_to_match_regex", {"column": "name", "regex": "^[a-z]{3}$"}, 2, 5),
    ("column_values_to_not_match_regex", {"column": "name", "regex": r"\d"}, 1, 5),
    ("column_value_lengths_to_be_between", {"column": "name", "min_value": 3, "max_value": 3}, 2, 5),
    ("column_value_lengths_to_equal", {"column": "name", "value": 3}, 2, 5),
    ("column_values_to_be_increasing", {"column": "id"}, 0, 5),
    ("column_values_to_be_increasing", {"column": "id", "strictly": True}, 1, 5),
    ("column_values_to_be_decreasing", {"column": "x"}, 3, 5),
    ("column_pair_values_a_to_be_greater_than_b", {"column_A": "id", "column_B": "low"}, 1, 5),
    ("column_pair_values_a_to_be_greater_than_b", {"column_A": "x", "column_B": "id", "or_equal": True}, 2, 6),
    (
        "column_pair_values_a_to_be_greater_than_b",
        {"column_A": "x", "column_B": "id", "or_equal": True, "ignore_row_if": "either_value_is_missing"},
        0,
        4,
    ),
    ("column_pair_values_to_be_equal", {"column_A": "id", "column_B": "low"}, 5, 5),
    ("compound_columns_to_be_unique", {"column_list": ["id", "flag"]}, 0, 6),
]


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(("type_", "kwargs", "unexpected", "present"), ROWS)
def test_rows_counted_by_hand(type_: str, kwargs: dict[str, Any], unexpected: int, present: int, lazy: bool) -> None:
    found = ask(type_, FRAME.lazy() if lazy else FRAME, **kwargs)
    assert (found.result["unexpected_count"], found.result["element_count"] - found.result["missing_count"]) == (
        unexpected,
        present,
    )
    assert found.success == (unexpected == 0)
    if unexpected:
        assert len(found.result["partial_unexpected_list"]) == unexpected
        assert found.reason is not None
    share = unexpected / present
    assert ask(type_, **kwargs, mostly=max(0.0, 1 - share - 1e-9)).success
    if 0 < share < 1:
        assert not ask(type_, **kwargs, mostly=1 - share + 0.01).success


AGGREGATES = [
    ("column_mean_to_be_between", "x", 1.2),
    ("column_median_to_be_between", "x", 2.0),
    ("column_min_to_be_between", "x", -6.0),
    ("column_max_to_be_between", "x", 5.0),
    ("column_sum_to_be_between", "x", 6.0),
    ("column_stdev_to_be_between", "x", float(np.std([1, 2, 4, 5, -6], ddof=1))),
    ("column_unique_value_count_to_be_between", "id", 4),
    ("column_proportion_of_unique_values_to_be_between", "id", 0.8),
    ("column_mean_to_be_between", "flag", 0.8),
]


@pytest.mark.parametrize(("type_", "column", "value"), AGGREGATES)
def test_aggregates_computed_by_hand(type_: str, column: str, value: float) -> None:
    found = ask(type_, column=column, min_value=value - 1e-9, max_value=value + 1e-9)
    assert found.success
    assert found.result["observed_value"] == pytest.approx(value)
    assert not ask(type_, column=column, min_value=value + 0.1).success
    assert not ask(type_, column=column, max_value=value - 0.1).success
    assert not ask(type_, FRAME.clear(), column=column, min_value=1).success or "count" in type_


def test_moments_have_extremes() -> None:
    assert ask("column_min_to_be_between", column="day", min_value="2026-01-01").success
    found = ask("column_max_to_be_between", column="at", max_value="2026-01-05")
    assert not found.success
    assert found.result["observed_value"] == "2026-01-06T00:00:00"


def test_quantiles_and_distinct_sets() -> None:
    ranges = {"quantiles": [0.0, 0.5, 1.0], "value_ranges": [[-6, -6], [2, 2], [None, 4]]}
    found = ask("column_quantile_values_to_be_between", column="x", quantile_ranges=ranges)
    assert found.result["details"]["success_details"] == [True, True, False]
    assert found.result["observed_value"]["values"] == [-6.0, 2.0, 5.0]
    for kind, values, holds in [
        ("be_in_set", ["a", "b", "c", "d"], True),
        ("be_in_set", ["a", "b"], False),
        ("contain_set", ["a", "b"], True),
        ("contain_set", ["a", "z"], False),
        ("equal_set", ["a", "b", "c"], True),
        ("equal_set", ["a", "b", "c", "d"], False),
    ]:
        assert ask(f"column_distinct_values_to_{kind}", column="cat", value_set=values).success is holds, (kind, values)


def test_tables() -> None:
    names = FRAME.columns
    assert ask("column_to_exist", column="x").success
    assert not ask("column_to_exist", column="x", column_index=0).success
    assert ask("table_columns_to_match_set", column_set=names[::-1]).success
    assert not ask("table_columns_to_match_set", column_set=names[1:]).success
    assert ask("table_columns_to_match_set", column_set=names[1:], exact_match=False).success
    assert ask("table_columns_to_match_ordered_list", column_list=names).success
    assert not ask("table_columns_to_match_ordered_list", column_list=names[::-1]).success
    assert ask("table_row_count_to_be_between", min_value=6, max_value=6).success
    assert not ask("table_row_count_to_equal", value=7).success
    assert ask("table_column_count_to_equal", value=8).success


@pytest.mark.parametrize(
    ("column", "type_", "holds"),
    [("id", "int64", True), ("id", "Int64", True), ("id", "float", False), ("x", "DOUBLE", True), ("name", "object", True),
     ("at", "datetime64[ns]", True), ("day", "datetime", False), ("cat", "category", True), ("flag", "BooleanType", True)],
)  # fmt: skip
def test_types(column: str, type_: str, holds: bool) -> None:
    assert ask("column_values_to_be_of_type", column=column, type_=type_).success is holds
    assert ask("column_values_to_be_in_type_list", column=column, type_list=["list", type_]).success is holds


@pytest.mark.parametrize("type_", sorted(EXPECTATIONS))
def test_a_missing_column_fails_its_expectation_alone(type_: str) -> None:
    filled: dict[str, Any] = {
        "value_set": [1], "regex": "a", "value": 1, "type_": "int", "type_list": ["int"], "column_list": ["gone", "x"],
        "column_set": ["gone"], "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]},
    }  # fmt: skip
    needed = EXPECTATIONS[type_].required
    kwargs = {name: filled.get(name, "gone") for name in needed}
    if "min_value" in EXPECTATIONS[type_].optional:
        kwargs["min_value"] = 100
    suite = Suite(
        name="s",
        expectations=[
            Expectation(type=type_, kwargs=kwargs),
            Expectation(type="expect_column_to_exist", kwargs={"column": "x"}),
        ],
    )
    first, second = validate(FRAME, suite).results
    assert not first.success
    assert first.reason
    assert second.success


@pytest.mark.parametrize(
    ("type_", "kwargs"),
    [
        ("column_mean_to_be_between", {"column": "name", "min_value": 0}),
        ("column_values_to_be_between", {"column": "name", "min_value": 0}),
        ("column_values_to_be_between", {"column": "x", "min_value": "2026-01-01"}),
        ("column_values_to_be_between", {"column": "day", "min_value": "yesterday"}),
        ("column_values_to_match_regex", {"column": "x", "regex": "a"}),
        ("column_value_lengths_to_be_between", {"column": "id", "min_value": 0}),
        ("column_values_to_be_in_set", {"column": "x", "value_set": ["a"]}),
        ("column_pair_values_a_to_be_greater_than_b", {"column_A": "x", "column_B": "name"}),
        ("column_unique_value_count_to_be_between", {"column": "x", "min_value": "a"}),
    ],
)
def test_a_wrong_type_fails_with_a_reason(type_: str, kwargs: dict[str, Any]) -> None:
    found = ask(type_, **kwargs)
    assert not found.success
    assert found.exception_info.raised_exception
    assert found.reason is not None
    assert "column" in found.reason or "compared" in found.reason


def one(type_: str, /, **kwargs: Any) -> bytes:
    return msgspec.json.encode({"expectations": [{"type": f"expect_{type_}", "kwargs": kwargs}]})


@pytest.mark.parametrize(
    ("suite", "says"),
    [
        (b"not json", "not a suite"),
        (b"[]", "not a suite"),
        (b'{"expectations": [{"kwargs": {}}]}', "expectation 0 has no type"),
        (one("column_to_exits", column="a"), "no expectation"),
        (one("column_to_exist"), "needs the argument 'column'"),
        (one("column_to_exist", column="a", mostli=1), "mostli"),
        (one("column_values_to_be_null", column="a", mostly=3), "mostly"),
        (one("column_values_to_be_between", column="a"), "min_value"),
        (one("column_values_to_match_regex", column="a", regex="(?=a"), "regular expression"),
        (one("column_values_to_be_of_type", column="a", type_="inx"), "inx"),
        (one("column_values_to_be_in_set", column="a", value_set=[]), "value_set"),
        (one("column_to_exist", column="a", row_condition="x"), "row_condition"),
        (one("compound_columns_to_be_unique", column_list=[]), "must name columns"),
        (one("column_pair_values_to_be_equal", column_A="a", column_B="b", ignore_row_if="sometimes"), "sometimes"),
        (one("column_quantile_values_to_be_between", column="a", quantile_ranges={"quantiles": [1]}), "value_ranges"),
        (
            one(
                "column_quantile_values_to_be_between",
                column="a",
                quantile_ranges={"quantiles": [2], "value_ranges": [[1, 2]]},
            ),
            "0 and 1",
        ),
    ],
)
def test_a_wrong_suite_is_refused_loudly(suite: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "suite.json"
    file.write_bytes(suite)
    with pytest.raises(InvalidData, match=says) as refused:
        load_suite(file)
    assert str(file) in refused.value.message


def test_an_unknown_type_gets_a_suggestion() -> None:
    with pytest.raises(InvalidData) as refused:
        ask("column_values_to_be_betwen", column="x", min_value=0)
    assert refused.value.hint == "did you mean 'expect_column_values_to_be_between'?"


def test_a_suite_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_suite(tmp_path / "none.json")


def test_both_spellings_and_severity() -> None:
    suite = parse_suite(
        b'{"expectation_suite_name": "old", "data_asset_type": null, "ge_cloud_id": null, "expectations": ['
        b'{"expectation_type": "expect_column_to_exist", "kwargs": {"column": "gone", "result_format": "BASIC"}, "meta": null,'
        b' "severity": "warning", "id": "1", "rendered_content": null}]}'
    )
    result = validate(FRAME, suite)
    assert suite.name == "old"
    assert result.success
    assert len(result.warnings) == 1
    assert result.statistics["unsuccessful_expectations"] == 1
    assert parse_suite(suite.to_json()) == suite


def test_the_result_has_the_shape_of_great_expectations() -> None:
    wire = msgspec.to_builtins(
        validate(FRAME, Suite(name="s", expectations=[Expectation(type=t, kwargs={"column": "x", "max_value": 4})
                                                      for t in ("expect_column_values_to_be_between",)]))
    )  # fmt: skip
    assert {"success", "results", "statistics", "suite_name", "meta"} <= wire.keys()
    first = wire["results"][0]
    assert {"success", "expectation_config", "result", "exception_info", "meta"} <= first.keys()
    assert first["expectation_config"]["kwargs"] == {"column": "x", "max_value": 4}
    assert first["result"]["partial_unexpected_list"] == [5.0]
    assert first["result"]["partial_unexpected_index_list"] == [4]
    assert first["result"]["unexpected_percent"] == pytest.approx(20)


def test_it_streams_from_parquet_and_names_a_broken_file(tmp_path: Path) -> None:
    file = tmp_path / "table.parquet"
    FRAME.write_parquet(file)
    assert not ask("column_values_to_be_unique", pl.scan_parquet(file), column="id").success
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(InvalidData, match="cannot be read"):
        ask("column_to_exist", pl.scan_parquet(file), column="id")


def months(seed: int, n: int = 4000) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "flight": [f"F{seed}-{i}" for i in range(n)],
            "distance": rng.gamma(2, 500, n),
            "delay": pl.Series(rng.normal(0, 10, n)).set(pl.Series(rng.random(n) < 0.02), None),
            "carrier": rng.choice(["UA", "AA", "DL"], n),
            "seats": rng.integers(50, 60, n),
            "diverted": rng.random(n) < 0.1,
        }
    )


def test_a_proposed_suite_holds_on_its_kind_and_not_on_a_corrupted_month() -> None:
    suite = write_suite(build_profile(months(0)))
    assert parse_suite(suite.to_json()) == suite
    for seed in range(1, 12):
        assert validate(months(seed), suite).success, validate(months(seed), suite).summary()
    corrupted = months(20).with_columns(pl.col("distance") * 1000)
    assert not validate(corrupted, suite).success
    assert not validate(months(21).with_columns(pl.col("distance") / 1000), suite).success
    nulls = months(22).with_columns(delay=pl.when(pl.int_range(pl.len()) % 3 > 0).then("delay"))
    failed = validate(nulls, suite)
    assert [each.expectation_config.kwargs["column"] for each in failed.failures] == ["delay"]
    assert not validate(months(23).drop("carrier"), suite).success
    assert validate(months(24).with_columns(carrier=pl.lit("ZZ")), suite).warnings


def test_a_suite_of_an_empty_profile() -> None:
    suite = write_suite(build_profile(pl.DataFrame(schema={"x": pl.Int64})))
    assert not validate(pl.DataFrame(schema={"x": pl.Int64}), suite).success


def test_damage_behind_a_whole_footer_is_the_table_s_and_not_an_expectation_s(tmp_path: Path) -> None:
    path = tmp_path / "damaged.parquet"
    pl.DataFrame({"x": np.random.default_rng(0).normal(size=5000)}).write_parquet(path)
    content = bytearray(path.read_bytes())
    content[4:2000] = bytes(1996)
    path.write_bytes(content)
    between = (
        b'{"expectations": [{"type": "expect_column_values_to_be_between", "kwargs": {"column": "x", "max_value": 9}}]}'
    )
    with pytest.raises(InvalidData, match="the table cannot be read"):
        validate(pl.scan_parquet(path), parse_suite(between))
