"""Finding runs, and reading what they logged."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import Conflict, NotFound, UsageError, did_you_mean
from mainspring.store.schema import tracking as tables
from mainspring.tracking import owner
from mainspring.tracking.records import experiments as experiment_rows
from mainspring.tracking.records import inputs as input_rows
from mainspring.tracking.records import metrics as metric_rows
from mainspring.tracking.records import runs as run_rows
from mainspring.tracking.records import values as value_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.points import Columns

STATUSES = ("running", "finished", "failed", "killed", "lost")
COLUMNS = ("id", "name", "experiment", "status", "started_at", "ended_at", "actor")
_SHORTEST_PREFIX = 4


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """The newest value of a metric, with its interval and the observations it rests on where they were logged."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    step: int = 0
    at: int = 0

    def __str__(self) -> str:
        interval = "" if self.low is None or self.high is None else f" [{self.low:.4g}, {self.high:.4g}]"
        return f"{self.value:.4g}{interval}{'' if self.n is None else f' n={self.n}'}"


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the records have it. ``lost``: it never ended, and its process (of this host) is gone."""

    id: str
    name: str
    experiment: str
    experiment_id: str
    status: str
    lifecycle: str
    started_at: int
    ended_at: int | None
    actor: str
    execution_id: str | None
    snapshot_id: str | None
    error: str | None
    artifact_location: str | None
    params: dict[str, str]
    metrics: dict[str, Metric]
    tags: dict[str, str]


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset version that a run read."""

    dataset: str
    md5: str
    path: str
    context: str


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """The history of a metric by step; three lists of one length. ``at`` is in milliseconds since 1970."""

    key: str
    steps: list[int]
    at: list[int]
    values: list[float]


def list_runs(
    workspace: Workspace,
    experiment: str | None = None,
    *,
    status: str | None = None,
    limit: int | None = 100,
    offset: int = 0,
    order: str = "-started_at",
) -> list[RunInfo]:
    """Return runs, newest first. Read-only.

    ``order`` is ``id``, ``name``, ``experiment``, ``status``, ``started_at``, ``ended_at``, ``actor``, ``metrics.KEY``
    or ``params.KEY`` (as text), several separated by commas, with ``-`` in front for descending; runs without the value
    come last.

    Raises:
        UsageError: the order, the status, the limit or the offset is none.
        NotFound: there is no such experiment.
    """
    if status is not None and status not in STATUSES:
        raise UsageError(f"'{status}' is no status of a run", hint=f"use one of {', '.join(STATUSES)}")
    if (limit is not None and limit < 0) or offset < 0:
        raise UsageError("limit and offset cannot be negative")
    where = {} if experiment is None else {"experiment": experiment}
    looked_at = status in ("running", "lost")  # which of the two a run is, only a look at its process says
    if status is not None:
        where["status"] = "running" if looked_at else status
    with workspace.database.read() as connection:
        if experiment is not None and experiment_rows.by(connection, name=experiment) is None:
            names = [row.name for row in experiment_rows.rows(connection)]
            hint = did_you_mean(experiment, names) or f"known experiments: {', '.join(names) or 'none yet'}"
            raise NotFound(f"there is no experiment '{experiment}'", hint=hint, experiment=experiment)
        window: dict[str, Any] = {} if looked_at else {"limit": limit, "offset": offset}
        found = _infos(connection, run_rows.rows(connection, where=where, order=_order(order), **window))
    if not looked_at:
        return found
    found = [run for run in found if run.status == status]
    return found[offset : None if limit is None else offset + limit]


def get_run(workspace: Workspace, reference: str) -> RunInfo:
    """Return the run with that id, that name, or the only one whose id starts so (at least four digits).

    Raises:
        NotFound: there is none.
        Conflict: there are several; ``candidates`` holds their ids.
    """
    with workspace.database.read() as connection:
        rows = run_rows.rows(connection, where={"id": reference})
        rows = rows or run_rows.rows(connection, where={"name": reference}, limit=10)
        if not rows and _is_prefix(reference):
            rows = run_rows.rows(connection, prefix=reference.lower(), limit=10)
        if len(rows) == 1:
            return _infos(connection, rows)[0]
        if not rows:
            names = [row.name for row in run_rows.rows(connection, limit=1000)]
            hint = did_you_mean(reference, names) or "give an id, its first digits, or a name of `mainspring runs list`"
            raise NotFound(f"there is no run '{reference}'", hint=hint, run=reference)
    ids = [row.id for row in rows]
    raise Conflict(
        f"'{reference}' can mean several runs",
        hint=f"give more of the id: {', '.join(ids[:3])}{', …' if len(ids) > 3 else ''}",
        candidates=ids,
    )


