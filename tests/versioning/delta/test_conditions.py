"""Which rows a condition means, and what it refuses to mean."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from mainspring.versioning.delta.conditions import BadCondition, read_condition

NAN = float("nan")
ROWS = pl.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "small": pl.Series([1, -128, None, 127], dtype=pl.Int8),
        "x": [1.0, 2.5, NAN, None],
        "m": pl.Series([Decimal("1.23"), Decimal("1.24"), None, Decimal("-5.00")], dtype=pl.Decimal(10, 2)),
        "s": ["1", "it's", "50%", None],
        "b": [True, False, None, True],
        "date": [date(2020, 1, 1), date(1969, 12, 31), None, date(2021, 1, 1)],
        "t": ["2020-01-01T12:00:00", "1969-12-31T23:59:59.000005", None, "2021-01-01T00:00:00"],
        "a b": [1, 1, 2, 2],
        "x.y": ["p", "q", "p", "q"],
        'ü"\n': [0, 0, 0, 1],
        "li": [[1], [], None, [2]],
        "bin": [b"x", None, b"", b"y"],
        "u": [1, 3, 3, 3],
    },
    strict=False,
).with_columns(pl.col("t").str.to_datetime(time_unit="us"))
ROWS = ROWS.with_columns(z=pl.col("t").dt.replace_time_zone("UTC"))


def fitting(condition: str) -> list[int]:
    found = read_condition(condition, ROWS.schema, table="data/trips")
    return ROWS.filter(found.rows)["id"].to_list()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("id = 1", [1]),
        ("id == 2.0 or id=+3", [2, 3]),
        ("id != 1 AND id <> 2", [3, 4]),
        ("NOT id = 1 and not (id = 2 or id = 3)", [4]),
        ("id > 1 AND id >= 2 AND id < 4 AND id <= 3", [2, 3]),
        ("id = 1 OR id = 2 AND id = 3", [1]),
        ("(id = 1 OR id = 2) AND id = 2", [2]),
        ("id IN (1, 4) OR id NOT IN (1, 2, 4)", [1, 3, 4]),
        ("id BETWEEN 2 AND 3", [2, 3]),
        ("id NOT BETWEEN 2 AND 3", [1, 4]),
        ("small <= -1", [2]),
        ("small IS NULL", [3]),
        ("small IS NOT NULL", [1, 2, 4]),
        ("x > 1", [2]),
        ("NOT x > 1", [1]),
        ("x <> 1", [2]),
        ("x NOT IN (1)", [2]),
        ("x IS NAN", [3]),
        ("x IS NOT NAN", [1, 2]),
        ("m = 1.23", [1]),
        ("m > 1.2 AND m <= 1.240", [1, 2]),
        ("s = '1'", [1]),
        ("s = 'it''s'", [2]),
        ("s LIKE '%''%'", [2]),
        (r"s LIKE '__\%'", [3]),
        ("s NOT LIKE '_'", [2, 3]),
        ("b", [1, 4]),
        ("not b", [2]),
        ("b = false", [2]),
        ("date < '1970-01-01'", [2]),
        ("date = DATE '2020-01-01'", [1]),
        ("t = TIMESTAMP '2020-01-01 12:00:00'", [1]),
        ("t <= '1969-12-31T23:59:59.000005'", [2]),
        ("t > '2020-01-01T12:00'", [4]),
        ("z = '2020-01-01 14:00:00+02:00'", [1]),
        ("z = '2020-01-01T12:00:00Z'", [1]),
        ("z < '2020-01-02'", [1, 2]),
        ('"a b" = 2', [3, 4]),
        ("`a b` = 1 AND `x.y` = 'q'", [2]),
        ('"ü""\n" = 1', [4]),
        ("id = u", [1, 3]),
        ("id < u", [2]),
        ("bin IS NULL", [2]),
    ],
)
def test_what_fits(condition: str, expected: list[int]) -> None:
    assert fitting(condition) == expected


def test_the_columns_that_are_named() -> None:
    assert read_condition("id = 1 or b and id = u", ROWS.schema, table="t").columns == ("id", "b", "u")


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("", r"character 1 \(its end\): a column is missing"),
        ("id", "a comparison is missing after 'id'"),
        ("id =", "its end.*a value is missing"),
        ("id = 1 garbage", "'garbage' is too much"),
        ("id > 2 adn id < 4", r"character 8 \(adn id < 4\): 'adn' is too much"),
        ("id = 1; drop table t", "character 7"),
        ("id = 1 -- x", "character 8"),
        ("id>2) or (id<2", r"'\)' is too much"),
        ("(id = 1", r"\) is missing"),
        ("id NOT 1", "IN, LIKE or BETWEEN is missing"),
        ("id IN ()", "a value is missing"),
        ("id BETWEEN 1", "AND is missing"),
        ("1 = id", "a column is missing"),
        ("true", "a column is missing"),
        ("'a' = s", "texts in single quotes"),
        ("sum(id) > 1", "no column 'sum'"),
        ("Id = 1", "no column 'Id'"),
        ("x.y = 'p'", "character 2"),
        ("id = 1.5", "'id' of data/trips is Int64, and 1.5 is not"),
        ("small = 128", "and 128 is not: no row can have it"),
        ("id = '1'", "is no number"),
        ("s = 1", "stands in no quotes"),
        ('s = "p"', "no column 'p'"),
        ("m = 1.235", "is not: no row can have it"),
        ("m = 123456789", "is not: no row can have it"),
        ("x = 1e999", "too large"),
        ("b = 1", "neither TRUE nor FALSE"),
        ("id = null", "nothing equals null"),
        ("date = '2020-01-01 10:00'", "no moment in single quotes"),
        ("date = '2020-02-30'", "the calendar does not have it"),
        ("t = '2020-01-01T00:00:00Z'", "has no time zone"),
        ("t = '2020-01-01T00:00:00.1234567'", "no moment"),
        ("date = 2020", "no moment"),
        ("li IS NULL", "only columns of single values"),
        ("bin = 'x'", "can only be asked for IS NULL"),
        ("id = x", "'id' is Int64, and 'x' Float64"),
        ("id LIKE '1'", "LIKE is for text"),
        ("id IS NAN", "which has no NaN"),
        ("(" * 200 + "id = 1" + ")" * 200, "nested more than 100 deep"),
    ],
)
def test_what_is_refused(condition: str, said: str) -> None:
    with pytest.raises(BadCondition, match=said) as refused:
        fitting(condition)
    assert refused.value.hint


def test_a_long_list() -> None:
    assert fitting(f"id IN ({', '.join(map(str, range(2, 20_000)))})") == [2, 3, 4]


def test_a_moment_without_a_zone_is_utc() -> None:
    rows = pl.DataFrame({"at": [datetime(2026, 1, 1, tzinfo=UTC)]})
    found = read_condition("at = '2026-01-01'", rows.schema, table="t")
    assert rows.filter(found.rows).height == 1
