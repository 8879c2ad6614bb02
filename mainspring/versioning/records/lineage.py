"""The rows that tell what came from what, whichever principle wrote them; each query takes many keys at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from mainspring.store.prepared import among, bound
from mainspring.store.schema.automation import execution_steps, executions, step_results
from mainspring.store.schema.serving import releases, route_tables
from mainspring.store.schema.tracking import (
    data_outputs,
    experiments,
    inputs,
    logged_models,
    run_model_inputs,
    run_outputs,
    runs,
    tags,
)
from mainspring.store.schema.versioning import dataset_versions, model_versions, snapshots, stage_transitions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select

PARENT_TAG = "mlflow.parentRunId"
_MODEL_TAG, _VERSION_TAG = "model", "model_version"
_RUN = (
    runs.c.id,
    runs.c.name,
    experiments.c.name.label("experiment"),
    runs.c.status,
    runs.c.lifecycle,
    runs.c.started_at,
    runs.c.ended_at,
    runs.c.actor,
    runs.c.execution_id,
    runs.c.snapshot_id,
    runs.c.error,
)
_DATASET = (
    dataset_versions.c.dataset,
    dataset_versions.c.md5,
    dataset_versions.c.number,
    dataset_versions.c.path,
    dataset_versions.c.created_at,
)


def _rows(
    connection: Connection, query: Select[Any], column: ColumnElement[Any], values: Sequence[str]
) -> Sequence[Any]:
    if not values:
        return ()
    return connection.execute(
        query.where(among(column, connection.dialect.name)), bound(connection, list(dict.fromkeys(values)))
    ).all()


def runs_by_id(connection: Connection, ids: Sequence[str]) -> Sequence[Any]:
    """Return runs with the names of their experiments, deleted ones too."""
    query = select(*_RUN).join(experiments, experiments.c.id == runs.c.experiment_id)
    return _rows(connection, query, runs.c.id, ids)


def runs_beginning(connection: Connection, prefix: str) -> list[str]:
    """Return ids of runs that begin so, at most two."""
    query = select(runs.c.id).where(runs.c.id.startswith(prefix, autoescape=True)).limit(2)
    return list(connection.execute(query).scalars())


def run_tags(connection: Connection, ids: Sequence[str], keys: Sequence[str]) -> Sequence[Any]:
    """Return ``run_id``, ``key`` and ``value`` of tags."""
    return _rows(connection, select(tags).where(tags.c.key.in_(keys)), tags.c.run_id, ids)


def snapshots_by_id(connection: Connection, ids: Sequence[str]) -> Sequence[Any]:
    """Return ``id`` and ``code`` of snapshots."""
    return _rows(connection, select(snapshots.c.id, snapshots.c.code), snapshots.c.id, ids)


def datasets_read(connection: Connection, run_ids: Sequence[str]) -> Sequence[Any]:
    """Return what runs read: ``run_id``, ``dataset``, ``md5``, ``source_type``."""
    query = select(inputs.c.run_id, inputs.c.dataset, inputs.c.md5, inputs.c.source_type)
    return _rows(connection, query.order_by(inputs.c.run_id, inputs.c.dataset), inputs.c.run_id, run_ids)


def readers(connection: Connection, dataset: str, md5s: Sequence[str]) -> Sequence[Any]:
    """Return ``run_id`` and ``md5`` of the runs that read contents of a dataset."""
    query = select(inputs.c.run_id, inputs.c.md5).where(inputs.c.dataset == dataset)
    return _rows(connection, query.order_by(inputs.c.run_id), inputs.c.md5, md5s)


def writers(connection: Connection, dataset: str, md5s: Sequence[str]) -> Sequence[Any]:
    """Return ``run_id`` and ``md5`` of the runs that wrote contents of a dataset, where it lies."""
    versions = dataset_versions
    query = select(data_outputs.c.run_id, versions.c.md5).join(versions, _same_content()).distinct()
    query = query.where(versions.c.dataset == dataset)
    return _rows(connection, query.order_by(data_outputs.c.run_id), versions.c.md5, md5s)


def datasets_written(connection: Connection, run_ids: Sequence[str]) -> Sequence[Any]:
    """Return ``run_id``, ``dataset`` and ``md5`` of the contents that runs wrote, where datasets lie that had them."""
    versions = dataset_versions
    query = select(data_outputs.c.run_id, versions.c.dataset, versions.c.md5).join(versions, _same_content()).distinct()
    return _rows(connection, query.order_by(versions.c.dataset, versions.c.md5), data_outputs.c.run_id, run_ids)


def _same_content() -> ColumnElement[bool]:
    return (data_outputs.c.md5 == dataset_versions.c.md5) & (data_outputs.c.path == dataset_versions.c.path)


def commits(connection: Connection, *, run_ids: Sequence[str] = (), table_ids: Sequence[str] = ()) -> list[Any]:
    """Return ``run_id``, ``table_id`` and ``table_version`` of what runs committed to Delta tables, by run or by table."""
    query = select(data_outputs.c.run_id, data_outputs.c.table_id, data_outputs.c.table_version)
    query = query.where(data_outputs.c.table_id.is_not(None)).order_by(data_outputs.c.table_version)
    by_run = _rows(connection, query, data_outputs.c.run_id, run_ids)
    return [*by_run, *_rows(connection, query, data_outputs.c.table_id, table_ids)]


def tables_of(connection: Connection, md5s: Sequence[str]) -> list[str]:
    """Return the ids of the Delta tables that these contents of datasets are versions of."""
    query = select(dataset_versions.c.table_id).where(dataset_versions.c.table_id.is_not(None)).distinct()
    return sorted(row.table_id for row in _rows(connection, query, dataset_versions.c.md5, md5s))


def versions_of_tables(connection: Connection, table_ids: Sequence[str]) -> Sequence[Any]:
    """Return ``dataset``, ``md5``, ``table_id`` and ``table_version`` of the dataset versions that pin Delta tables."""
    columns = (dataset_versions.c[name] for name in ("dataset", "md5", "table_id", "table_version"))
    query = select(*columns).order_by(dataset_versions.c.dataset, dataset_versions.c.table_version)
    return _rows(connection, query, dataset_versions.c.table_id, table_ids)


def dataset_contents(connection: Connection, dataset: str, md5s: Sequence[str]) -> Sequence[Any]:
    """Return the versions of a dataset that have these contents, oldest first."""
    query = select(*_DATASET).where(dataset_versions.c.dataset == dataset).order_by(dataset_versions.c.number)
    return _rows(connection, query, dataset_versions.c.md5, md5s)


def datasets_of_content(connection: Connection, md5: str) -> list[str]:
    """Return the names of the datasets that ever had this content, by name; runs that read them count too."""
    found: set[str] = set()
    for table in (dataset_versions, inputs):
        found.update(connection.execute(select(table.c.dataset).where(table.c.md5 == md5).distinct()).scalars())
    return sorted(found)


def described_sources(connection: Connection, dataset: str, md5s: Sequence[str]) -> Sequence[Any]:
    """Return ``md5``, ``path`` and ``source_type`` of what clients said of datasets that are not of this workspace."""
    query = select(inputs.c.md5, inputs.c.path, inputs.c.source_type).where(inputs.c.dataset == dataset).distinct()
    return _rows(connection, query, inputs.c.md5, md5s)


def models_by_run(connection: Connection, run_ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return ``(run, model, version)`` of what runs registered, or made again to the byte."""
    query = select(model_versions.c.run_id, model_versions.c.model, model_versions.c.version)
    found: set[tuple[str, str, str]] = {
        tuple(row) for row in _rows(connection, query, model_versions.c.run_id, run_ids)
    }
    told: dict[str, dict[str, str]] = {}
    for row in run_tags(connection, run_ids, (_MODEL_TAG, _VERSION_TAG)):
        told.setdefault(row.run_id, {})[row.key] = row.value
    found.update(
        (run, said[_MODEL_TAG], said[_VERSION_TAG])
        for run, said in told.items()
        if said.keys() >= {_MODEL_TAG, _VERSION_TAG}
    )
    return sorted(found)


