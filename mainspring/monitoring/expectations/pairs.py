"""Expectations of several columns of one row."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from mainspring.base.errors import InvalidData
from mainspring.monitoring.expectations.columns import column, dtype_of
from mainspring.monitoring.expectations.plan import Arguments, Definition, Plan, Unfit, by_rows, mostly_of

if TYPE_CHECKING:
    from collections.abc import Callable

_IGNORED_PAIRS = ("both_values_are_missing", "either_value_is_missing", "neither", "never")
_IGNORED_ROWS = ("all_values_are_missing", "any_value_is_missing", "never")


def _over(arguments: Arguments, names: tuple[str, ...], ignored: pl.Expr, unexpected: pl.Expr) -> Plan:
    mask = ~ignored & unexpected
    return Plan(
        aggregates={"missing": ignored.sum(), "unexpected": mask.sum()},
        judge=partial(by_rows, mostly=mostly_of(arguments)),
        unexpected=mask,
        shown=names,
    )


def _pair(arguments: Arguments, schema: pl.Schema, *, holds: Callable[[pl.Expr, pl.Expr, Arguments], pl.Expr]) -> Plan:
    names = (arguments["column_A"], arguments["column_B"])
    first, second = (column(name, schema) for name in names)
    kinds = [_kind(dtype_of(name, schema)) for name in names]
    if kinds[0] != kinds[1]:
        raise Unfit(
            f"columns '{names[0]}' ({kinds[0]}) and '{names[1]}' ({kinds[1]}) cannot be compared", columns=names
        )
    held = holds(first, second, arguments).fill_null(False)
    return _over(arguments, names, _ignored_pair(arguments, first, second), ~held)


def _ignored_pair(arguments: Arguments, first: pl.Expr, second: pl.Expr) -> pl.Expr:
    how = arguments.get("ignore_row_if") or "both_values_are_missing"
    if how == "both_values_are_missing":
        return first.is_null() & second.is_null()
    if how == "either_value_is_missing":
        return first.is_null() | second.is_null()
    return first.is_null() & pl.lit(False)


def _kind(dtype: pl.DataType) -> str:
    if dtype.is_numeric():
        return "number"
    return "text" if dtype in (pl.String, pl.Categorical, pl.Enum) else str(dtype.base_type())


def _greater(first: pl.Expr, second: pl.Expr, arguments: Arguments) -> pl.Expr:
    return first >= second if arguments.get("or_equal") else first > second


def _equal(first: pl.Expr, second: pl.Expr, _arguments: Arguments) -> pl.Expr:
    return first == second


def _compound(arguments: Arguments, schema: pl.Schema) -> Plan:
    names = tuple(arguments["column_list"])
    values = [column(name, schema) for name in names]
    nulls = [value.is_null() for value in values]
    how = arguments.get("ignore_row_if") or "all_values_are_missing"
    combine = {"all_values_are_missing": pl.all_horizontal, "any_value_is_missing": pl.any_horizontal}.get(how)
    ignored = combine(nulls) if combine else nulls[0] & pl.lit(False)
    return _over(arguments, names, ignored, pl.struct(values).is_duplicated())


def _knows_ignored(arguments: Arguments, *, known: tuple[str, ...]) -> None:
    how: Any = arguments.get("ignore_row_if")
    if how is not None and how not in known:
        raise InvalidData(f"its ignore_row_if cannot be {how!r}", hint=f"use one of {', '.join(known)}")
    names = arguments.get("column_list")
    if names is not None and (not isinstance(names, list) or not names):
        raise InvalidData("its column_list must name columns", hint='write it like ["a", "b"]')


_PAIR_CHECK = partial(_knows_ignored, known=_IGNORED_PAIRS)

DEFINITIONS: dict[str, Definition] = {
    "expect_column_pair_values_a_to_be_greater_than_b": Definition(
        build=partial(_pair, holds=_greater),
        required=("column_A", "column_B"),
        optional=("or_equal", "ignore_row_if", "mostly"),
        check=_PAIR_CHECK,
    ),
    "expect_column_pair_values_to_be_equal": Definition(
        build=partial(_pair, holds=_equal),
        required=("column_A", "column_B"),
        optional=("ignore_row_if", "mostly"),
        check=_PAIR_CHECK,
    ),
    "expect_compound_columns_to_be_unique": Definition(
        build=_compound,
        required=("column_list",),
        optional=("ignore_row_if", "mostly"),
        check=partial(_knows_ignored, known=_IGNORED_ROWS),
    ),
}
"""Every expectation of this kind by its type."""
