"""Expectations of the table: its columns and the number of its rows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import InvalidData
from mainspring.monitoring.expectations.columns import dtype_of
from mainspring.monitoring.expectations.plan import (
    Arguments,
    Definition,
    Outcome,
    Plan,
    between_words,
    has_bound,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl


def _known(outcome: Outcome) -> Plan:
    return Plan(judge=lambda _found, _rows: outcome)


def _column(arguments: Arguments, schema: pl.Schema) -> Plan:
    name = arguments["column"]
    dtype_of(name, schema)
    place, wanted = schema.names().index(name), arguments.get("column_index")
    success = wanted is None or place == wanted
    reason = None if success else f"column '{name}' is at place {place}, not {wanted}"
    return _known(Outcome(success=success, result={"observed_value": place}, reason=reason))


def _set(arguments: Arguments, schema: pl.Schema) -> Plan:
    wanted = set(arguments["column_set"])
    found = set(schema.names())
    missing = sorted(wanted - found)
    unexpected = sorted(found - wanted) if arguments.get("exact_match", True) in (True, None) else []
    return _known(_names(schema, missing, unexpected, []))


def _ordered(arguments: Arguments, schema: pl.Schema) -> Plan:
    wanted, found = list(arguments["column_list"]), schema.names()
    missing = [name for name in wanted if name not in found]
    unexpected = [name for name in found if name not in wanted]
    moved = [] if missing or unexpected else [a for a, b in zip(wanted, found, strict=False) if a != b]
    return _known(_names(schema, missing, unexpected, moved))


def _names(schema: pl.Schema, missing: list[str], unexpected: list[str], moved: list[str]) -> Outcome:
    wrong = [
        f"{words}: {', '.join(names)}"
        for words, names in (("missing", missing), ("unexpected", unexpected), ("in another order", moved))
        if names
    ]
    result = {
        "observed_value": schema.names(),
        "details": {"mismatched": {"missing": missing, "unexpected": unexpected, "moved": moved}},
    }
    return Outcome(success=not wrong, result=result, reason="; ".join(wrong) or None)


def _rows(arguments: Arguments, _schema: pl.Schema) -> Plan:
    def judge(_found: Mapping[str, Any], rows: int) -> Outcome:
        return _count("rows", rows, arguments)

    return Plan(judge=judge)


def _columns(arguments: Arguments, schema: pl.Schema) -> Plan:
    return _known(_count("columns", len(schema), arguments))


def _count(what: str, observed: int, arguments: Arguments) -> Outcome:
    if "value" in arguments:
        success, words = observed == arguments["value"], str(arguments["value"])
    else:
        success = within(observed, arguments.get("min_value"), arguments.get("max_value"), arguments)
        words = between_words(arguments)
    reason = None if success else f"there are {observed} {what}, not {words}"
    return Outcome(success=success, result={"observed_value": observed}, reason=reason)


def _is_list(arguments: Arguments, *, key: str) -> None:
    if not isinstance(arguments[key], list):
        raise InvalidData(f"its {key} must be a list of columns", hint='write it like ["a", "b"]')


_RANGE = ("min_value", "max_value", "strict_min", "strict_max")

DEFINITIONS: dict[str, Definition] = {
    "expect_column_to_exist": Definition(build=_column, optional=("column_index",)),
    "expect_table_columns_to_match_set": Definition(
        build=_set, required=("column_set",), optional=("exact_match",), check=partial(_is_list, key="column_set")
    ),
    "expect_table_columns_to_match_ordered_list": Definition(
        build=_ordered, required=("column_list",), check=partial(_is_list, key="column_list")
    ),
    "expect_table_row_count_to_be_between": Definition(build=_rows, required=(), optional=_RANGE, check=has_bound),
    "expect_table_row_count_to_equal": Definition(build=_rows, required=("value",)),
    "expect_table_column_count_to_be_between": Definition(
        build=_columns, required=(), optional=_RANGE, check=has_bound
    ),
    "expect_table_column_count_to_equal": Definition(build=_columns, required=("value",)),
}
"""Every expectation of this kind by its type."""
