"""Reading the history of a metric: all of it in pages, or as many points as a picture needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import NotFound, UsageError
from mainspring.tracking.points import Columns, rising
from mainspring.tracking.records import metrics as metric_rows
from mainspring.tracking.records import runs as run_rows

if TYPE_CHECKING:
    import numpy as np

    from mainspring.store.workspace import Workspace

    Order = np.ndarray[tuple[int], np.dtype[np.intp]]


class Page(msgspec.Struct, frozen=True):
    """Points of one metric in the order of their moments, then steps, then values; ``next`` is where the next page starts."""

    points: Columns
    next: int | None


def page(workspace: Workspace, run_id: str, key: str, *, start: int = 0, most: int | None = None) -> Page:
    """Return points of a metric by moment; a point that was sent twice is there once. Without ``most`` all of them.

    Pages neither skip nor repeat points while newer ones are logged.

    Raises:
        NotFound: there is no such run.
        UsageError: the page cannot be.
    """
    if start < 0 or (most is not None and most < 1):
        raise UsageError("a page begins at 0 or later, and holds at least one point")
    points = _distinct(_points(workspace, run_id, key), by_step=False)
    end = len(points.steps) if most is None else start + most
    return Page(points.rows(slice(start, end)), end if end < len(points.steps) else None)


def sampled(
    workspace: Workspace,
    run_id: str,
    key: str,
    *,
    most: int,
    first_step: int | None = None,
    last_step: int | None = None,
) -> Columns:
    """Return at most ``most`` points of a metric by step, spread evenly over all points, the first and last among them.

    Raises:
        NotFound: there is no such run.
        UsageError: ``most`` is not positive, or the steps are the wrong way round.
    """
    import numpy as np

    if most < 1:
        raise UsageError("at least one point has to be asked for")
    if first_step is not None and last_step is not None and first_step > last_step:
        raise UsageError(f"the first step, {first_step}, comes after the last, {last_step}")
    points = _distinct(_points(workspace, run_id, key), by_step=True)
    within = np.ones(len(points.steps), bool)
    if first_step is not None:
        within &= points.steps >= first_step
    if last_step is not None:
        within &= points.steps <= last_step
    points = points.rows(within)
    count = len(points.steps)
    if count <= most:
        return points
    if most == 1:
        return points.rows(slice(count - 1, count))
    return points.rows(np.linspace(0, count - 1, most).round().astype(np.intp))


def outline(workspace: Workspace, run_id: str, key: str, *, most: int) -> tuple[Columns, int]:
    """Return at most ``most`` points (four or more) of a metric by step, and how many there are.

    Of every stretch of the curve the lowest and the highest point are kept, so that no peak is missing in a picture.

    Raises:
        NotFound: there is no such run.
        UsageError: ``most`` is less than four.
    """
    import numpy as np

    if most < 4:
        raise UsageError("at least four points make an outline")
    points = _distinct(_points(workspace, run_id, key), by_step=True)
    count = len(points.steps)
    if count <= most:
        return points, count
    stretch = -(-count // (most // 2 - 1))
    padded = np.full(stretch * -(-count // stretch), np.nan)
    padded[:count] = points.values
    table = padded.reshape(-1, stretch)
    starts = np.arange(len(table)) * stretch
    lowest = np.where(np.isnan(table), np.inf, table).argmin(axis=1)
    highest = np.where(np.isnan(table), -np.inf, table).argmax(axis=1)
    chosen = np.unique(np.concatenate([[0], starts + lowest, starts + highest, [count - 1]]))
    return points.rows(chosen[chosen < count]), count


def _points(workspace: Workspace, run_id: str, key: str) -> Columns:
    with workspace.database.read() as connection:
        if run_rows.lifecycle(connection, run_id) is None:
            raise NotFound(f"there is no run '{run_id}'", run=run_id)
        return metric_rows.curve(connection, run_id, key)


def _distinct(points: Columns, *, by_step: bool) -> Columns:
    """Sort points, and leave out those that are equal in everything to the one before."""
    import numpy as np

    first, second = (points.steps, points.at) if by_step else (points.at, points.steps)
    if rising(first):  # the usual case, and the quick one
        return points
    order: Order = np.lexsort((points.values, second, first))
    points = points.rows(order)
    bits = points.values.view(np.int64)
    fresh = np.ones(len(points.steps), bool)
    fresh[1:] = (np.diff(points.steps) != 0) | (np.diff(points.at) != 0) | (bits[1:] != bits[:-1])
    return points if fresh.all() else points.rows(fresh)
