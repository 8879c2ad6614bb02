"""Endpoints of experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import InvalidData, NotFound
from mainspring.tracking import experiments
from mainspring.web.mlflow.dispatch import Endpoint
from mainspring.web.mlflow.wire import Pair, mapping, pairs

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.experiments import Experiment

_REMOTE = ("s3://", "gs://", "wasbs://", "abfss://", "hdfs://", "dbfs:/", "r2://", "b2://")


class Create(msgspec.Struct):
    """A new experiment."""

    name: str
    artifact_location: str = ""
    tags: list[Pair] = []


class ById(msgspec.Struct):
    """The experiment with an id."""

    experiment_id: str


class ByName(msgspec.Struct):
    """The experiment with a name."""

    experiment_name: str


class Rename(msgspec.Struct):
    """Another name for an experiment."""

    experiment_id: str
    new_name: str


class Tag(msgspec.Struct):
    """A tag of an experiment."""

    experiment_id: str
    key: str
    value: str = ""


class TagKey(msgspec.Struct):
    """The name of a tag of an experiment."""

    experiment_id: str
    key: str


def wire(experiment: Experiment) -> dict[str, Any]:
    """Return an experiment as the protocol writes it."""
    return {
        "experiment_id": experiment.id,
        "name": experiment.name,
        "artifact_location": experiment.artifact_location or f"mlflow-artifacts:/{experiment.id}",
        "lifecycle_stage": experiment.lifecycle,
        "creation_time": experiment.created_at,
        "last_update_time": experiment.updated_at,
        "tags": pairs(experiment.tags),
    }


def create(workspace: Workspace, request: Create) -> dict[str, Any]:
    """Make an experiment."""
    place = request.artifact_location or None
    if place is not None and place.startswith("mlflow-artifacts:"):
        place = None
    if place is not None and not place.startswith(_REMOTE):
        raise InvalidData(
            f"'{place}' cannot be an artifact location",
            hint="leave it out, and the server keeps the artifacts; or name a bucket that the clients can reach",
        )
    tags = mapping(request.tags, "tag")
    made = experiments.create_experiment(workspace, request.name, tags=tags, artifact_location=place)
    return {"experiment_id": made.id}


def get(workspace: Workspace, request: ById) -> dict[str, Any]:
    """Return an experiment."""
    return {"experiment": wire(found(workspace, request.experiment_id))}


def get_by_name(workspace: Workspace, request: ByName) -> dict[str, Any]:
    """Return an experiment."""
    experiment = experiments.get_experiment(workspace, request.experiment_name)
    if experiment.name != request.experiment_name:
        raise NotFound(f"Could not find experiment with name '{request.experiment_name}'")
    return {"experiment": wire(experiment)}


def found(workspace: Workspace, experiment_id: str) -> Experiment:
    """Return the experiment with exactly this id.

    Raises:
        NotFound: there is none.
    """
    experiment = experiments.get_experiment(workspace, experiment_id)
    if experiment.id != experiment_id:
        raise NotFound(f"No Experiment with id={experiment_id} exists")
    return experiment


def rename(workspace: Workspace, request: Rename) -> None:
    """Give an experiment another name."""
    experiments.rename_experiment(workspace, found(workspace, request.experiment_id).id, request.new_name)


def delete(workspace: Workspace, request: ById) -> None:
    """Hide an experiment."""
    experiments.delete_experiment(workspace, found(workspace, request.experiment_id).id)


def restore(workspace: Workspace, request: ById) -> None:
    """Show a deleted experiment again."""
    experiments.restore_experiment(workspace, found(workspace, request.experiment_id).id)


def set_tag(workspace: Workspace, request: Tag) -> None:
    """Set a tag."""
    experiments.set_experiment_tags(workspace, found(workspace, request.experiment_id).id, {request.key: request.value})


def delete_tag(workspace: Workspace, request: TagKey) -> None:
    """Remove a tag."""
    experiments.delete_experiment_tag(workspace, found(workspace, request.experiment_id).id, request.key)


ENDPOINTS = [
    Endpoint("POST", "experiments/create", Create, create),
    Endpoint("GET", "experiments/get", ById, get),
    Endpoint("GET", "experiments/get-by-name", ByName, get_by_name),
    Endpoint("POST", "experiments/update", Rename, rename),
    Endpoint("POST", "experiments/delete", ById, delete),
    Endpoint("POST", "experiments/restore", ById, restore),
    Endpoint("POST", "experiments/set-experiment-tag", Tag, set_tag),
    Endpoint("POST", "experiments/delete-experiment-tag", TagKey, delete_tag),
]
