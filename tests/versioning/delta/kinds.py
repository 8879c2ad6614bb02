"""Rows with all kinds of values that a Delta table holds, and names that are hard on somebody."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import polars as pl

NAN = float("nan")
KINDS = pl.DataFrame(
    {
        "id": list(range(8)),
        "n": pl.Series([5, None, -128, 127, 5, 0, None, 1], dtype=pl.Int8),
        "x.y": [NAN, -1.0, 0.0, -0.0, None, 1e300, NAN, float("inf")],
        "f": pl.Series([0.1, NAN, -5.5, 0.1, None, 0.25, -5.5, NAN], dtype=pl.Float32),
        "m": pl.Series([Decimal(k) / 100 for k in (123, -124, 0, 999, 5, -5, 7, 8)], dtype=pl.Decimal(10, 2)),
        "s": ["a", "it's", "a/b c", None, "", "ü%", "x" * 60 + "a", "x" * 60 + "b"],
        "b": [True, False, None, True, False, None, True, True],
        "day": [date(1969, 12, 31), date(2026, 1, 1), None, date(1900, 1, 1), *[date(2020, 2, 29)] * 4],
        "t": ["1969-12-31T23:59:59.999999", None, *(f"2026-01-0{k}T12:00:00" for k in range(1, 7))],
    }
).with_columns(pl.col("t").str.to_datetime(time_unit="us"), li=pl.lit([1, 2]), st=pl.struct(a="id"))
KINDS = KINDS.with_columns(z=pl.col("t").dt.replace_time_zone("UTC"))

ODD = pl.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "a b": [1, None, 3, 4],
        "x.y": [1.5, NAN, -0.0, None],
        "ü\n\"'`,;{}=%": ["p", "q", None, "r"],
        "dec": pl.Series([Decimal("1.23"), Decimal("-99999999.99"), None, Decimal(0)], dtype=pl.Decimal(10, 2)),
        "t": ["1969-12-31T23:59:59.999999", "2026-01-01T00:00:00", "1600-01-01T00:00:00", None],
        "day": [date(1969, 12, 31), date(1, 1, 1), None, date(9999, 12, 31)],
        "bin": [b"\x00\xff", b"", None, b"x"],
        "st": [{"a": 1, "b c": {"d": "x"}}, None, {"a": None, "b c": None}, {"a": 2, "b c": {"d": None}}],
        "li": [[1, 2], [], None, [None]],
        "ls": [[{"k": "x", "v": 1}], [], None, [{"k": "y", "v": None}]],
        "i8": pl.Series([1, -128, None, 127], dtype=pl.Int8),
        "f32": pl.Series([0.1, None, 2.5, -1.0], dtype=pl.Float32),
        "b": [True, None, False, True],
    }
).with_columns(pl.col("t").str.to_datetime(time_unit="us"))
ODD = ODD.with_columns(z=pl.col("t").dt.replace_time_zone("UTC"))
