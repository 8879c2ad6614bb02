"""Where a model version comes from and where it went: run, snapshot, data, and the releases that deployed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.base.clock import iso
from mainspring.base.errors import NotFound
from mainspring.serving import records
from mainspring.tracking.runs import get_run
from mainspring.versioning.described import describe

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

_PARENT = "mlflow.parentRunId"


def trace(workspace: Workspace, reference: str) -> dict[str, Any]:
    """Return what ``describe`` tells of a version, with its run and its deployments, newest first.

    Raises:
        NotFound, Corrupted: as ``describe``.
    """
    about = describe(workspace, reference)
    return about | {
        "run": _run(workspace, about["run_id"]),
        "deployments": _deployments(workspace, about["model"], about["version"]),
    }


def _run(workspace: Workspace, run_id: str | None) -> dict[str, Any] | None:
    if run_id is None:
        return None
    try:
        run = get_run(workspace, run_id)
    except NotFound:
        return None
    return {
        "id": run.id,
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status if run.lifecycle == "active" else run.lifecycle,
        "parent": run.tags.get(_PARENT),
        "inputs": [{"dataset": item.dataset, "md5": item.md5} for item in run.lineage.inputs],
    }


def _deployments(workspace: Workspace, model: str, version: str) -> list[dict[str, Any]]:
    with workspace.database.read() as connection:
        releases = records.select_releases(connection, model, version=version)
        row = records.latest_routes(connection, model)
    roles = {} if row is None else {route["version"]: route["role"] for route in row.routes["routes"]}
    return [
        {
            "endpoint": release.endpoint,
            "state": release.state,
            "at": iso(release.started_at),
            "actor": release.actor,
            "reason": release.reason,
            "role": roles.get(version) if release is releases[0] else None,
        }
        for release in releases
    ]
