"""Endpoints of runs: their lives, and what they log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import InvalidData, UsageError
from mainspring.tracking import runs
from mainspring.tracking.batch import ModelPoint, log_batch, point
from mainspring.tracking.lineage import CONTEXT_TAG
from mainspring.web.mlflow.dispatch import Endpoint
from mainspring.web.mlflow.wire import Pair, mapping, number_in, number_out, pairs, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.batch import Point
    from mainspring.tracking.search import Input, RunInfo

BATCH_BYTES = 1_000_000
_METRICS, _PARAMS, _TAGS, _ENTITIES = 1000, 100, 100, 1000
NAME_TAG = "mlflow.runName"
SOURCE_TYPE = "mainspring"
"""What clients are told of where the workspace's own datasets come from."""
_STATUSES = {"lost": "running"}
_NUMBERED = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}


class Create(msgspec.Struct):
    """A new run."""

    experiment_id: str = "0"
    user_id: str = ""
    run_name: str = ""
    start_time: int | None = None
    tags: list[Pair] = []


class ById(msgspec.Struct):
    """The run with an id; ``run_uuid`` is what old clients call it."""

    run_id: str = ""
    run_uuid: str = ""

    @property
    def id(self) -> str:
        """The id, by whichever name it came."""
        if not (self.run_id or self.run_uuid):
            raise UsageError("Missing value for required parameter 'run_id'.")
        return self.run_id or self.run_uuid


class Update(ById):
    """What changed of a run."""

    status: str | int = ""
    end_time: int | None = None
    run_name: str = ""


class Metric(msgspec.Struct):
    """A value of a metric."""

    key: str
    value: float | str
    timestamp: int
    step: int | None = None
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class WireMetric(msgspec.Struct, gc=False):
    """The newest value of a metric in an answer."""

    key: str
    value: float | str
    timestamp: int
    step: int


class LogMetric(ById):
    """A value of a metric of a run."""

    key: str = ""
    value: float | str | None = None
    timestamp: int | None = None
    step: int | None = None
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class LogPair(ById):
    """A param or a tag of a run."""

    key: str = ""
    value: str = ""


class LogBatch(ById):
    """Many things that a run logs at once."""

    metrics: list[Metric] = []
    params: list[Pair] = []
    tags: list[Pair] = []


def wire_info(run: RunInfo) -> dict[str, Any]:
    """Return what the protocol calls the info of a run."""
    info = {
        "run_id": run.id,
        "run_uuid": run.id,
        "run_name": run.name,
        "experiment_id": run.experiment_id,
        "user_id": run.actor,
        "status": _STATUSES.get(run.status, run.status).upper(),
        "start_time": run.started_at,
        "artifact_uri": f"{run.artifact_location or f'mlflow-artifacts:/{run.experiment_id}'}/{run.id}/artifacts",
        "lifecycle_stage": run.lifecycle,
    }
    return info if run.ended_at is None else info | {"end_time": run.ended_at}


def wire(run: RunInfo) -> dict[str, Any]:
    """Return a run as the protocol writes it."""
    tags = run.tags if NAME_TAG in run.tags else run.tags | {NAME_TAG: run.name}
    data = {
        "metrics": [WireMetric(key, number_out(at.value), at.at, at.step) for key, at in run.metrics.items()],
        "params": [Pair(key, value) for key, value in run.params.items()],
        "tags": [Pair(key, value) for key, value in tags.items()],
    }
    inputs: dict[str, Any] = {}
    if run.lineage.inputs:
        inputs["dataset_inputs"] = [_wire_input(item) for item in run.lineage.inputs]
    if run.lineage.models_read:
        inputs["model_inputs"] = [{"model_id": model_id} for model_id in run.lineage.models_read]
    made = [{"model_id": model_id, "step": step} for model_id, step in run.lineage.models_made]
    return {
        "info": wire_info(run),
        "data": data,
        "inputs": inputs,
        "outputs": {"model_outputs": made} if made else {},
    }


def _wire_input(item: Input) -> dict[str, Any]:
    dataset = {
        "name": item.dataset,
        "digest": item.md5,
        "source_type": item.source_type or SOURCE_TYPE,
        "source": item.path if item.source_type else msgspec.json.encode({"path": item.path}).decode(),
    }
    dataset |= {name: text for name in ("schema", "profile") if (text := getattr(item, name)) is not None}
    tags = item.tags or ({CONTEXT_TAG: item.context} if item.context else {})
    return {"dataset": dataset, "tags": pairs(tags)}


