"""A number of the business: the mean of an expression over predictions, labels and inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mainspring.base.errors import InvalidData
from mainspring.measures.clustered import clustered_mean
from mainspring.measures.clusters import too_few
from mainspring.measures.intervals import mean_interval
from mainspring.monitoring.monitors.clusters import clusters_of, named
from mainspring.monitoring.monitors.finding import Finding, beyond, numbers

if TYPE_CHECKING:
    from mainspring.base.settings.monitors import Business
    from mainspring.monitoring.monitors.watched import Watched


def business(monitor: Business, watched: Watched) -> Finding:
    """Take the mean with its t interval over the rows where the expression has a value, by cluster if told; fires beyond a bound.

    ``score`` and ``prediction`` are the model's answer, ``label`` the truth (null until it arrives, so that an expression with
    it is over labelled rows); labels and predictions of classes are their place in the model's order. Inputs go by their
    names; one that is named like these three is hidden by them.

    Raises:
        InvalidData: the expression is no SQL, or it or ``cluster`` names a column that is not there.
        UsageError: ``cluster_by`` of a column that holds no times.
    """
    window = watched.with_labels(watched.answered(monitor.window))
    given = {"score": "score", "prediction": "label", "label": "truth"}
    columns = [pl.col(source).alias(name) for name, source in given.items()]
    inputs = [
        pl.col(name).alias(short)
        for name in window.rows.columns
        if name.startswith("input.") and (short := name.removeprefix("input.")) not in given
    ]
    values = _evaluate(monitor.expression, window.rows.select(*columns, *inputs))
    known = values.is_not_null().to_numpy()
    values, clusters = values.drop_nulls(), clusters_of(monitor, watched, window)
    evidence = {"expression": monitor.expression, "predictions": window.rows.height, **named(monitor)}
    span = {"window_start": window.start, "window_end": window.end, "n": len(values)}
    if len(values) < monitor.min_rows:
        words = f"{len(values)} rows have a value, {monitor.min_rows} are needed"
        return Finding(status="insufficient_data", summary=words, evidence=evidence, **span)
    rows = values.to_numpy()
    estimate = mean_interval(rows) if clusters is None else clustered_mean(rows, clusters[known])
    bounds = {key: bound for key, bound in (("min", monitor.min), ("max", monitor.max)) if bound is not None}
    evidence |= {"estimate": numbers(estimate), **bounds}
    few = too_few(estimate)
    if few:
        return Finding(status="insufficient_data", summary=few, evidence=evidence, **span)
    wrong = beyond(estimate, low=monitor.min, high=monitor.max)
    if wrong:
        return Finding(status="firing", summary=f"the mean is {estimate}, {wrong}", evidence=evidence, **span)
    return Finding(status="ok", summary=f"the mean is {estimate}", evidence=evidence, **span)


def _evaluate(expression: str, rows: pl.DataFrame) -> pl.Series:
    try:
        values = rows.select(pl.sql_expr(expression).alias("value"))["value"]
        if len(values) != rows.height and rows.height:
            raise InvalidData(
                f"'{expression}' is one number, not one a row", hint="leave out AVG or SUM: the mean is taken"
            )
        return values.cast(pl.Float64).fill_nan(None)
    except pl.exceptions.PolarsError as error:
        said = str(error).splitlines()[0]
        hint = f"it may use {', '.join(rows.columns)}"
        raise InvalidData(f"the expression '{expression}' cannot be computed: {said}", hint=hint) from None
