"""Expectations of one number about a column: its mean, a quantile, how many distinct values it has."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from mainspring.base.errors import InvalidData
from mainspring.monitoring.expectations.columns import column, dtype_of, literal, literals, numbers
from mainspring.monitoring.expectations.plan import (
    Arguments,
    Definition,
    Outcome,
    Plan,
    Unfit,
    between_words,
    has_bound,
    has_set,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SHOWN = 20


def _number(arguments: Arguments, schema: pl.Schema, *, what: str, of: Callable[[pl.Expr], pl.Expr]) -> Plan:
    observed = of(numbers(arguments["column"], schema))
    return _observed(arguments, what, observed, arguments.get("min_value"), arguments.get("max_value"))


def _extreme(arguments: Arguments, schema: pl.Schema, *, what: str, of: Callable[[pl.Expr], pl.Expr]) -> Plan:
    name = arguments["column"]
    dtype = dtype_of(name, schema)
    low, high = (literal(arguments.get(key), name, dtype) for key in ("min_value", "max_value"))
    return _observed(arguments, what, of(column(name, schema)), low, high)


def _distinct(arguments: Arguments, schema: pl.Schema, *, what: str, of: Callable[[pl.Expr], pl.Expr]) -> Plan:
    observed = of(column(arguments["column"], schema))
    return _observed(arguments, what, observed, arguments.get("min_value"), arguments.get("max_value"))


def _observed(arguments: Arguments, what: str, observed: pl.Expr, low: Any, high: Any) -> Plan:
    name = arguments["column"]
    for bound in (low, high):
        if isinstance(bound, str) and what not in ("smallest value", "largest value"):
            raise Unfit(f"the {what} of '{name}' cannot be compared with {bound!r}", column=name)

    def judge(found: Mapping[str, Any], rows: int) -> Outcome:
        value = found["observed"]
        result = {"observed_value": value, "element_count": rows}
        if value is None:
            return Outcome(success=False, result=result, reason=f"column '{name}' has no values to take the {what} of")
        success = within(value, low, high, arguments)
        reason = None if success else f"the {what} of '{name}' is {_short(value)}, not {between_words(arguments)}"
        return Outcome(success=success, result=result, reason=reason)

    return Plan(aggregates={"observed": observed}, judge=judge)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _quantiles(arguments: Arguments, schema: pl.Schema) -> Plan:
    values = numbers(arguments["column"], schema)
    ranges = arguments["quantile_ranges"]
    how: Any = arguments.get("allow_relative_error") or "nearest"
    aggregates = {f"q{i}": values.quantile(q, interpolation=how) for i, q in enumerate(ranges["quantiles"])}

    def judge(found: Mapping[str, Any], rows: int) -> Outcome:
        observed = [found[key] for key in aggregates]
        pairs = zip(observed, ranges["value_ranges"], strict=True)
        held = [value is not None and within(value, low, high, {}) for value, (low, high) in pairs]
        result = {
            "observed_value": {"quantiles": ranges["quantiles"], "values": observed},
            "element_count": rows,
            "details": {"success_details": held},
        }
        wrong = [str(q) for q, fine in zip(ranges["quantiles"], held, strict=True) if not fine]
        reason = f"outside their ranges are the quantiles {', '.join(wrong)}" if wrong else None
        return Outcome(success=not wrong, result=result, reason=reason)

    return Plan(aggregates=aggregates, judge=judge)


def _is_quantiles(arguments: Arguments) -> None:
    ranges = arguments["quantile_ranges"]
    hint = 'write it like {"quantiles": [0.1, 0.9], "value_ranges": [[0, 5], [50, null]]}'
    if not isinstance(ranges, dict) or not {"quantiles", "value_ranges"} <= ranges.keys():
        raise InvalidData("its quantile_ranges need quantiles and value_ranges", hint=hint)
    quantiles, bounds = ranges["quantiles"], ranges["value_ranges"]
    if len(quantiles) != len(bounds) or any(len(pair) != 2 for pair in bounds):
        raise InvalidData("its value_ranges must hold one [low, high] for each quantile", hint=hint)
    if any(not 0 <= q <= 1 for q in quantiles):
        raise InvalidData("its quantiles must lie between 0 and 1", hint=hint)
    if (how := arguments.get("allow_relative_error")) not in (
        None,
        False,
        "linear",
        "lower",
        "higher",
        "midpoint",
        "nearest",
    ):
        raise InvalidData(
            f"its allow_relative_error cannot be {how!r}", hint="use false, linear, lower, higher or nearest"
        )


def _distinct_set(arguments: Arguments, schema: pl.Schema, *, extra: bool, lacking: bool) -> Plan:
    """``extra`` refuses values outside the set, ``lacking`` demands every value of it."""
    name = arguments["column"]
    values = column(name, schema)
    wanted = literals(arguments["value_set"], name, schema)
    held = values.is_in(wanted)
    present = values.drop_nulls()
    aggregates = {
        "extra": present.filter(~held.drop_nulls()).n_unique(),
        "examples": present.filter(~held.drop_nulls()).unique().head(_SHOWN).implode(),
        "held": present.filter(held.drop_nulls()).unique().implode(),
    }
    size = len({str(value) for value in pl.select(wanted.explode()).to_series().to_list()})
    unholdable = len(set(map(str, arguments["value_set"]))) - size

    def judge(found: Mapping[str, Any], rows: int) -> Outcome:
        missing = size - len(found["held"]) + unholdable
        wrong = (
            [f"{found['extra']} values are not of the set, such as {found['examples'][:3]}"]
            if extra and found["extra"]
            else []
        )
        if lacking and missing:
            wrong.append(f"{missing} values of the set do not occur")
        result = {
            "observed_value": sorted([*found["held"], *found["examples"]], key=str)[:_SHOWN],
            "unexpected_values": found["examples"] if extra else [],
            "element_count": rows,
        }
        return Outcome(success=not wrong, result=result, reason="; ".join(wrong) or None)

    return Plan(aggregates=aggregates, judge=judge)


_RANGE = ("min_value", "max_value", "strict_min", "strict_max")


def _range(build: Callable[..., Plan], what: str, of: Callable[[pl.Expr], pl.Expr]) -> Definition:
    return Definition(build=partial(build, what=what, of=of), optional=_RANGE, check=has_bound)


def _set(*, extra: bool, lacking: bool) -> Definition:
    build = partial(_distinct_set, extra=extra, lacking=lacking)
    return Definition(build=build, required=("column", "value_set"), check=has_set)


def _unique_share(values: pl.Expr) -> pl.Expr:
    return pl.when(values.count() > 0).then(values.drop_nulls().n_unique() / values.count())


DEFINITIONS: dict[str, Definition] = {
    "expect_column_mean_to_be_between": _range(_number, "mean", lambda v: v.mean()),
    "expect_column_median_to_be_between": _range(_number, "median", lambda v: v.median()),
    "expect_column_stdev_to_be_between": _range(_number, "standard deviation", lambda v: v.std(ddof=1)),
    "expect_column_sum_to_be_between": _range(_number, "sum", lambda v: pl.when(v.count() > 0).then(v.sum())),
    "expect_column_min_to_be_between": _range(_extreme, "smallest value", lambda v: v.min()),
    "expect_column_max_to_be_between": _range(_extreme, "largest value", lambda v: v.max()),
    "expect_column_unique_value_count_to_be_between": _range(
        _distinct, "number of distinct values", lambda v: v.drop_nulls().n_unique()
    ),
    "expect_column_proportion_of_unique_values_to_be_between": _range(
        _distinct, "share of distinct values", _unique_share
    ),
    "expect_column_quantile_values_to_be_between": Definition(
        build=_quantiles,
        required=("column", "quantile_ranges"),
        optional=("allow_relative_error",),
        check=_is_quantiles,
    ),
    "expect_column_distinct_values_to_be_in_set": _set(extra=True, lacking=False),
    "expect_column_distinct_values_to_contain_set": _set(extra=False, lacking=True),
    "expect_column_distinct_values_to_equal_set": _set(extra=True, lacking=True),
}
"""Every expectation of this kind by its type."""