def runs_by_model(connection: Connection, models: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Return ``(run, model, version)`` of the runs whose candidates became, or already were, versions."""
    wanted = set(models)
    query = select(model_versions.c.run_id, model_versions.c.model, model_versions.c.version)
    query = query.where(model_versions.c.run_id.is_not(None))
    rows = _rows(connection, query, model_versions.c.model, [model for model, _ in models])
    found: set[tuple[str, str, str]] = {tuple(row) for row in rows if (row.model, row.version) in wanted}
    named = tags.alias()
    both = (named.c.run_id == tags.c.run_id) & (named.c.key == _MODEL_TAG)
    query = select(tags.c.run_id, named.c.value, tags.c.value).join(named, both).where(tags.c.key == _VERSION_TAG)
    rows = _rows(connection, query, tags.c.value, [version for _, version in models])
    found.update((run, model, version) for run, model, version in rows if (model, version) in wanted)
    return sorted(found)


def versions_of(connection: Connection, models: Sequence[tuple[str, str]]) -> list[Any]:
    """Return rows of model versions."""
    wanted = set(models)
    rows = _rows(connection, select(model_versions), model_versions.c.model, [model for model, _ in models])
    return [row for row in rows if (row.model, row.version) in wanted]


def versions_of_logged(connection: Connection, model_ids: Sequence[str]) -> Sequence[Any]:
    """Return ``logged_model_id``, ``model`` and ``version`` of versions that were made of logged models."""
    query = select(model_versions.c.logged_model_id, model_versions.c.model, model_versions.c.version)
    return _rows(connection, query, model_versions.c.logged_model_id, model_ids)


def logged_by_id(connection: Connection, model_ids: Sequence[str]) -> Sequence[Any]:
    """Return rows of logged models."""
    return _rows(connection, select(logged_models), logged_models.c.id, model_ids)


def logged_by_run(connection: Connection, run_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return ``(run, logged model)`` of what runs made."""
    made = _rows(connection, select(run_outputs.c.run_id, run_outputs.c.model_id), run_outputs.c.run_id, run_ids)
    owned = _rows(connection, select(logged_models.c.run_id, logged_models.c.id), logged_models.c.run_id, run_ids)
    return sorted({(row[0], row[1]) for row in (*made, *owned)})


def runs_by_logged(connection: Connection, model_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return ``(run, logged model)`` of the runs that made logged models."""
    made = _rows(connection, select(run_outputs.c.run_id, run_outputs.c.model_id), run_outputs.c.model_id, model_ids)
    owned = _rows(connection, select(logged_models.c.run_id, logged_models.c.id), logged_models.c.id, model_ids)
    return sorted({(row[0], row[1]) for row in (*made, *owned) if row[0] is not None})


def logged_read(connection: Connection, *, run_ids: Sequence[str] = (), model_ids: Sequence[str] = ()) -> Any:
    """Return ``run_id`` and ``model_id`` of the logged models that runs read, by run or by model."""
    by_run = _rows(connection, select(run_model_inputs), run_model_inputs.c.run_id, run_ids)
    return [*by_run, *_rows(connection, select(run_model_inputs), run_model_inputs.c.model_id, model_ids)]


def steps_of_runs(connection: Connection, run_ids: Sequence[str]) -> Sequence[Any]:
    """Return the steps of the executions of runs, in their order; ``maker`` is the run that a remembered result is of."""
    query = (
        select(runs.c.id.label("run_id"), execution_steps, step_results.c.execution_id.label("made_by"))
        .join(execution_steps, execution_steps.c.execution_id == runs.c.execution_id)
        .join(step_results, step_results.c.key == execution_steps.c.key, isouter=True)
    )
    query = query.add_columns(executions.c.run_id.label("maker"))
    query = query.join(executions, executions.c.id == step_results.c.execution_id, isouter=True)
    return _rows(connection, query.order_by(runs.c.id, execution_steps.c.position), runs.c.id, run_ids)


def releases_of(connection: Connection, endpoints: Sequence[str]) -> Sequence[Any]:
    """Return the releases of endpoints, newest first."""
    query = select(releases).order_by(releases.c.started_at.desc(), releases.c.id.desc())
    return _rows(connection, query, releases.c.endpoint, endpoints)


def routes_of(connection: Connection, endpoints: Sequence[str]) -> dict[str, Row[Any]]:
    """Return the newest route table of endpoints, by name."""
    newest = select(route_tables.c.endpoint, func.max(route_tables.c.generation).label("generation"))
    latest = newest.group_by(route_tables.c.endpoint).subquery()
    same = (route_tables.c.endpoint == latest.c.endpoint) & (route_tables.c.generation == latest.c.generation)
    rows = _rows(connection, select(route_tables).join(latest, same), route_tables.c.endpoint, endpoints)
    return {row.endpoint: row for row in rows}


def first_transitions(connection: Connection, models: Sequence[str]) -> Sequence[Any]:
    """Return ``model``, ``version``, ``at``, ``reason`` and ``evidence`` of how versions of models began."""
    table = stage_transitions
    query = select(table.c.model, table.c.version, table.c.at, table.c.reason, table.c.evidence)
    return _rows(connection, query.where(table.c.from_stage.is_(None)), table.c.model, models)


def histories(connection: Connection) -> Sequence[Any]:
    """Return ``model``, ``version`` and ``evidence`` of all versions that began with one."""
    table = stage_transitions
    query = select(table.c.model, table.c.version, table.c.evidence)
    return connection.execute(query.where(table.c.from_stage.is_(None), table.c.evidence.is_not(None))).all()
