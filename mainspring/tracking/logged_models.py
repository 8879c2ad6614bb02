"""Logged models: what MLflow's clients record of a model that a run made, before anyone registers it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from mainspring.base import clock
from mainspring.base.errors import Conflict, InvalidData, NotFound, UsageError
from mainspring.base.ids import new_id
from mainspring.tracking.batch import checked_params, checked_tags, param_conflict
from mainspring.tracking.limits import check_name
from mainspring.tracking.records import experiments as experiment_rows
from mainspring.tracking.records import logged_models as model_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from mainspring.store.workspace import Workspace

Status = Literal["pending", "ready", "failed"]
_NOT_IN_NAMES = set("/:.%\"'")


class ModelMetric(msgspec.Struct, frozen=True, kw_only=True):
    """The newest value of a metric that a run measured of a model, on a dataset if one is named."""

    key: str
    value: float
    step: int
    at: int
    run_id: str
    dataset: str
    digest: str


class LoggedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a run logged; its files are stored under its id."""

    id: str
    experiment_id: str
    name: str
    type: str
    status: Status
    status_message: str | None
    run_id: str | None
    created_at: int
    updated_at: int
    deleted_at: int | None
    artifact_location: str | None
    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[ModelMetric]


def create_logged_model(
    workspace: Workspace,
    experiment_id: str,
    *,
    name: str | None = None,
    type: str = "",
    run_id: str | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, object] | None = None,
) -> LoggedModel:
    """Record a model whose files are to come; it is ``pending`` until it is finalized.

    Raises:
        NotFound: there is no such experiment.
        Conflict: the experiment was deleted.
        InvalidData: the name, a param or a tag cannot be recorded.
    """
    given, labels = checked_params(params or {}), checked_tags(tags or {})
    at = clock.now()
    row: dict[str, Any] = {
        "id": f"m-{new_id()}",
        "experiment_id": experiment_id,
        "name": check_model_name(name or f"model-{new_id()[-8:]}"),
        "type": type,
        "status": "pending",
        "run_id": run_id,
        "created_at": at,
        "updated_at": at,
    }
    with workspace.database.write() as connection:
        experiment = experiment_rows.by(connection, "id", experiment_id)
        if experiment is None:
            raise NotFound(f"there is no experiment with the id '{experiment_id}'", experiment=experiment_id)
        if experiment.lifecycle != "active":
            raise Conflict(f"the experiment '{experiment.name}' was deleted", hint="restore it first")
        model_rows.add(connection, row)
        model_rows.add_params(connection, row["id"], given)
        model_rows.put_tags(connection, row["id"], labels)
        return described(connection, [row["id"]])[0]


def get_logged_model(workspace: Workspace, model_id: str, *, deleted: bool = False) -> LoggedModel:
    """Return a logged model; with ``deleted`` a deleted one too.

    Raises:
        NotFound: there is none.
    """
    with workspace.database.read() as connection:
        return _required(connection, model_id, deleted=deleted)


def finalize_logged_model(
    workspace: Workspace, model_id: str, status: Status, message: str | None = None
) -> LoggedModel:
    """Say that a model's files are complete, or that they will not be.

    Raises:
        NotFound: there is no such model.
        UsageError: there is no such status.
    """
    if status not in get_args(Status):
        raise UsageError(f"'{status}' is no status of a logged model", hint=f"use one of {', '.join(get_args(Status))}")
    with workspace.database.write() as connection:
        _required(connection, model_id)
        model_rows.change(connection, model_id, status=status, status_message=message, updated_at=clock.now())
        return _required(connection, model_id)


def delete_logged_model(workspace: Workspace, model_id: str) -> None:
    """Hide a logged model. Nothing is removed.

    Raises:
        NotFound: there is no such model.
    """
    with workspace.database.write() as connection:
        _required(connection, model_id)
        at = clock.now()
        model_rows.change(connection, model_id, deleted_at=at, updated_at=at)


def log_model_params(workspace: Workspace, model_id: str, params: Mapping[str, object]) -> None:
    """Add params to a logged model, all of them or none.

    Raises:
        NotFound: there is no such model.
        Conflict: a param is there with another value.
    """
    texts = checked_params(params)
    with workspace.database.write() as connection:
        _required(connection, model_id)
        for key, held in model_rows.add_params(connection, model_id, texts).items():
            raise param_conflict(model_id, key, held, texts[key])


def set_model_tags(workspace: Workspace, model_id: str, tags: Mapping[str, object]) -> None:
    """Set tags of a logged model, all of them or none.

    Raises:
        NotFound: there is no such model.
    """
    texts = checked_tags(tags)
    with workspace.database.write() as connection:
        _required(connection, model_id)
        model_rows.put_tags(connection, model_id, texts)
        model_rows.change(connection, model_id, updated_at=clock.now())


def delete_model_tag(workspace: Workspace, model_id: str, key: str) -> None:
    """Remove a tag of a logged model.

    Raises:
        NotFound: there is no such model, or it has no such tag.
    """
    with workspace.database.write() as connection:
        _required(connection, model_id)
        if not model_rows.drop_tag(connection, model_id, key):
            raise NotFound(f"the logged model {model_id} has no tag '{key}'", model=model_id, tag=key)


def described(connection: Connection, model_ids: Sequence[str]) -> list[LoggedModel]:
    """Return logged models, deleted or not, in the order of their ids, inside the caller's transaction."""
    params, tags = model_rows.params_of(connection, model_ids), model_rows.tags_of(connection, model_ids)
    metrics: dict[str, list[ModelMetric]] = {model_id: [] for model_id in model_ids}
    for row in model_rows.metrics_of(connection, model_ids):
        metrics[row.model_id].append(_metric(row))
    rows = {row.id: row for row in model_rows.by_ids(connection, model_ids)}
    places = experiment_rows.places(connection, {row.experiment_id for row in rows.values()})
    return [
        LoggedModel(
            **rows[model_id]._mapping,
            artifact_location=places[rows[model_id].experiment_id],
            params=params[model_id],
            tags=tags[model_id],
            metrics=metrics[model_id],
        )
        for model_id in model_ids
        if model_id in rows
    ]


def check_model_name(name: str) -> str:
    """Return the name of a logged model.

    Raises:
        InvalidData: it is empty, too long, or holds what paths and references are made of.
    """
    check_name(name, "a logged model")
    if held := _NOT_IN_NAMES & set(name):
        raise InvalidData(f"the name of a logged model cannot hold {' '.join(sorted(held))}: '{name}'", name=name)
    return name


def _required(connection: Connection, model_id: str, *, deleted: bool = False) -> LoggedModel:
    found = described(connection, [model_id])
    if not found or (found[0].deleted_at is not None and not deleted):
        raise NotFound(f"there is no logged model '{model_id}'", model=model_id)
    return found[0]


def _metric(row: Row[Any]) -> ModelMetric:
    return ModelMetric(
        key=row.key,
        value=math.nan if row.value is None else row.value,
        step=row.step,
        at=row.at,
        run_id=row.run_id,
        dataset=row.dataset,
        digest=row.digest,
    )