def create(workspace: Workspace, request: Create) -> dict[str, Any]:
    """Record that a run starts."""
    tags = mapping(request.tags, "tag")
    if request.run_name and tags.get(NAME_TAG, request.run_name) != request.run_name:
        raise InvalidData(
            f"the run is called '{request.run_name}' and, by the tag {NAME_TAG}, '{tags[NAME_TAG]}'",
            hint="give one name",
        )
    run = runs.create_run(
        workspace,
        request.experiment_id,
        name=request.run_name or tags.get(NAME_TAG) or None,
        actor=request.user_id or tags.get("mlflow.user", ""),
        started_at=request.start_time,
        tags=tags,
    )
    return {"run": wire(run)}


def get(workspace: Workspace, request: ById) -> dict[str, Any]:
    """Return a run."""
    return {"run": wire(runs.get_run(workspace, request.id))}


def update(workspace: Workspace, request: Update) -> dict[str, Any]:
    """Change what is recorded of a run."""
    run = runs.update_run(
        workspace,
        request.id,
        status=_NUMBERED.get(str(request.status), str(request.status)).lower() or None,  # type: ignore[arg-type]  # the verb refuses other words
        ended_at=request.end_time,
        name=request.run_name or None,
        tags={NAME_TAG: request.run_name} if told(request.run_name) else None,
    )
    return {"run_info": wire_info(run)}


def delete(workspace: Workspace, request: ById) -> None:
    """Hide a run."""
    runs.delete_run(workspace, request.id)


def restore(workspace: Workspace, request: ById) -> None:
    """Show a deleted run again."""
    runs.restore_run(workspace, request.id)


def log_metric(workspace: Workspace, request: LogMetric) -> None:
    """Log a value of a metric."""
    for name in ("key", "value", "timestamp"):
        if not told(getattr(request, name)):
            raise UsageError(f"Missing value for required parameter '{name}'.")
    assert request.value is not None
    item = point(request.key, number_in(request.value), request.step or 0, request.timestamp)
    log_batch(workspace, request.id, metrics=[item], measured=_measured([request], [item]))


def log_param(workspace: Workspace, request: LogPair) -> None:
    """Log a param."""
    log_batch(workspace, request.id, params={request.key: request.value})


def set_tag(workspace: Workspace, request: LogPair) -> None:
    """Set a tag."""
    log_batch(workspace, request.id, tags={request.key: request.value})


def delete_tag(workspace: Workspace, request: LogPair) -> None:
    """Remove a tag."""
    if not request.key:
        raise UsageError("Missing value for required parameter 'key'.")
    runs.delete_tag(workspace, request.id, request.key)


def batch(workspace: Workspace, request: LogBatch) -> None:
    """Log many things at once, all of them or none."""
    _check_limit("metrics", request.metrics, _METRICS)
    _check_limit("params", request.params, _PARAMS)
    _check_limit("tags", request.tags, _TAGS)
    _check_limit("entities", [*request.metrics, *request.params, *request.tags], _ENTITIES)
    points = [point(item.key, number_in(item.value), item.step or 0, item.timestamp) for item in request.metrics]
    log_batch(
        workspace,
        request.id,
        params=mapping(request.params, "param"),
        metrics=points,
        tags={item.key: item.value for item in request.tags},
        measured=_measured(request.metrics, points),
    )


def _measured(given: Sequence[Metric | LogMetric], points: Sequence[Point]) -> list[ModelPoint]:
    """Return the points that name a logged model."""
    return [
        ModelPoint(item.model_id, *made[:4], item.dataset_name, item.dataset_digest)
        for item, made in zip(given, points, strict=True)
        if item.model_id
    ]


def _check_limit(what: str, given: Sequence[object], most: int) -> None:
    if len(given) > most:
        raise InvalidData(f"a batch can hold at most {most} {what}, this one has {len(given)}", hint="send several")


ENDPOINTS = [
    Endpoint("POST", "runs/create", Create, create),
    Endpoint("GET", "runs/get", ById, get),
    Endpoint("POST", "runs/update", Update, update),
    Endpoint("POST", "runs/delete", ById, delete),
    Endpoint("POST", "runs/restore", ById, restore),
    Endpoint("POST", "runs/log-metric", LogMetric, log_metric),
    Endpoint("POST", "runs/log-parameter", LogPair, log_param),
    Endpoint("POST", "runs/set-tag", LogPair, set_tag),
    Endpoint("POST", "runs/delete-tag", LogPair, delete_tag),
    Endpoint("POST", "runs/log-batch", LogBatch, batch, BATCH_BYTES),
]
