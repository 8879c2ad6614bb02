"""Runs as records, for whoever has their id: made, read, changed, deleted and restored.

``run`` and ``recording`` are for the program that trains; here are the verbs of the doors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from mainspring.base import clock
from mainspring.base.errors import Conflict, NotFound, UsageError
from mainspring.base.ids import new_id
from mainspring.tracking import search
from mainspring.tracking.batch import checked_params, checked_tags, write
from mainspring.tracking.limits import check_name, moment
from mainspring.tracking.records import experiments as experiment_rows
from mainspring.tracking.records import runs as run_rows
from mainspring.tracking.records import values as value_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.search import RunInfo

Status = Literal["running", "scheduled", "finished", "failed", "killed"]


def create_run(
    workspace: Workspace,
    experiment_id: str,
    *,
    name: str | None = None,
    actor: str | None = None,
    started_at: int | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, object] | None = None,
) -> RunInfo:
    """Record that a run starts somewhere; ended by ``update_run``. It has no snapshot.

    Raises:
        NotFound: there is no such experiment.
        Conflict: the experiment was deleted.
        InvalidData: a name or a value cannot be logged.
    """
    given, labels = checked_params(params or {}), checked_tags(tags or {})
    run_id = new_id()
    with workspace.database.write() as connection:
        experiment = experiment_rows.by(connection, "id", experiment_id)
        if experiment is None:
            raise NotFound(f"there is no experiment with the id '{experiment_id}'", experiment=experiment_id)
        if experiment.lifecycle != "active":
            raise Conflict(f"the experiment '{experiment.name}' was deleted", hint="restore it first")
        if name is None:
            name = f"{experiment.name[:400]}-{run_rows.count(connection, experiment_id) + 1}"
        row = {
            "id": run_id,
            "experiment_id": experiment_id,
            "name": check_name(name, "a run"),
            "status": "running",
            "started_at": clock.now() if started_at is None else moment(started_at, "the start of a run"),
            "actor": workspace.actor if actor is None else actor,
        }
        run_rows.add(connection, row)
        write(connection, run_id, params=given, tags=labels)
        return search.described(connection, run_id)


def get_run(workspace: Workspace, run_id: str) -> RunInfo:
    """Return the run with exactly this id, deleted or not.

    Raises:
        NotFound: there is none.
    """
    with workspace.database.read() as connection:
        return search.described(connection, run_id)


def update_run(
    workspace: Workspace,
    run_id: str,
    *,
    status: Status | None = None,
    ended_at: int | None = None,
    name: str | None = None,
    tags: Mapping[str, object] | None = None,
) -> RunInfo:
    """Change what is recorded of a run.

    Raises:
        NotFound: there is no such run.
        Conflict: it was deleted.
        UsageError: there is no such status.
        InvalidData: the name cannot be a run's.
    """
    if status is not None and status not in get_args(Status):
        raise UsageError(f"'{status}' is no status of a run", hint=f"use one of {', '.join(get_args(Status))}")
    ended_at = None if ended_at is None else moment(ended_at, "the end of a run")
    values = {"status": status, "ended_at": ended_at, "name": None if name is None else check_name(name, "a run")}
    changed = {key: value for key, value in values.items() if value is not None}
    labels = checked_tags(tags or {})
    with workspace.database.write() as connection:
        run_rows.check_active(connection, run_id)
        if changed:
            run_rows.change(connection, run_id, **changed)
        write(connection, run_id, tags=labels)
        return search.described(connection, run_id)


def delete_run(workspace: Workspace, run_id: str) -> None:
    """Hide a run. Nothing is removed; deleting it again changes nothing.

    Raises:
        NotFound: there is no such run.
    """
    _mark(workspace, run_id, "deleted")


def restore_run(workspace: Workspace, run_id: str) -> None:
    """Show a deleted run again.

    Raises:
        NotFound: there is no such run.
        Conflict: its experiment was deleted; nothing changes.
    """
    _mark(workspace, run_id, "active")


def delete_tag(workspace: Workspace, run_id: str, key: str) -> None:
    """Remove a tag of a run.

    Raises:
        NotFound: there is no such run, or it has no such tag.
        Conflict: the run was deleted.
    """
    with workspace.database.write() as connection:
        run_rows.check_active(connection, run_id)
        if not value_rows.drop_tag(connection, run_id, key):
            raise NotFound(f"the run {run_id} has no tag '{key}'", run=run_id, tag=key)


def _mark(workspace: Workspace, run_id: str, lifecycle: str) -> None:
    with workspace.database.write() as connection:
        held = run_rows.lifecycle(connection, run_id)
        if held is None:
            raise NotFound(f"there is no run '{run_id}'", run=run_id)
        if held != lifecycle:
            deleted_at = clock.now() if lifecycle == "deleted" else None
            run_rows.change(connection, run_id, lifecycle=lifecycle, deleted_at=deleted_at)
        if lifecycle == "active":
            run_rows.check_active(connection, run_id)
