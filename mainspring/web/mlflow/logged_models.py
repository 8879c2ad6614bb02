"""Endpoints of logged models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import UsageError
from mainspring.tracking import logged_models
from mainspring.web.mlflow.dispatch import Endpoint
from mainspring.web.mlflow.wire import Pair, mapping, number_out, pairs

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.logged_models import LoggedModel, Status

_STATUSES: dict[Status, tuple[str, int]] = {
    "pending": ("LOGGED_MODEL_PENDING", 1),
    "ready": ("LOGGED_MODEL_READY", 2),
    "failed": ("LOGGED_MODEL_UPLOAD_FAILED", 3),
}


class Create(msgspec.Struct):
    """A new logged model."""

    experiment_id: str
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[Pair] = []
    tags: list[Pair] = []


class ById(msgspec.Struct):
    """The logged model with an id."""

    model_id: str
    allow_deleted: bool = False


class Finalize(ById):
    """How the upload of a model ended."""

    status: str | int = ""
    status_message: str = ""


class Tags(ById):
    """Tags of a logged model."""

    tags: list[Pair] = []


class Params(ById):
    """Params of a logged model."""

    params: list[Pair] = []


class TagKey(ById):
    """The name of a tag of a logged model."""

    tag_key: str = ""


def wire(model: LoggedModel) -> dict[str, Any]:
    """Return a logged model as the protocol writes it."""
    place = model.artifact_location or f"mlflow-artifacts:/{model.experiment_id}"
    return {
        "info": {
            "model_id": model.id,
            "experiment_id": model.experiment_id,
            "name": model.name,
            "creation_timestamp_ms": model.created_at,
            "last_updated_timestamp_ms": model.updated_at,
            "artifact_uri": f"{place}/models/{model.id}/artifacts",
            "status": _STATUSES[model.status][0],
            "status_message": model.status_message or "",
            "model_type": model.type,
            "source_run_id": model.run_id or "",
            "tags": pairs(model.tags),
        },
        "data": {
            "params": pairs(model.params),
            "metrics": [
                {
                    "key": item.key,
                    "value": number_out(item.value),
                    "timestamp": item.at,
                    "step": item.step,
                    "run_id": item.run_id,
                    "model_id": model.id,
                    "dataset_name": item.dataset,
                    "dataset_digest": item.digest,
                }
                for item in model.metrics
            ],
        },
    }


def create(workspace: Workspace, request: Create) -> dict[str, Any]:
    """Record a model whose files are to come."""
    made = logged_models.create_logged_model(
        workspace,
        request.experiment_id,
        name=request.name or None,
        type=request.model_type,
        run_id=request.source_run_id or None,
        params=mapping(request.params, "param"),
        tags=mapping(request.tags, "tag"),
    )
    return {"model": wire(made)}


def get(workspace: Workspace, request: ById) -> dict[str, Any]:
    """Return a logged model."""
    return {"model": wire(logged_models.get_logged_model(workspace, request.model_id, deleted=request.allow_deleted))}


def finalize(workspace: Workspace, request: Finalize) -> dict[str, Any]:
    """Say how the upload of a model ended."""
    for status, names in _STATUSES.items():
        if request.status in (*names, str(names[1])):
            message = request.status_message or None
            made = logged_models.finalize_logged_model(workspace, request.model_id, status, message)
            return {"model": wire(made)}
    known = ", ".join(name for name, _ in _STATUSES.values())
    raise UsageError(f"'{request.status}' is no status of a logged model", hint=f"use one of {known}")


def delete(workspace: Workspace, request: ById) -> None:
    """Hide a logged model."""
    logged_models.delete_logged_model(workspace, request.model_id)


def set_tags(workspace: Workspace, request: Tags) -> dict[str, Any]:
    """Set tags."""
    logged_models.set_model_tags(workspace, request.model_id, {item.key: item.value for item in request.tags})
    return get(workspace, request)


def delete_tag(workspace: Workspace, request: TagKey) -> None:
    """Remove a tag."""
    logged_models.delete_model_tag(workspace, request.model_id, request.tag_key)


def log_params(workspace: Workspace, request: Params) -> None:
    """Add params."""
    logged_models.log_model_params(workspace, request.model_id, mapping(request.params, "param"))


ENDPOINTS = [
    Endpoint("POST", "logged-models", Create, create),
    Endpoint("GET", "logged-models/{model_id}", ById, get),
    Endpoint("PATCH", "logged-models/{model_id}", Finalize, finalize),
    Endpoint("DELETE", "logged-models/{model_id}", ById, delete),
    Endpoint("PATCH", "logged-models/{model_id}/tags", Tags, set_tags),
    Endpoint("DELETE", "logged-models/{model_id}/tags/{tag_key}", TagKey, delete_tag),
    Endpoint("POST", "logged-models/{model_id}/params", Params, log_params),
]
