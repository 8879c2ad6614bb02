"""Removing the rows of what was deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, select, update

from mainspring.store.schema.automation import executions
from mainspring.store.schema.tracking import (
    artifacts,
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
from mainspring.store.schema.versioning import model_versions

if TYPE_CHECKING:
    from sqlalchemy import Connection

_OF_RUNS = (
    metric_batches,
    metric_curves,
    latest_metrics,
    params,
    tags,
    inputs,
    artifacts,
    run_outputs,
    run_model_inputs,
    logged_model_metrics,
)
_OF_MODELS = (logged_model_params, logged_model_tags, logged_model_metrics, logged_model_files)


def deleted_runs(connection: Connection, before: int) -> list[str]:
    """Return runs that were deleted before a moment and that no model version came from.

    A run goes with its experiment, when that was deleted.
    """
    registered = exists().where(model_versions.c.run_id == runs.c.id)
    gone = (runs.c.lifecycle == "deleted") & (runs.c.deleted_at < before)
    whole = (experiments.c.lifecycle == "deleted") & (experiments.c.updated_at < before)
    query = select(runs.c.id).join(experiments).where(gone | whole, ~registered)
    return list(connection.execute(query).scalars())


def deleted_models(connection: Connection, before: int) -> list[str]:
    """Return logged models that were deleted before a moment, and that no version was made from."""
    registered = exists().where(model_versions.c.logged_model_id == logged_models.c.id)
    whole = (experiments.c.lifecycle == "deleted") & (experiments.c.updated_at < before)
    gone = (logged_models.c.deleted_at < before) | whole
    query = select(logged_models.c.id).join(experiments).where(gone, ~registered)
    return list(connection.execute(query).scalars())


def remove_run(connection: Connection, run_id: str) -> None:
    """Remove a run and all it logged; what names it forgets it."""
    for table in _OF_RUNS:
        connection.execute(delete(table).where(table.c.run_id == run_id))
    connection.execute(update(executions).where(executions.c.run_id == run_id).values(run_id=None))
    connection.execute(update(logged_models).where(logged_models.c.run_id == run_id).values(run_id=None))
    connection.execute(delete(runs).where(runs.c.id == run_id))


def remove_model(connection: Connection, model_id: str) -> None:
    """Remove a logged model and what is known of it."""
    for table in _OF_MODELS:
        connection.execute(delete(table).where(table.c.model_id == model_id))
    for table in (run_outputs, run_model_inputs):
        connection.execute(delete(table).where(table.c.model_id == model_id))
    connection.execute(delete(logged_models).where(logged_models.c.id == model_id))


def remove_empty_experiments(connection: Connection, before: int) -> int:
    """Remove experiments that were deleted before a moment and hold nothing any more; return how many."""
    held = exists().where(runs.c.experiment_id == experiments.c.id)
    models = exists().where(logged_models.c.experiment_id == experiments.c.id)
    gone = (experiments.c.lifecycle == "deleted") & (experiments.c.updated_at < before)
    ids = list(connection.execute(select(experiments.c.id).where(gone, ~held, ~models)).scalars())
    for experiment_id in ids:
        connection.execute(delete(experiment_tags).filter_by(experiment_id=experiment_id))
        connection.execute(delete(experiments).filter_by(id=experiment_id))
    return len(ids)
