"""Which rows of a window, and of the champion's holdout, depend on each other: what a monitor says of it, made numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.base.errors import UsageError
from mainspring.measures.clusters import cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mainspring.base.settings.monitors import ClusteredMonitor
    from mainspring.monitoring.monitors.watched import Watched, Window

_OWN_TIME = "event_time"


def clusters_of(monitor: ClusteredMonitor, watched: Watched, window: Window) -> NDArray[np.int64] | None:
    """Return the number of each prediction's cluster; None where the monitor names none.

    ``cluster_by`` alone, and the column of ``serving.event_time``, cut the predictions' own time; other columns are inputs.

    Raises:
        InvalidData: there is no such input.
        UsageError: ``cluster_by`` of an input that holds no times.
        Insufficient: inputs are not recorded.
    """
    if not _is_clustered(monitor):
        return None
    if window.rows.is_empty():
        return np.empty(0, dtype=np.int64)
    moment = watched.workspace.settings.serving.event_time
    own = window.rows.select(pl.from_epoch("event_time", time_unit="ms").alias(moment or _OWN_TIME))
    if monitor.cluster is None or monitor.cluster == moment:
        return cut(own, own.columns[0], monitor.cluster_by, table="the record of predictions", hint="")
    known = watched.inputs(window).with_columns(own if moment else [])
    hint = "name an input or the column of serving.event_time; `cluster_by` alone takes the predictions' own time"
    return cut(known, monitor.cluster, monitor.cluster_by, table="the record of predictions", hint=hint)


def holdout_clusters(monitor: ClusteredMonitor, watched: Watched) -> NDArray[np.int64] | None:
    """Return the number of each holdout row's cluster, by the same column; None where the monitor names none.

    Raises:
        InvalidData: the holdout has no such column.
        UsageError: ``cluster_by`` of a column that holds no times, or alone where ``serving.event_time`` names none.
    """
    if not _is_clustered(monitor):
        return None
    moment = watched.workspace.settings.serving.event_time
    name = monitor.cluster or moment
    if name is None:
        found = "cluster_by cuts the predictions' own time, and nothing says which time of the holdout that is"
        raise UsageError(found, hint="set serving.event_time, or name with `cluster` a column that both have")
    length = monitor.cluster_by or ("day" if name == moment else None)
    hint = "max_drop compares with the holdout: keep the column in it; it need be no feature"
    return cut(watched.evidence.holdout, name, length, table="the holdout", hint=hint)


def named(monitor: ClusteredMonitor) -> dict[str, Any]:
    """Return as evidence what the clusters are cut by; nothing where the monitor names none."""
    by = {} if monitor.cluster_by is None else {"cluster_by": monitor.cluster_by}
    return {"cluster": monitor.cluster or _OWN_TIME, **by} if _is_clustered(monitor) else {}


def _is_clustered(monitor: ClusteredMonitor) -> bool:
    return monitor.cluster is not None or monitor.cluster_by is not None
