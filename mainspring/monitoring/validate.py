"""Validation: a suite compiled to one polars select, streamed over the table once."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mainspring.base.errors import InvalidData
from mainspring.monitoring.expectations.plan import Outcome, Plan, Unfit
from mainspring.monitoring.expectations.registry import definition
from mainspring.monitoring.suite import Expectation, Suite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EXAMPLES = 20
_ROW = "__row"


class ExceptionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Why an expectation could not be judged at all, in Great Expectations' words."""

    raised_exception: bool = False
    exception_message: str | None = None
    exception_traceback: str | None = None


class ExpectationResult(msgspec.Struct, frozen=True, kw_only=True):
    """One expectation's answer; ``reason`` says in a sentence why it failed."""

    success: bool
    expectation_config: Expectation
    result: dict[str, Any]
    reason: str | None = None
    exception_info: ExceptionInfo = ExceptionInfo()
    meta: dict[str, Any] = {}


class ValidationResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for a table of ``n`` rows: it fails when a critical expectation does."""

    success: bool
    suite_name: str
    n: int
    results: list[ExpectationResult]
    statistics: dict[str, float | int | None]
    meta: dict[str, Any] = {}

    @property
    def failures(self) -> list[ExpectationResult]:
        """The critical expectations that failed."""
        return [r for r in self.results if not r.success and r.expectation_config.severity == "critical"]

    @property
    def warnings(self) -> list[ExpectationResult]:
        """The other expectations that failed."""
        return [r for r in self.results if not r.success and r.expectation_config.severity != "critical"]

    def summary(self) -> str:
        """Say in one line what the answer is."""
        if self.success:
            return f"all {len(self.results)} expectations hold on {self.n} rows ({len(self.warnings)} warnings)"
        shown = "; ".join(f"{r.expectation_config.title}: {r.reason}" for r in self.failures[:3])
        more = f"; and {len(self.failures) - 3} more" if len(self.failures) > 3 else ""
        return f"{len(self.failures)} of {len(self.results)} expectations fail on {self.n} rows: {shown}{more}"


def validate(table: pl.DataFrame | pl.LazyFrame, suite: Suite) -> ValidationResult:
    """Hold a table against a suite. Read-only; one pass, and a second one for examples of what failed.

    Nulls (and NaN) are ignored by expectations of values, as in Great Expectations. A missing column or a wrong type fails
    the expectations of that column with a reason, and no other.

    Raises:
        InvalidData: the table cannot be read, or the suite holds an unknown expectation.

    >>> suite = Suite(name="s", expectations=[
    ...     Expectation(type="expect_column_values_to_be_between", kwargs={"column": "x", "min_value": 0})])
    >>> result = validate(pl.DataFrame({"x": [1, 2, -3]}), suite)
    >>> result.success, result.results[0].result["partial_unexpected_list"]
    (False, [-3])
    """
    lazy = table.lazy()
    schema = _schema(lazy)
    plans = [_plan(expectation, schema) for expectation in suite.expectations]
    outcomes, rows = _judge(lazy, plans)
    examples = _examples(lazy, plans, outcomes)
    results = [
        _result(expectation, outcome, examples.get(place, {}), failed=isinstance(plan, str))
        for place, (expectation, plan, outcome) in enumerate(zip(suite.expectations, plans, outcomes, strict=True))
    ]
    return conclude(suite.name, rows, results)


def conclude(name: str, rows: int, results: list[ExpectationResult]) -> ValidationResult:
    """Sum up the results of single expectations."""
    held = sum(result.success for result in results)
    critical = [r.success for r in results if r.expectation_config.severity == "critical"]
    return ValidationResult(
        success=all(critical),
        suite_name=name,
        n=rows,
        results=results,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": held,
            "unsuccessful_expectations": len(results) - held,
            "success_percent": 100 * held / len(results) if results else None,
        },
    )


def _schema(lazy: pl.LazyFrame) -> pl.Schema:
    try:
        return lazy.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> InvalidData:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InvalidData(f"the table cannot be read: {said}", hint="check that its files are whole and of one schema")


def _plan(expectation: Expectation, schema: pl.Schema) -> Plan | str:
    """Return the plan, or why there can be none on such a table."""
    try:
        return definition(expectation.type).build(expectation.kwargs, schema)
    except Unfit as error:
        return error.message


def _judge(lazy: pl.LazyFrame, plans: Sequence[Plan | str]) -> tuple[list[Outcome], int]:
    selected = [pl.len().alias(_ROW)]
    for place, plan in enumerate(plans):
        if isinstance(plan, Plan):
            selected += [expression.alias(f"{place}.{key}") for key, expression in plan.aggregates.items()]
    try:
        found = lazy.select(selected).collect(engine="streaming").row(0, named=True)
    except OSError as error:
        raise _unreadable(error) from error
    except pl.exceptions.PolarsError as error:
        return _one_by_one(lazy, plans, error)
    rows = int(found[_ROW])
    return [_outcome(plan, place, found, rows) for place, plan in enumerate(plans)], rows


def _one_by_one(
    lazy: pl.LazyFrame, plans: Sequence[Plan | str], error: pl.exceptions.PolarsError
) -> tuple[list[Outcome], int]:
    """Find out which expectation cannot be computed; when none of them can, the table cannot be read."""
    try:
        rows = int(lazy.select(pl.len()).collect(engine="streaming").item())
        lazy.select(pl.all().null_count()).collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError):
        raise _unreadable(error) from error
    outcomes = []
    for place, plan in enumerate(plans):
        try:
            selected = (
                [e.alias(f"{place}.{key}") for key, e in plan.aggregates.items()] if isinstance(plan, Plan) else []
            )
            found = lazy.select(selected).collect(engine="streaming").row(0, named=True) if selected else {}
            outcomes.append(_outcome(plan, place, found, rows))
        except pl.exceptions.PolarsError as failed:
            outcomes.append(Outcome(success=False, result={}, reason=str(failed).splitlines()[0]))
    return outcomes, rows


def _outcome(plan: Plan | str, place: int, found: Mapping[str, Any], rows: int) -> Outcome:
    if isinstance(plan, str):
        return Outcome(success=False, result={}, reason=plan)
    return plan.judge({key: found[f"{place}.{key}"] for key in plan.aggregates}, rows)


def _examples(
    lazy: pl.LazyFrame, plans: Sequence[Plan | str], outcomes: Sequence[Outcome]
) -> dict[int, dict[str, Any]]:
    failed = [
        (place, plan, plan.unexpected)
        for place, (plan, outcome) in enumerate(zip(plans, outcomes, strict=True))
        if isinstance(plan, Plan) and plan.unexpected is not None and outcome.result and not outcome.success
    ]
    queries = [
        lazy.select(*plan.shown, unexpected.alias("__unexpected"))
        .with_row_index(_ROW)
        .filter("__unexpected")
        .head(_EXAMPLES)
        for _, plan, unexpected in failed
    ]
    frames = pl.collect_all(queries)
    return {place: _shown(plan, frame) for (place, plan, _), frame in zip(failed, frames, strict=True)}


def _shown(plan: Plan, frame: pl.DataFrame) -> dict[str, Any]:
    if len(plan.shown) == 1:
        values = [_plain(value) for value in frame[plan.shown[0]].to_list()]
    else:
        values = [{key: _plain(value) for key, value in row.items()} for row in frame.select(plan.shown).to_dicts()]
    return {"partial_unexpected_list": values, "partial_unexpected_index_list": frame[_ROW].to_list()}


def _result(
    expectation: Expectation, outcome: Outcome, examples: Mapping[str, Any], *, failed: bool
) -> ExpectationResult:
    info = ExceptionInfo(raised_exception=True, exception_message=outcome.reason) if failed else ExceptionInfo()
    return ExpectationResult(
        success=outcome.success,
        expectation_config=expectation,
        result={key: _plain(value) for key, value in (outcome.result | dict(examples)).items()},
        reason=outcome.reason,
        exception_info=info,
    )


def _plain(value: Any) -> Any:
    """Return a value as JSON can say it: moments in ISO 8601, what is not finite as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) if isinstance(value, Decimal) else str(value)
