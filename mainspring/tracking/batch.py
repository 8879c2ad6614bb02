"""The one verb that everything logged goes through: params, metric points and tags of a run, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mainspring.base import clock
from mainspring.base.errors import Conflict, NotFound
from mainspring.tracking.limits import (
    check_key,
    check_name,
    metric_moment,
    metric_value,
    metric_whole,
    param_text,
    tag_text,
)
from mainspring.tracking.records import logged_models as model_rows
from mainspring.tracking.records import metrics as metric_rows
from mainspring.tracking.records import runs as run_rows
from mainspring.tracking.records import values as value_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from mainspring.store.workspace import Workspace


class ModelPoint(NamedTuple):
    """A metric's value that a run measured of a logged model, on a dataset if one is named."""

    model_id: str
    key: str
    step: int
    at: int
    value: float
    dataset: str = ""
    digest: str = ""


class Point(NamedTuple):
    """A metric's value at a step and a moment, with its interval and number of observations where they are known."""

    key: str
    step: int
    at: int
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


def point(key: str, value: Any, step: object = 0, at: int | None = None) -> Point:
    """Return a checked metric point.

    ``value`` is a number, or an estimate with ``value``, ``low``, ``high`` and ``n`` (any of the last three may be
    missing or None). ``at`` is in milliseconds since 1970, by default now.

    >>> point("auc", 0.9, step=2, at=0)
    Point(key='auc', step=2, at=0, value=0.9, low=None, high=None, n=None)

    Raises:
        InvalidData: the name, the value, the step or the moment cannot be logged.
    """
    check_key(key, "metric")
    step = metric_whole(key, "step", step)
    at = clock.now() if at is None else metric_moment(key, at)
    if isinstance(value, int | float) or not hasattr(value, "value"):
        return Point(key, step, at, metric_value(key, value))
    bounds = (getattr(value, name, None) for name in ("low", "high"))
    low, high = (None if bound is None else metric_value(key, bound) for bound in bounds)
    count = getattr(value, "n", None)
    n = None if count is None else metric_whole(key, "number of observations", count)
    return Point(key, step, at, metric_value(key, value.value), low, high, n)


def log_batch(
    workspace: Workspace,
    run_id: str,
    *,
    params: Mapping[str, object] | None = None,
    metrics: Iterable[Point] = (),
    tags: Mapping[str, object] | None = None,
    measured: Sequence[ModelPoint] = (),
) -> None:
    """Write params, metric points and tags of a run; durable when it returns, and all of it or nothing.

    ``measured`` are points that also belong to logged models.

    A param that is there with the same value stays; a tag is replaced; a metric's newest point is the one with the
    highest step, among equals the one of the latest moment, among these the one with the highest value. There NaN counts
    as a little less than 0, as with MLflow, so that the order in which points come does not matter.

    Raises:
        NotFound: there is no such run, or no such logged model.
        Conflict: a param is there with another value, or the run was deleted, alone or with its experiment.
        InvalidData: a name or a value cannot be logged.
    """
    texts, labels, points = checked_params(params or {}), checked_tags(tags or {}), list(metrics)
    with workspace.database.write() as connection:
        write(connection, run_id, params=texts, points=points, tags=labels)
        if measured:
            _measure(connection, run_id, measured)


def checked_params(params: Mapping[str, object]) -> dict[str, str]:
    """Return params as texts.

    Raises:
        InvalidData: a name or a value is too long.
    """
    return {check_key(key, "param"): param_text(key, value) for key, value in params.items()}


def checked_tags(tags: Mapping[str, object]) -> dict[str, str]:
    """Return tags as texts.

    Raises:
        InvalidData: a name or a value is too long.
    """
    return {check_key(key, "tag"): tag_text(key, value) for key, value in tags.items()}


def write(
    connection: Connection,
    run_id: str,
    *,
    params: Mapping[str, str] | None = None,
    points: Sequence[Point] = (),
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write what was checked already, inside the caller's transaction.

    Raises:
        NotFound, Conflict: as ``log_batch``.
    """
    run_rows.check_active(connection, run_id)
    if params:
        for key, held in value_rows.add_params(connection, run_id, params).items():
            raise param_conflict(run_id, key, held, params[key])
    if tags:
        value_rows.put_tags(connection, run_id, tags)
        if name := tags.get(run_rows.NAME_TAG):  # MLflow's clients rename a run so
            run_rows.rename(connection, run_id, check_name(name, "a run"))
    if points:
        metric_rows.add_points(connection, run_id, [point[:4] for point in points])
        metric_rows.put_latest(connection, run_id, list(newest(points).values()))


def newest(points: Iterable[Point]) -> dict[str, Point]:
    """Return the newest point of each metric: highest step, then latest moment, then highest value, then last in order."""
    latest: dict[str, Point] = {}
    for candidate in points:
        held = latest.get(candidate.key)
        if held is None or not _rank(candidate) < _rank(held):
            latest[candidate.key] = candidate
    return latest


def _rank(point: Point) -> tuple[int, int, float, bool]:
    is_number = point.value == point.value
    return point.step, point.at, point.value if is_number else 0.0, is_number


def _measure(connection: Connection, run_id: str, measured: Sequence[ModelPoint]) -> None:
    wanted = {item.model_id for item in measured}
    known = {row.id for row in model_rows.by_ids(connection, sorted(wanted))}
    for unknown in sorted(wanted - known):
        raise NotFound(f"there is no logged model '{unknown}'", model=unknown)
    rows = [item._asdict() | {"run_id": run_id} for item in measured]
    for row in rows:
        row["value"] = None if row["value"] != row["value"] else row["value"]
    model_rows.put_metrics(connection, rows)


def param_conflict(run_id: str, key: str, held: str, value: str) -> Conflict:
    """Return the error for a param that is there with another value."""
    return Conflict(
        f"the param '{key}' of this run is {held!r} already; it cannot become {value!r}",
        hint="a param is given once for a run; log what changes while it runs as a metric or a tag",
        run=run_id,
        param=key,
        held=held,
        value=value,
    )
