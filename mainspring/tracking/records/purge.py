"""Removing the rows of what was deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, select, update

from mainspring.store.schema.automation import executions
from mainspring.store.schema.tracking import (
    artifacts,
    data_outputs,
    experiment_tags,
    experiments,
    inputs,
    latest_metrics,
    logged_model_files,
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
    metric_batches,
    metric_curves,
    params,
    run_model_inputs,
    run_outputs,
    runs,
    tags,
)
from mainspring.store.schema.versioning import model_versions, snapshots
from mainspring.tracking.records.experiments import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

_OF_RUNS = (
    metric_batches,
    metric_curves,
    latest_metrics,
    params,
    tags,
    inputs,
    artifacts,
    data_outputs,
    run_outputs,
    run_model_inputs,
    logged_model_metrics,
)
_OF_MODELS = (logged_model_params, logged_model_tags, logged_model_metrics, logged_model_files)


def deleted_runs(connection: Connection, before: int, *, only: str | None = None) -> list[str]:
    """Return runs that were deleted before a moment and that no model version came from; ``only`` looks at one of them.

    A run goes with its experiment, when that was deleted.
    """
    registered = exists().where(model_versions.c.run_id == runs.c.id)
    gone = (runs.c.lifecycle == "deleted") & (runs.c.deleted_at < before)
    whole = (experiments.c.lifecycle == "deleted") & (experiments.c.updated_at < before)
    query = select(runs.c.id).join(experiments).where(gone | whole, ~registered)
    query = query if only is None else query.where(runs.c.id == only)
    return list(connection.execute(query).scalars())


def deleted_models(connection: Connection, before: int, *, only: str | None = None) -> list[str]:
    """Return logged models that were deleted before a moment, and that no version was made from; ``only`` as above."""
    registered = exists().where(model_versions.c.logged_model_id == logged_models.c.id)
    whole = (experiments.c.lifecycle == "deleted") & (experiments.c.updated_at < before)
    gone = (logged_models.c.deleted_at < before) | whole
    query = select(logged_models.c.id).join(experiments).where(gone, ~registered)
    query = query if only is None else query.where(logged_models.c.id == only)
    return list(connection.execute(query).scalars())


def remove_run(connection: Connection, run_id: str) -> None:
    """Remove a run and all it logged, with a snapshot that was only its own; what names the run forgets it."""
    snapshot_id = connection.execute(select(runs.c.snapshot_id).where(runs.c.id == run_id)).scalar()
    for table in _OF_RUNS:
        connection.execute(delete(table).where(table.c.run_id == run_id))
    connection.execute(update(executions).where(executions.c.run_id == run_id).values(run_id=None))
    connection.execute(update(logged_models).where(logged_models.c.run_id == run_id).values(run_id=None))
    connection.execute(delete(runs).where(runs.c.id == run_id))
    if snapshot_id is not None:
        shared = exists().where(runs.c.snapshot_id == snapshots.c.id)
        connection.execute(delete(snapshots).where(snapshots.c.id == snapshot_id, ~shared))


def remove_model(connection: Connection, model_id: str) -> None:
    """Remove a logged model and what is known of it."""
    for table in _OF_MODELS:
        connection.execute(delete(table).where(table.c.model_id == model_id))
    for table in (run_outputs, run_model_inputs):
        connection.execute(delete(table).where(table.c.model_id == model_id))
    connection.execute(delete(logged_models).where(logged_models.c.id == model_id))


def empty_experiments(
    connection: Connection, before: int, runs_gone: Collection[str] = (), models_gone: Collection[str] = ()
) -> list[str]:
    """Return experiments that were deleted before a moment and hold nothing, or nothing but what is gone soon.

    The one that clients use when they name none stays: nobody could make it again.
    """
    gone = (experiments.c.lifecycle == "deleted") & (experiments.c.updated_at < before) & (experiments.c.id != DEFAULT)
    held: set[str] = set()
    for table, leaving in ((runs, runs_gone), (logged_models, models_gone)):
        query = select(table.c.experiment_id, table.c.id).join(experiments).where(gone)
        held.update(experiment_id for experiment_id, id in connection.execute(query) if id not in leaving)
    found = connection.execute(select(experiments.c.id).where(gone)).scalars()
    return [experiment_id for experiment_id in found if experiment_id not in held]


def remove_experiments(connection: Connection, ids: Collection[str]) -> None:
    """Remove experiments that hold nothing."""
    for experiment_id in ids:
        connection.execute(delete(experiment_tags).filter_by(experiment_id=experiment_id))
        connection.execute(delete(experiments).filter_by(id=experiment_id))
