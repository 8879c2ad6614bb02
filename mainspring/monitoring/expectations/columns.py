"""A column as an expression, and values of a suite in the type of that column."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from mainspring.base.errors import InvalidData, did_you_mean
from mainspring.monitoring.expectations.plan import Unfit

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXT = (pl.String, pl.Categorical, pl.Enum)

_WORDS: dict[str, Callable[[pl.DataType], bool]] = {
    "int": lambda t: t.is_integer(),
    "integer": lambda t: t.is_integer(),
    "integertype": lambda t: t in (pl.Int32, pl.Int16, pl.Int8),
    "longtype": lambda t: t == pl.Int64,
    "bigint": lambda t: t == pl.Int64,
    "number": lambda t: t.is_numeric(),
    "float": lambda t: t.is_float(),
    "double": lambda t: t == pl.Float64,
    "doubletype": lambda t: t == pl.Float64,
    "floattype": lambda t: t == pl.Float32,
    "str": lambda t: t in _TEXT,
    "string": lambda t: t in _TEXT,
    "object": lambda t: t in _TEXT,
    "varchar": lambda t: t in _TEXT,
    "text": lambda t: t in _TEXT,
    "stringtype": lambda t: t in _TEXT,
    "category": lambda t: t in (pl.Categorical, pl.Enum),
    "categorical": lambda t: t in (pl.Categorical, pl.Enum),
    "bool": lambda t: t == pl.Boolean,
    "boolean": lambda t: t == pl.Boolean,
    "booleantype": lambda t: t == pl.Boolean,
    "date": lambda t: t == pl.Date,
    "datetype": lambda t: t == pl.Date,
    "datetime": lambda t: t == pl.Datetime,
    "datetime64": lambda t: t == pl.Datetime,
    "datetime64[ns]": lambda t: t == pl.Datetime,
    "timestamp": lambda t: t == pl.Datetime,
    "timestamptype": lambda t: t == pl.Datetime,
    "decimal": lambda t: t == pl.Decimal,
    "list": lambda t: t == pl.List,
} | {
    name: (lambda t, wanted=wanted: t == wanted)
    for name, wanted in {
        "int8": pl.Int8,
        "int16": pl.Int16,
        "int32": pl.Int32,
        "int64": pl.Int64,
        "uint8": pl.UInt8,
        "uint16": pl.UInt16,
        "uint32": pl.UInt32,
        "uint64": pl.UInt64,
        "float32": pl.Float32,
        "float64": pl.Float64,
    }.items()
}


def type_test(name: str) -> Callable[[pl.DataType], bool]:
    """Return the test for a type's name, as pandas, Spark, SQL or polars write it; case does not matter.

    Raises:
        InvalidData: an unknown name.
    """
    if not isinstance(name, str) or name.lower() not in _WORDS:
        hint = did_you_mean(str(name).lower(), _WORDS) or f"known types: {', '.join(sorted(_WORDS))}"
        raise InvalidData(f"there is no type '{name}'", hint=hint, type=name)
    return _WORDS[name.lower()]


def column(name: str, schema: pl.Schema) -> pl.Expr:
    """Return the column's values: NaN as null, categories as text.

    Raises:
        Unfit: there is no such column.
    """
    dtype = dtype_of(name, schema)
    values = pl.col(name)
    if dtype.is_float():
        return values.fill_nan(None)
    return values.cast(pl.String) if dtype in (pl.Categorical, pl.Enum) else values


def dtype_of(name: str, schema: pl.Schema) -> pl.DataType:
    """Return the type of a column; ``Unfit`` when there is none of that name."""
    if name not in schema:
        guess = did_you_mean(name, schema.names())
        raise Unfit(f"there is no column '{name}'" + (f"; {guess}" if guess else ""), column=name)
    return schema[name]


def numbers(name: str, schema: pl.Schema) -> pl.Expr:
    """Return a column to compute with; booleans count as 0 and 1. ``Unfit`` when it is not numeric."""
    dtype = dtype_of(name, schema)
    if dtype == pl.Boolean:
        return pl.col(name).cast(pl.Int64)
    if not dtype.is_numeric():
        raise Unfit(f"column '{name}' is {dtype}, and this needs numbers", column=name, dtype=str(dtype))
    return column(name, schema)


def literal(value: Any, name: str, dtype: pl.DataType) -> Any:
    """Return a suite's value as Python holds the column's: text becomes a date or moment where the column has those.

    Raises:
        Unfit: it cannot be compared with the column.
    """
    if value is None:
        return None
    fits = (
        (isinstance(value, bool) and dtype == pl.Boolean)
        or (isinstance(value, int | float) and not isinstance(value, bool) and dtype.is_numeric())
        or (isinstance(value, str) and dtype in _TEXT)
    )
    if fits:
        return value
    if isinstance(value, str) and dtype in (pl.Date, pl.Datetime):
        return _moment(value, name, dtype)
    raise Unfit(f"column '{name}' is {dtype}, which cannot be compared with {value!r}", column=name, dtype=str(dtype))


def _moment(text: str, name: str, dtype: pl.DataType) -> date | datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Unfit(f"column '{name}' is {dtype}, and '{text}' is not ISO 8601", column=name) from None
    if dtype == pl.Date:
        return moment.date()
    zoned = getattr(dtype, "time_zone", None) is not None
    if zoned and moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(tzinfo=None) if not zoned and moment.tzinfo else moment


def literals(values: list[Any], name: str, schema: pl.Schema) -> pl.Expr:
    """Return a suite's set as one list of the column's type; values that the type cannot hold are left out.

    Raises:
        Unfit: none of them can be in the column.
    """
    dtype = dtype_of(name, schema)
    if dtype in (pl.Categorical, pl.Enum):
        dtype = pl.String()
    kept: list[Any] = []
    for value in values:
        try:
            kept.append(literal(value, name, dtype))
        except Unfit:
            continue
    if dtype.is_integer():
        kept = [int(value) for value in kept if value is not None and float(value).is_integer()]
    held = pl.Series("value_set", kept, dtype=dtype, strict=False).drop_nulls()
    if held.is_empty():
        raise Unfit(f"column '{name}' is {dtype}, which can hold no value of the set", column=name, dtype=str(dtype))
    return pl.lit(held).implode()
