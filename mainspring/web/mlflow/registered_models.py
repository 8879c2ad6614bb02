"""Endpoints of registered models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import UsageError
from mainspring.versioning import catalogue, labels, removal
from mainspring.versioning.delivery import deliver_in_background
from mainspring.web.mlflow.dispatch import Endpoint
from mainspring.web.mlflow.model_versions import SHOWN_STAGES, stage_in, wire_version
from mainspring.web.mlflow.wire import Pair, mapping, pairs

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.catalogue import ModelEntry

_MOST = 1000


class Create(msgspec.Struct):
    """A new model."""

    name: str
    tags: list[Pair] = []
    description: str | None = None


class ByName(msgspec.Struct):
    """The model with a name."""

    name: str


class Rename(msgspec.Struct):
    """Another name for a model."""

    name: str
    new_name: str


class Update(msgspec.Struct):
    """Another description of a model."""

    name: str
    description: str | None = None


class Search(msgspec.Struct):
    """A page of models."""

    filter: str = ""
    max_results: int = 100
    order_by: list[str] = []
    page_token: str = ""


class Latest(msgspec.Struct):
    """The newest versions of a model."""

    name: str
    stages: list[str] = []


class Tag(msgspec.Struct):
    """A tag of a model."""

    name: str
    key: str
    value: str = ""


class TagKey(msgspec.Struct):
    """The name of a tag of a model."""

    name: str
    key: str


class Alias(msgspec.Struct):
    """An alias, and the number of the version that it names."""

    name: str
    alias: str
    version: str


class AliasName(msgspec.Struct):
    """An alias of a model."""

    name: str
    alias: str


def wire(model: ModelEntry) -> dict[str, Any]:
    """Return a model as the protocol writes it."""
    answer = {
        "name": model.name,
        "creation_timestamp": model.created_at,
        "last_updated_timestamp": model.updated_at,
        "description": model.description,
        "latest_versions": [wire_version(entry) for entry in model.latest],
        "tags": pairs(model.tags),
        "aliases": [{"alias": alias, "version": str(number)} for alias, number in model.aliases.items()],
    }
    return {key: value for key, value in answer.items() if value not in (None, [])}


def create(workspace: Workspace, request: Create) -> dict[str, Any]:
    """Record a model."""
    labels.create_model(
        workspace, request.name, description=request.description, tags=mapping(request.tags, "tag", last=True)
    )
    deliver_in_background(workspace)
    return {"registered_model": wire(catalogue.get_model(workspace, request.name))}


def get(workspace: Workspace, request: ByName) -> dict[str, Any]:
    """Return a model."""
    return {"registered_model": wire(catalogue.get_model(workspace, request.name))}


def rename(workspace: Workspace, request: Rename) -> dict[str, Any]:
    """Give a model another name."""
    labels.rename_model(workspace, request.name, request.new_name)
    return {"registered_model": wire(catalogue.get_model(workspace, request.new_name))}


def update(workspace: Workspace, request: Update) -> dict[str, Any]:
    """Describe a model."""
    labels.describe_model(workspace, request.name, request.description or "")
    return {"registered_model": wire(catalogue.get_model(workspace, request.name))}


def delete(workspace: Workspace, request: ByName) -> None:
    """Remove a model."""
    removal.delete_model(workspace, request.name)


def search(workspace: Workspace, request: Search) -> dict[str, Any]:
    """Find models."""
    most = checked_most(request.max_results, _MOST)
    page = catalogue.search_models(
        workspace, request.filter, order=request.order_by, most=most, token=request.page_token or None
    )
    return paged("registered_models", [wire(model) for model in page.entries], page.token)


def latest(workspace: Workspace, request: Latest) -> dict[str, Any]:
    """Return the newest version of each stage."""
    stages = {stage_in(stage) for stage in request.stages} or set(SHOWN_STAGES)
    found = [entry for entry in catalogue.get_model(workspace, request.name).latest if entry.version.stage in stages]
    return {"model_versions": [wire_version(entry) for entry in found]} if found else {}


def set_tag(workspace: Workspace, request: Tag) -> None:
    """Set a tag."""
    labels.set_model_tags(workspace, request.name, {request.key: request.value})


def delete_tag(workspace: Workspace, request: TagKey) -> None:
    """Remove a tag."""
    labels.delete_model_tag(workspace, request.name, request.key)


def set_alias(workspace: Workspace, request: Alias) -> None:
    """Let an alias name a version."""
    labels.set_alias(workspace, request.name, request.alias, request.version)
    deliver_in_background(workspace)


def delete_alias(workspace: Workspace, request: AliasName) -> None:
    """Remove an alias."""
    labels.delete_alias(workspace, request.name, request.alias)
    deliver_in_background(workspace)


def get_by_alias(workspace: Workspace, request: AliasName) -> dict[str, Any]:
    """Return the version that an alias names."""
    return {"model_version": wire_version(catalogue.get_version_by_alias(workspace, request.name, request.alias))}


def checked_most(most: int, limit: int) -> int:
    """Return how many entries a page may have.

    Raises:
        UsageError: fewer than one, or more than the limit.
    """
    if not 1 <= most <= limit:
        raise UsageError(f"Invalid value for parameter 'max_results': {most}, it has to be from 1 to {limit}")
    return most


def paged(name: str, entries: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
    """Return a page as the protocol writes it."""
    answer: dict[str, Any] = {name: entries} if entries else {}
    return answer if token is None else answer | {"next_page_token": token}


ENDPOINTS = [
    Endpoint("POST", "registered-models/create", Create, create),
    Endpoint("GET", "registered-models/get", ByName, get),
    Endpoint("POST", "registered-models/rename", Rename, rename),
    Endpoint("PATCH", "registered-models/update", Update, update),
    Endpoint("DELETE", "registered-models/delete", ByName, delete),
    Endpoint("GET", "registered-models/search", Search, search),
    Endpoint("POST", "registered-models/search", Search, search),
    Endpoint("GET", "registered-models/get-latest-versions", Latest, latest),
    Endpoint("POST", "registered-models/get-latest-versions", Latest, latest),
    Endpoint("POST", "registered-models/set-tag", Tag, set_tag),
    Endpoint("DELETE", "registered-models/delete-tag", TagKey, delete_tag),
    Endpoint("POST", "registered-models/alias", Alias, set_alias),
    Endpoint("DELETE", "registered-models/alias", AliasName, delete_alias),
    Endpoint("GET", "registered-models/alias", AliasName, get_by_alias),
]
