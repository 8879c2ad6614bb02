"""A suite proposed from a profile: a start to be read and edited, not a truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mainspring.monitoring.suite import Expectation, Severity, Suite

if TYPE_CHECKING:
    from mainspring.monitoring.profile import ColumnProfile, Profile

_MOST_CATEGORIES = 50
_KEY_ROWS = 100


def write_suite(profile: Profile, *, name: str = "proposed") -> Suite:
    """Propose expectations that the profiled table meets, with room for other tables of its kind.

    The columns are there; nulls stay about as rare as they were; a number's median stays between its 5% and 95% quantiles
    (a wrong unit moves it out) and nearly all values within twice the range around its middle; a category keeps to the
    values that were seen (a warning); whole numbers or text that never repeated stay unique (a warning).
    """
    expectations = [_make("expect_table_row_count_to_be_between", min_value=1)]
    if profile.columns:
        names = [column.name for column in profile.columns]
        expectations.append(_make("expect_table_columns_to_match_set", column_set=names, exact_match=False))
    for column in profile.columns:
        expectations += _of_column(column)
    return Suite(name=name, expectations=expectations, meta={"proposed_from_rows": profile.rows})


def _make(type_: str, severity: Severity = "critical", **arguments: Any) -> Expectation:
    return Expectation(type=type_, kwargs=arguments, severity=severity)


def _of_column(column: ColumnProfile) -> list[Expectation]:
    proposed = []
    if column.count:
        proposed.append(_make("expect_column_values_to_not_be_null", column=column.name, mostly=_mostly_there(column)))
    if column.kind == "number" and column.quantiles:
        proposed += _of_number(column)
    if column.kind == "category" and column.complete and 0 < len(column.categories) <= _MOST_CATEGORIES:
        values: list[Any] = list(column.categories)
        if column.dtype == "Boolean":
            values = [value == "true" for value in values]
        proposed.append(
            _make("expect_column_values_to_be_in_set", "warning", column=column.name, value_set=values, mostly=0.99)
        )
    never_repeated = column.distinct == column.count and column.count >= _KEY_ROWS
    if never_repeated and (column.integer or column.kind == "category"):
        proposed.append(_make("expect_column_values_to_be_unique", "warning", column=column.name))
    return proposed


def _of_number(column: ColumnProfile) -> list[Expectation]:
    assert isinstance(column.min, float | int)
    assert isinstance(column.max, float | int)
    margin = (column.max - column.min) / 2 or abs(column.max) or 1.0
    low, high = column.min - margin, column.max + margin
    if column.min >= 0:
        low = 0.0
    between = _make(
        "expect_column_values_to_be_between", column=column.name, min_value=low, max_value=high, mostly=0.999
    )
    edges = column.quantiles
    median = _make(
        "expect_column_median_to_be_between", column=column.name, min_value=edges["0.05"], max_value=edges["0.95"]
    )
    return [between, median]


def _mostly_there(column: ColumnProfile) -> float:
    """Return a share of values that twice the nulls, and five in a thousand, still meet; all null allows anything."""
    share = column.nulls / column.count
    return max(0.0, math.floor((1 - min(1.0, 2 * share + 0.005)) * 1000) / 1000)
