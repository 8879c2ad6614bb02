"""Rows cut into clusters: by the values of a column, or by the hours, days, weeks or months of one that holds times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.base.errors import InvalidData, UsageError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mainspring.base.settings.clusters import ClusterLength
    from mainspring.measures.estimate import Estimate

ENOUGH_CLUSTERS = 9
"""Fewer decide nothing: 8 degrees of freedom are what the National Center for Health Statistics asks for before it shows an
estimate without review (Parker et al. 2017, Data Presentation Standards for Proportions)."""
_EVERY = {"hour": "1h", "day": "1d", "week": "1w", "month": "1mo"}


def cut(rows: pl.DataFrame, column: str, length: ClusterLength | None, *, table: str, hint: str) -> NDArray[np.int64]:
    """Return the number of each row's cluster, (rows,). Missing values are one cluster.

    A column of times is cut into days (of UTC, where it has a time zone), or what ``length`` says. ``table`` and ``hint`` are
    for the error: what the rows are, and where such a column could come from.

    Raises:
        InvalidData: there is no such column.
        UsageError: ``length`` for a column that holds no times.

    >>> from datetime import datetime
    >>> rows = pl.DataFrame({"at": [datetime(2026, 1, 1, 9), datetime(2026, 1, 2), datetime(2026, 1, 1, 10), None]})
    >>> cut(rows, "at", "day", table="the table", hint="")
    array([1, 2, 1, 0])
    """
    if column not in rows.columns:
        found = f"{table} has no column '{column}' to cluster by"
        raise InvalidData(found, hint=did_you_mean(column, rows.columns) or hint, column=column)
    values = rows.get_column(column)
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is not None:
        values = values.dt.convert_time_zone("UTC")
    if isinstance(values.dtype, pl.Date | pl.Datetime):
        values = values.dt.truncate(_EVERY[length or "day"])
    elif length is not None:
        found = f"cluster_by needs a time column, but '{column}' is {values.dtype}"
        raise UsageError(found, hint="leave cluster_by out")
    return values.rank("dense").fill_null(0).to_numpy().astype(np.int64)


def counts(estimate: Estimate) -> dict[str, Any]:
    """Return as evidence how many clusters an estimate rests on, and what they are worth; nothing without clusters."""
    if estimate.clusters is None:
        return {}
    return {
        "clusters": estimate.clusters,
        "effective_clusters": round(estimate.effective_clusters or 0.0, 1),
        "effective_n": round(estimate.effective_n or 0.0, 1),
    }


def too_few(estimate: Estimate) -> str | None:
    """Say that an estimate's clusters are too few to decide anything; None where they are enough, or there are none."""
    if estimate.clusters is None or (estimate.effective_clusters or 0.0) >= ENOUGH_CLUSTERS:
        return None
    return (
        f"{estimate.clusters} clusters, worth {estimate.effective_clusters:.1f} of one size, tell too little of how much "
        f"clusters differ: {ENOUGH_CLUSTERS} are needed"
    )
