"""Endpoints of what runs read and made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import InvalidData
from mainspring.tracking.batch import log_batch
from mainspring.tracking.limits import MODELS_TAG
from mainspring.tracking.lineage import ReadDataset, log_inputs, log_outputs
from mainspring.tracking.runs import get_run
from mainspring.web.mlflow.dispatch import Endpoint
from mainspring.web.mlflow.runs import ById
from mainspring.web.mlflow.wire import Pair, mapping

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

_DATASETS = 1000
_MODEL_FIELDS = ("artifact_path", "flavors", "utc_time_created", "run_id")


class Dataset(msgspec.Struct):
    """A dataset."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class DatasetInput(msgspec.Struct):
    """A dataset that was read, and what for."""

    dataset: Dataset
    tags: list[Pair] = []


class ModelInput(msgspec.Struct):
    """A logged model that was read."""

    model_id: str


class ModelOutput(msgspec.Struct):
    """A logged model that was made."""

    model_id: str
    step: int = 0


class Inputs(ById):
    """What a run read."""

    datasets: list[DatasetInput] = msgspec.field(default_factory=list)
    models: list[ModelInput] = msgspec.field(default_factory=list)


class Outputs(ById):
    """What a run made."""

    models: list[ModelOutput] = msgspec.field(default_factory=list)


class LogModel(ById):
    """A model as clients before MLflow 3 log it: as JSON, kept in a tag."""

    model_json: str = ""


def inputs(workspace: Workspace, request: Inputs) -> None:
    """Record what a run read."""
    if len(request.datasets) > _DATASETS:
        raise InvalidData(f"a request can hold at most {_DATASETS} datasets", hint="send several")
    datasets = [
        ReadDataset(**msgspec.structs.asdict(item.dataset), tags=mapping(item.tags, "tag")) for item in request.datasets
    ]
    log_inputs(workspace, request.id, datasets=datasets, model_ids=[item.model_id for item in request.models])


def outputs(workspace: Workspace, request: Outputs) -> None:
    """Record what a run made."""
    log_outputs(workspace, request.id, [(item.model_id, item.step) for item in request.models])


def log_model(workspace: Workspace, request: LogModel) -> None:
    """Add a model to those that the run's tag lists."""
    try:
        model = msgspec.json.decode(request.model_json, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise InvalidData(f"'model_json' is no JSON object: {error}") from None
    if missing := [name for name in _MODEL_FIELDS if name not in model]:
        raise InvalidData(f"'model_json' lacks {', '.join(missing)}")
    try:
        held = msgspec.json.decode(get_run(workspace, request.id).tags.get(MODELS_TAG, "[]"), type=list[msgspec.Raw])
    except msgspec.MsgspecError:
        raise InvalidData(
            f"the tag '{MODELS_TAG}' of this run holds no list of models", hint="delete the tag"
        ) from None
    log_batch(workspace, request.id, tags={MODELS_TAG: msgspec.json.encode([*held, model]).decode()})


ENDPOINTS = [
    Endpoint("POST", "runs/log-inputs", Inputs, inputs, 64_000_000),
    Endpoint("POST", "runs/outputs", Outputs, outputs),
    Endpoint("POST", "runs/log-model", LogModel, log_model),
]
