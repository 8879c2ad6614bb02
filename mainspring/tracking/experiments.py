"""Experiments: the names that runs are grouped under."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base import clock
from mainspring.base.errors import Conflict, NotFound, did_you_mean
from mainspring.base.ids import new_id
from mainspring.tracking.limits import check_name
from mainspring.tracking.records import experiments as experiment_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from mainspring.store.workspace import Workspace


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """A group of runs; a ``deleted`` one is hidden with its runs, and can be restored."""

    id: str
    name: str
    lifecycle: str
    created_at: int


def create_experiment(workspace: Workspace, name: str) -> Experiment:
    """Make an experiment.

    Raises:
        Conflict: the name is taken, be it by a deleted one.
        InvalidData: the name is empty or too long.
    """
    row = _fresh(name)
    with workspace.database.write() as connection:
        if not experiment_rows.add(connection, row):
            raise Conflict(f"there is an experiment '{name}' already", experiment=name)
    return Experiment(**row)


def ensure_experiment(connection: Connection, name: str) -> Experiment:
    """Return the experiment of that name, made if it is missing, whoever races, inside the caller's transaction.

    Raises:
        Conflict: it was deleted.
    """
    found = experiment_rows.by(connection, name=name)
    if found is None:
        experiment_rows.add(connection, _fresh(name))
        found = experiment_rows.by(connection, name=name)
        assert found is not None
    if found.lifecycle != "active":
        raise Conflict(f"the experiment '{name}' was deleted", hint="restore it, or use another name", experiment=name)
    return _experiment(found)


def get_experiment(workspace: Workspace, reference: str) -> Experiment:
    """Return the experiment with that id or name, deleted or not.

    Raises:
        NotFound: there is none.
    """
    with workspace.database.read() as connection:
        for column in ("id", "name"):
            if (found := experiment_rows.by(connection, **{column: reference})) is not None:
                return _experiment(found)
        names = [row.name for row in experiment_rows.rows(connection, deleted=True)]
    hint = did_you_mean(reference, names) or f"known experiments: {', '.join(names) or 'none yet'}"
    raise NotFound(f"there is no experiment '{reference}'", hint=hint, experiment=reference)


def list_experiments(workspace: Workspace, *, deleted: bool = False) -> list[Experiment]:
    """Return the experiments, oldest first; with ``deleted`` the deleted ones too."""
    with workspace.database.read() as connection:
        return [_experiment(row) for row in experiment_rows.rows(connection, deleted=deleted)]


def delete_experiment(workspace: Workspace, reference: str) -> None:
    """Hide an experiment and its runs. Nothing is removed.

    Raises:
        NotFound: there is none.
    """
    _mark(workspace, reference, "deleted")


def restore_experiment(workspace: Workspace, reference: str) -> None:
    """Show a deleted experiment again.

    Raises:
        NotFound: there is none.
    """
    _mark(workspace, reference, "active")


def _mark(workspace: Workspace, reference: str, lifecycle: str) -> None:
    found = get_experiment(workspace, reference)
    with workspace.database.write() as connection:
        experiment_rows.change(connection, found.id, lifecycle=lifecycle, updated_at=clock.now())


def _fresh(name: str) -> dict[str, Any]:
    check_name(name, "an experiment")
    return {"id": new_id(), "name": name, "lifecycle": "active", "created_at": clock.now()}


def _experiment(row: Row[Any]) -> Experiment:
    return Experiment(id=row.id, name=row.name, lifecycle=row.lifecycle, created_at=row.created_at)
