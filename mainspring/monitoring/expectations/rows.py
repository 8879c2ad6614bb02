"""Expectations of every value of one column. Nulls are no values: they are counted as missing and judged by nobody."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from mainspring.base.errors import InvalidData
from mainspring.monitoring.expectations.columns import column, dtype_of, literal, literals, type_test
from mainspring.monitoring.expectations.plan import (
    Arguments,
    Definition,
    Outcome,
    Plan,
    Unfit,
    by_rows,
    has_bound,
    has_set,
    mostly_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _over(arguments: Arguments, values: pl.Expr, unexpected: pl.Expr) -> Plan:
    mask = values.is_not_null() & unexpected
    return Plan(
        aggregates={"missing": values.null_count(), "unexpected": mask.sum()},
        judge=partial(by_rows, mostly=mostly_of(arguments)),
        unexpected=mask,
        shown=(arguments["column"],),
    )


def _not_null(arguments: Arguments, schema: pl.Schema) -> Plan:
    mask = column(arguments["column"], schema).is_null()
    return _nulls(arguments, mask)


def _null(arguments: Arguments, schema: pl.Schema) -> Plan:
    mask = column(arguments["column"], schema).is_not_null()
    return _nulls(arguments, mask)


def _nulls(arguments: Arguments, mask: pl.Expr) -> Plan:
    def judge(found: Mapping[str, Any], rows: int) -> Outcome:
        return by_rows({"missing": 0, "unexpected": found["unexpected"]}, rows, mostly_of(arguments))

    return Plan(aggregates={"unexpected": mask.sum()}, judge=judge, unexpected=mask, shown=(arguments["column"],))


def _unique(arguments: Arguments, schema: pl.Schema) -> Plan:
    values = column(arguments["column"], schema)
    return _over(arguments, values, values.is_duplicated())


def _between(arguments: Arguments, schema: pl.Schema) -> Plan:
    name = arguments["column"]
    dtype, values = dtype_of(name, schema), column(name, schema)
    low, high = (literal(arguments.get(key), name, dtype) for key in ("min_value", "max_value"))
    return _over(arguments, values, _outside(values, low, high, arguments))


def _outside(values: pl.Expr, low: Any, high: Any, arguments: Arguments) -> pl.Expr:
    mask = pl.lit(False)
    if low is not None:
        mask = mask | (values <= low if arguments.get("strict_min") else values < low)
    if high is not None:
        mask = mask | (values >= high if arguments.get("strict_max") else values > high)
    return mask


def _in_set(arguments: Arguments, schema: pl.Schema, *, wanted: bool) -> Plan:
    name = arguments["column"]
    values = column(name, schema)
    held = values.is_in(literals(arguments["value_set"], name, schema))
    return _over(arguments, values, ~held if wanted else held)


def _regex(arguments: Arguments, schema: pl.Schema, *, wanted: bool) -> Plan:
    values = _text(arguments["column"], schema)
    matched = values.str.contains(arguments["regex"])
    return _over(arguments, values, ~matched if wanted else matched)


def _text(name: str, schema: pl.Schema) -> pl.Expr:
    dtype = dtype_of(name, schema)
    if dtype not in (pl.String, pl.Categorical, pl.Enum):
        raise Unfit(f"column '{name}' is {dtype}, and this needs text", column=name, dtype=str(dtype))
    return column(name, schema)


def _is_regex(arguments: Arguments) -> None:
    try:
        pl.Series(["text"]).str.contains(arguments["regex"])
    except (pl.exceptions.PolarsError, TypeError):
        raise InvalidData(
            f"'{arguments['regex']}' is not a regular expression that can be run on columns",
            hint="look-around and back-references are not supported (syntax of Rust's regex)",
        ) from None


def _lengths(arguments: Arguments, schema: pl.Schema) -> Plan:
    values = _text(arguments["column"], schema)
    lengths = values.str.len_chars()
    return _over(
        arguments, values, _outside(lengths, arguments.get("min_value"), arguments.get("max_value"), arguments)
    )


def _length(arguments: Arguments, schema: pl.Schema) -> Plan:
    values = _text(arguments["column"], schema)
    return _over(arguments, values, values.str.len_chars() != arguments["value"])


def _ordered(arguments: Arguments, schema: pl.Schema, *, sign: int) -> Plan:
    name = arguments["column"]
    values = column(name, schema)
    before = values.forward_fill().shift(1)
    if arguments.get("strictly"):
        wrong = values <= before if sign > 0 else values >= before
    else:
        wrong = values < before if sign > 0 else values > before
    return _over(arguments, values, wrong.fill_null(False))


def _of_type(arguments: Arguments, schema: pl.Schema) -> Plan:
    names = arguments.get("type_list") or [arguments["type_"]]
    dtype = dtype_of(arguments["column"], schema)
    success = any(type_test(name)(dtype) for name in names)
    reason = None if success else f"column '{arguments['column']}' is {dtype}, not {' or '.join(names)}"
    outcome = Outcome(success=success, result={"observed_value": str(dtype)}, reason=reason)
    return Plan(judge=lambda _found, _rows: outcome)


def _is_type(arguments: Arguments) -> None:
    names = arguments["type_list"] if "type_list" in arguments else [arguments["type_"]]
    if not isinstance(names, list) or not names:
        raise InvalidData("its type_list must be a list of types", hint='write it like ["int64", "float64"]')
    for name in names:
        type_test(name)


def _values(
    build: Callable[..., Plan],
    *optional: str,
    required: tuple[str, ...] = (),
    check: Callable[[Arguments], None] | None = None,
    **fixed: Any,
) -> Definition:
    return Definition(
        build=partial(build, **fixed) if fixed else build,
        required=("column", *required),
        optional=("mostly", *optional),
        check=check,
    )


_RANGE = ("min_value", "max_value", "strict_min", "strict_max")
_SET: dict[str, Any] = {"required": ("value_set",), "check": has_set}
_REGEX: dict[str, Any] = {"required": ("regex",), "check": _is_regex}

DEFINITIONS: dict[str, Definition] = {
    "expect_column_values_to_not_be_null": _values(_not_null),
    "expect_column_values_to_be_null": _values(_null),
    "expect_column_values_to_be_unique": _values(_unique),
    "expect_column_values_to_be_between": _values(_between, *_RANGE, check=has_bound),
    "expect_column_values_to_be_in_set": _values(_in_set, wanted=True, **_SET),
    "expect_column_values_to_not_be_in_set": _values(_in_set, wanted=False, **_SET),
    "expect_column_values_to_match_regex": _values(_regex, wanted=True, **_REGEX),
    "expect_column_values_to_not_match_regex": _values(_regex, wanted=False, **_REGEX),
    "expect_column_value_lengths_to_be_between": _values(_lengths, *_RANGE, check=has_bound),
    "expect_column_value_lengths_to_equal": _values(_length, required=("value",)),
    "expect_column_values_to_be_increasing": _values(_ordered, "strictly", sign=1),
    "expect_column_values_to_be_decreasing": _values(_ordered, "strictly", sign=-1),
    "expect_column_values_to_be_of_type": _values(_of_type, required=("type_",), check=_is_type),
    "expect_column_values_to_be_in_type_list": _values(_of_type, required=("type_list",), check=_is_type),
}
"""Every expectation of this kind by its type."""
