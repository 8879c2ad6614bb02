"""Endpoints of the versions of registered models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import InvalidData, UsageError
from mainspring.serving.gating import check_move
from mainspring.tracking.sources import register_source
from mainspring.versioning import catalogue, labels, registry, removal
from mainspring.versioning.delivery import deliver_in_background
from mainspring.web.mlflow.dispatch import Endpoint
from mainspring.web.mlflow.wire import Pair, mapping, pairs

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.catalogue import VersionEntry

SHOWN_STAGES = {"development": "None", "staging": "Staging", "production": "Production", "archived": "Archived"}
_STAGES_IN = {shown.lower(): stage for stage, shown in SHOWN_STAGES.items()}
_MOST = 200_000
_REASON = "by an MLflow client"


class Create(msgspec.Struct):
    """A new version of a model, and where its files are."""

    name: str
    source: str
    run_id: str = ""
    tags: list[Pair] = []
    run_link: str | None = None
    description: str | None = None
    model_id: str = ""


class ByNumber(msgspec.Struct):
    """The version of a model with a number."""

    name: str
    version: str


class Update(ByNumber):
    """Another description of a version."""

    description: str | None = None


class Transition(ByNumber):
    """Another stage for a version."""

    stage: str = ""
    archive_existing_versions: bool = False


class Search(msgspec.Struct):
    """A page of versions."""

    filter: str = ""
    max_results: int = _MOST
    order_by: list[str] = []
    page_token: str = ""


class Tag(ByNumber):
    """A tag of a version."""

    key: str = ""
    value: str = ""


def wire_version(entry: VersionEntry) -> dict[str, Any]:
    """Return a version as the protocol writes it."""
    version = entry.version
    answer = {
        "name": version.model,
        "version": str(version.number),
        "creation_timestamp": version.created_at,
        "last_updated_timestamp": version.updated_at or version.created_at,
        "user_id": version.actor,
        "current_stage": SHOWN_STAGES[version.stage],
        "description": version.description,
        "source": version.source or download_uri(entry),
        "run_id": version.run_id or "",
        "status": "READY",
        "tags": pairs(entry.tags),
        "run_link": version.run_link or "",
        "aliases": entry.aliases,
        "model_id": version.logged_model_id,
    }
    return {key: value for key, value in answer.items() if value not in (None, [])}


def download_uri(entry: VersionEntry) -> str:
    """Return where a client finds the files of a version: here, unless nothing of it is stored here."""
    version = entry.version
    if not version.artifact and version.source:
        return version.source
    return f"mlflow-artifacts:/models/{version.model}/{version.number}"


def stage_in(stage: str) -> str:
    """Return our word for a stage of the protocol.

    >>> stage_in("none"), stage_in("Production")
    ('development', 'production')

    Raises:
        InvalidData: there is no such stage.
    """
    if stage.lower() not in _STAGES_IN:
        known = ", ".join(SHOWN_STAGES.values())
        raise InvalidData(f"Invalid Model Version stage: {stage}. Value must be one of {known}.")
    return _STAGES_IN[stage.lower()]


def number_in(version: str) -> str:
    """Return the number of a version that a client names.

    Raises:
        InvalidData: it is no number.
    """
    text = version.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidData(f"Parameter 'version' must be an integer, got '{version[:40]}'")
    return str(int(text))


def create(workspace: Workspace, request: Create) -> dict[str, Any]:
    """Register a version."""
    made = register_source(
        workspace,
        request.name,
        request.source,
        run_id=request.run_id or None,
        model_id=request.model_id or None,
        run_link=request.run_link,
        description=request.description,
        tags=mapping(request.tags, "tag", last=True),
    )
    deliver_in_background(workspace)
    return {"model_version": wire_version(made)}


def get(workspace: Workspace, request: ByNumber) -> dict[str, Any]:
    """Return a version."""
    return {"model_version": wire_version(_get(workspace, request))}


def update(workspace: Workspace, request: Update) -> dict[str, Any]:
    """Describe a version."""
    labels.describe_version(workspace, request.name, number_in(request.version), request.description)
    return get(workspace, request)


def transition(workspace: Workspace, request: Transition) -> dict[str, Any]:
    """Move a version to another stage; to where it is already, nothing happens."""
    stage = stage_in(request.stage)
    if request.archive_existing_versions and stage not in ("staging", "production"):
        raise UsageError(
            f"existing versions cannot be archived when a version goes to {request.stage}",
            hint="archive_existing_versions is for Staging and Production",
        )
    found = _get(workspace, request).version
    if found.stage != stage:
        check_move(workspace, found, stage)
        registry.transition(
            workspace,
            found.model,
            found.version,
            stage,
            reason=_REASON,
            alone=request.archive_existing_versions,
        )
    return get(workspace, request)


def delete(workspace: Workspace, request: ByNumber) -> None:
    """Remove a version."""
    removal.delete_version(workspace, request.name, number_in(request.version), reason=f"deleted {_REASON}")


def download(workspace: Workspace, request: ByNumber) -> dict[str, Any]:
    """Say where the files of a version are."""
    return {"artifact_uri": download_uri(_get(workspace, request))}


def search(workspace: Workspace, request: Search) -> dict[str, Any]:
    """Find versions."""
    if not 1 <= request.max_results <= _MOST:
        raise UsageError(f"Invalid value for parameter 'max_results': {request.max_results}, from 1 to {_MOST}")
    page = catalogue.search_versions(
        workspace,
        request.filter,
        order=request.order_by,
        most=request.max_results,
        token=request.page_token or None,
    )
    answer: dict[str, Any] = {"model_versions": [wire_version(entry) for entry in page.entries]} if page.entries else {}
    return answer if page.token is None else answer | {"next_page_token": page.token}


def set_tag(workspace: Workspace, request: Tag) -> None:
    """Set a tag."""
    labels.set_version_tags(workspace, request.name, number_in(request.version), {request.key: request.value})
    deliver_in_background(workspace)


def delete_tag(workspace: Workspace, request: Tag) -> None:
    """Remove a tag."""
    labels.delete_version_tag(workspace, request.name, number_in(request.version), request.key)
    deliver_in_background(workspace)


def _get(workspace: Workspace, request: ByNumber) -> VersionEntry:
    return catalogue.get_version(workspace, request.name, number_in(request.version))


ENDPOINTS = [
    Endpoint("POST", "model-versions/create", Create, create),
    Endpoint("GET", "model-versions/get", ByNumber, get),
    Endpoint("PATCH", "model-versions/update", Update, update),
    Endpoint("POST", "model-versions/transition-stage", Transition, transition),
    Endpoint("DELETE", "model-versions/delete", ByNumber, delete),
    Endpoint("GET", "model-versions/get-download-uri", ByNumber, download),
    Endpoint("GET", "model-versions/search", Search, search),
    Endpoint("POST", "model-versions/search", Search, search),
    Endpoint("POST", "model-versions/set-tag", Tag, set_tag),
    Endpoint("DELETE", "model-versions/delete-tag", Tag, delete_tag),
]