def described(connection: Connection, run_id: str) -> RunInfo:
    """Return the run with exactly this id, deleted or not, inside the caller's transaction.

    Raises:
        NotFound: there is none.
    """
    row = run_rows.by_id(connection, run_id)
    if row is None:
        raise NotFound(f"there is no run '{run_id}'", run=run_id)
    return _infos(connection, [row])[0]


def history(workspace: Workspace, reference: str, key: str) -> Curve:
    """Return every logged value of a metric, by step; NaN and infinity as they were logged.

    Raises:
        NotFound: there is no such run, or it has no such metric.
        Conflict: the reference can mean several runs.
    """
    run = get_run(workspace, reference)
    if key not in run.metrics:
        hint = did_you_mean(key, run.metrics) or f"its metrics: {', '.join(run.metrics) or 'none'}"
        raise NotFound(f"the run {run.name} has no metric '{key}'", hint=hint, run=run.id, metric=key)
    return curves(workspace, run.id, [key])[key]


def curves(workspace: Workspace, run_id: str, keys: Sequence[str]) -> dict[str, Curve]:
    """Return the histories of several metrics of a run, seen at one moment."""
    with workspace.database.read() as connection:
        return {key: _curve(key, metric_rows.curve(connection, run_id, key)) for key in keys}


def list_inputs(workspace: Workspace, run_id: str) -> list[Input]:
    """Return the dataset versions that a run read, by name."""
    with workspace.database.read() as connection:
        rows = input_rows.of(connection, [run_id])
    return [Input(dataset=row.dataset, md5=row.md5, path=row.path, context=row.context) for row in rows]


def _curve(key: str, columns: Columns) -> Curve:
    """Return points by step, then moment, then as they were logged."""
    import numpy as np

    order = np.lexsort((columns.at, columns.steps))
    steps, at, values = (column[order].tolist() for column in columns)
    return Curve(key=key, steps=steps, at=at, values=values)


def _infos(connection: Connection, rows: Sequence[Row[Any]]) -> list[RunInfo]:
    ids = [row.id for row in rows]
    params: dict[str, dict[str, str]] = {run_id: {} for run_id in ids}
    tags: dict[str, dict[str, str]] = {run_id: {} for run_id in ids}
    metrics: dict[str, dict[str, Metric]] = {run_id: {} for run_id in ids}
    for param in value_rows.logged(connection, tables.params, ids):
        params[param.run_id][param.key] = param.value
    for tag in value_rows.logged(connection, tables.tags, ids):
        tags[tag.run_id][tag.key] = tag.value
    for point in value_rows.logged(connection, tables.latest_metrics, ids):
        metrics[point.run_id][point.key] = Metric(
            value=_float(point.value), low=point.low, high=point.high, n=point.n, step=point.step, at=point.at
        )
    return [
        RunInfo(
            id=row.id,
            name=row.name,
            experiment=row.experiment,
            experiment_id=row.experiment_id,
            lifecycle=row.lifecycle,
            status=_status(row.status, tags[row.id]),
            started_at=row.started_at,
            ended_at=row.ended_at,
            actor=row.actor,
            execution_id=row.execution_id,
            snapshot_id=row.snapshot_id,
            error=row.error,
            artifact_location=row.artifact_location,
            params=params[row.id],
            metrics=metrics[row.id],
            tags=tags[row.id],
        )
        for row in rows
    ]


def _status(status: str, tags: dict[str, str]) -> str:
    return "lost" if status == "running" and owner.is_gone(tags.get(owner.TAG)) else status


def _order(text: str) -> list[tuple[str, bool]]:
    parts = [part.strip() for part in text.split(",")]
    order = [(part.removeprefix("-"), part.startswith("-")) for part in parts]
    for name, _ in order:
        family, _, key = name.partition(".")
        if not (name in COLUMNS or (family in ("metrics", "params") and key)):
            hint = f"use {', '.join(COLUMNS)}, metrics.NAME or params.NAME, with - in front for descending"
            raise UsageError(f"runs cannot be ordered by '{name}'", hint=hint)
    return order


def _is_prefix(text: str) -> bool:
    return _SHORTEST_PREFIX <= len(text) <= 32 and not set(text.lower()) - set("0123456789abcdef")


def _float(value: float | None) -> float:
    return math.nan if value is None else value
