"""Finding runs, and reading what they logged."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base import owner
from mainspring.base.errors import Conflict, NotFound, did_you_mean
from mainspring.store.schema import tracking as tables
from mainspring.tracking.points import rising
from mainspring.tracking.records import inputs as input_rows
from mainspring.tracking.records import metrics as metric_rows
from mainspring.tracking.records import runs as run_rows
from mainspring.tracking.records import values as value_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.points import Columns

_SHORTEST_PREFIX = 4


class Metric(msgspec.Struct, frozen=True, gc=False):
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


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that a run read: a version of the workspace's, or, with a ``source_type``, one that a client described.

    ``md5`` is then the client's digest and ``path`` what the client calls the source.
    """

    dataset: str
    md5: str
    path: str
    context: str
    source_type: str | None = None
    schema: str | None = None
    profile: str | None = None
    tags: dict[str, str] = {}


class Lineage(msgspec.Struct, frozen=True):
    """What a run read and made: datasets, ids of logged models, and ids of logged models with their steps."""

    inputs: list[Input] = msgspec.field(default_factory=list)
    models_read: list[str] = msgspec.field(default_factory=list)
    models_made: list[tuple[str, int]] = msgspec.field(default_factory=list)


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
    lineage: Lineage


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """The history of a metric by step; three lists of one length. ``at`` is in milliseconds since 1970."""

    key: str
    steps: list[int]
    at: list[int]
    values: list[float]


def get_run(workspace: Workspace, reference: str, *, deleted: bool = False) -> RunInfo:
    """Return the run with that id, that name, or the only one whose id starts so (at least four digits).

    With ``deleted`` it is one that was deleted, else one that was not.

    Raises:
        NotFound: there is none.
        Conflict: there are several; ``candidates`` holds their ids.
    """
    with workspace.database.read() as connection:
        rows = run_rows.rows(connection, where={"id": reference}, deleted=deleted)
        rows = rows or run_rows.rows(connection, where={"name": reference}, deleted=deleted, limit=10)
        if not rows and _is_prefix(reference):
            rows = run_rows.rows(connection, prefix=reference.lower(), deleted=deleted, limit=10)
        if len(rows) == 1:
            return infos(connection, rows)[0]
        if not rows:
            names = [row.name for row in run_rows.rows(connection, deleted=deleted, limit=1000)]
            listing = f"`mainspring runs list{' --deleted' if deleted else ''}`"
            hint = did_you_mean(reference, names) or f"give an id, its first digits, or a name of {listing}"
            raise NotFound(f"there is no {'deleted ' if deleted else ''}run '{reference}'", hint=hint, run=reference)
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
    return infos(connection, [row])[0]


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
        return [_input(row) for row in input_rows.of(connection, [run_id])]


def _curve(key: str, columns: Columns) -> Curve:
    """Return points by step, then moment, then as they were logged."""
    if not rising(columns.steps):
        import numpy as np

        columns = columns.rows(np.lexsort((columns.at, columns.steps)))
    return Curve(key=key, steps=columns.steps.tolist(), at=columns.at.tolist(), values=columns.values.tolist())


def infos(connection: Connection, rows: Sequence[Sequence[Any]]) -> list[RunInfo]:
    """Return runs with what they logged, from rows with the columns of `records.runs`, inside the caller's transaction."""
    ids = [row[0] for row in rows]
    params: dict[str, dict[str, str]] = {run_id: {} for run_id in ids}
    tags: dict[str, dict[str, str]] = {run_id: {} for run_id in ids}
    metrics: dict[str, dict[str, Metric]] = {run_id: {} for run_id in ids}
    lineages: dict[str, Lineage] = {}
    for run_id, key, value in value_rows.logged(connection, tables.params, ids):
        params[run_id][key] = value
    for run_id, key, value in value_rows.logged(connection, tables.tags, ids):
        tags[run_id][key] = value
    for run_id, key, value, low, high, n, step, at in value_rows.logged(connection, tables.latest_metrics, ids):
        metrics[run_id][key] = Metric(math.nan if value is None else value, low, high, n, step, at)
    for item in input_rows.of(connection, ids):
        lineages.setdefault(item["run_id"], Lineage()).inputs.append(_input(item))
    for run_id, model_id in input_rows.models_of(connection, ids):
        lineages.setdefault(run_id, Lineage()).models_read.append(model_id)
    for run_id, model_id, step in input_rows.outputs_of(connection, ids):
        lineages.setdefault(run_id, Lineage()).models_made.append((model_id, step))
    return [
        _info(row, params[row[0]], metrics[row[0]], tags[row[0]], lineages.get(row[0]) or Lineage()) for row in rows
    ]


def _info(
    row: Sequence[Any], params: dict[str, str], metrics: dict[str, Metric], tags: dict[str, str], lineage: Lineage
) -> RunInfo:
    (run_id, experiment_id, name, status, started_at, ended_at, actor, execution_id, snapshot_id, lifecycle, error) = (
        row[:11]
    )
    experiment, artifact_location, experiment_lifecycle = row[11:]
    return RunInfo(
        id=run_id,
        name=name,
        experiment=experiment,
        experiment_id=experiment_id,
        lifecycle=lifecycle if experiment_lifecycle == "active" else experiment_lifecycle,
        status=_status(status, tags),
        started_at=started_at,
        ended_at=ended_at,
        actor=actor,
        execution_id=execution_id,
        snapshot_id=snapshot_id,
        error=error,
        artifact_location=artifact_location,
        params=params,
        metrics=metrics,
        tags=tags,
        lineage=lineage,
    )


def _input(row: dict[str, Any]) -> Input:
    columns = {name: row[name] for name in Input.__struct_fields__}
    return Input(**columns | {"tags": row["tags"] or {}})


def _status(status: str, tags: dict[str, str]) -> str:
    return "lost" if status == "running" and owner.is_gone(tags.get(owner.TAG)) else status


def _is_prefix(text: str) -> bool:
    return _SHORTEST_PREFIX <= len(text) <= 32 and not set(text.lower()) - set("0123456789abcdef")
