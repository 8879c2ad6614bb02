"""Experiments: the names that runs are grouped under."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base import clock
from mainspring.base.errors import AlreadyExists, Conflict, NotFound, did_you_mean
from mainspring.base.ids import new_id
from mainspring.tracking.limits import check_key, check_name, long_tag_text
from mainspring.tracking.records import experiments as experiment_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.records.experiments import ExperimentRow

_TAG_LENGTH = 20_000


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """A group of runs; a ``deleted`` one is hidden with its runs, and can be restored."""

    id: str
    name: str
    lifecycle: str
    created_at: int
    updated_at: int
    artifact_location: str | None = None
    tags: dict[str, str] = {}


def create_experiment(
    workspace: Workspace, name: str, *, tags: Mapping[str, object] | None = None, artifact_location: str | None = None
) -> Experiment:
    """Make an experiment. ``artifact_location`` is for clients that store artifacts elsewhere themselves.

    Raises:
        AlreadyExists: the name is taken, be it by a deleted one.
        InvalidData: the name is empty or too long.
    """
    texts = _texts(tags or {})
    row = _fresh(name) | {"artifact_location": artifact_location}
    with workspace.database.write() as connection:
        if not experiment_rows.add(connection, row):
            raise AlreadyExists(f"there is an experiment '{name}' already", experiment=name)
        experiment_rows.put_tags(connection, row["id"], texts)
    return Experiment(**row, tags=texts)


def ensure_experiment(connection: Connection, name: str) -> Experiment:
    """Return the experiment of that name, made if it is missing, whoever races, inside the caller's transaction.

    Raises:
        Conflict: it was deleted.
    """
    found = experiment_rows.by(connection, "name", name)
    if found is None:
        experiment_rows.add(connection, _fresh(name))
        found = experiment_rows.by(connection, "name", name)
        assert found is not None
    if found.lifecycle != "active":
        raise Conflict(f"the experiment '{name}' was deleted", hint="restore it, or use another name", experiment=name)
    return shown(connection, [found])[0]


def ensure_default(workspace: Workspace) -> None:
    """Make the experiment with the id ``0`` if it is missing; whoever races."""
    with workspace.database.write() as connection:
        if experiment_rows.by(connection, "id", experiment_rows.DEFAULT) is None:
            for name in ("Default", "Default 0"):  # the first may be taken by an experiment of another id
                if experiment_rows.add(connection, _fresh(name) | {"id": experiment_rows.DEFAULT}):
                    return


def get_experiment(workspace: Workspace, reference: str) -> Experiment:
    """Return the experiment with that id or name, deleted or not.

    Raises:
        NotFound: there is none.
    """
    with workspace.database.read() as connection:
        for column in ("id", "name"):
            if (found := experiment_rows.by(connection, column, reference)) is not None:
                return shown(connection, [found])[0]
        names = [row.name for row in experiment_rows.rows(connection, deleted=True)]
    hint = did_you_mean(reference, names) or f"known experiments: {', '.join(names[:10]) or 'none yet'}"
    raise NotFound(f"there is no experiment '{reference}'", hint=hint, experiment=reference)


def list_experiments(workspace: Workspace, *, deleted: bool = False) -> list[Experiment]:
    """Return the experiments, oldest first; with ``deleted`` the deleted ones too."""
    with workspace.database.read() as connection:
        return shown(connection, experiment_rows.rows(connection, deleted=deleted))


def rename_experiment(workspace: Workspace, reference: str, name: str) -> None:
    """Give an experiment another name.

    Raises:
        NotFound: there is no such experiment.
        AlreadyExists: the name is taken.
        Conflict: the experiment was deleted.
        InvalidData: the name is empty or too long.
    """
    check_name(name, "an experiment")
    found = _active(workspace, reference)
    with workspace.database.write() as connection:
        other = experiment_rows.by(connection, "name", name)
        if other is not None and other.id != found.id:
            raise AlreadyExists(f"there is an experiment '{name}' already", experiment=name)
        experiment_rows.change(connection, found.id, name=name, updated_at=clock.now())


def set_experiment_tags(workspace: Workspace, reference: str, tags: Mapping[str, object]) -> None:
    """Set tags of an experiment, all of them or none.

    Raises:
        NotFound: there is no such experiment.
        Conflict: it was deleted.
        InvalidData: a name or a value is too long.
    """
    texts = _texts(tags)
    found = _active(workspace, reference)
    with workspace.database.write() as connection:
        experiment_rows.put_tags(connection, found.id, texts)
        experiment_rows.change(connection, found.id, updated_at=clock.now())


def delete_experiment_tag(workspace: Workspace, reference: str, key: str) -> None:
    """Remove a tag of an experiment.

    Raises:
        NotFound: there is no such experiment, or it has no such tag.
        Conflict: it was deleted.
    """
    found = _active(workspace, reference)
    with workspace.database.write() as connection:
        if not experiment_rows.drop_tag(connection, found.id, key):
            raise NotFound(f"the experiment '{found.name}' has no tag '{key}'", experiment=found.id, tag=key)
        experiment_rows.change(connection, found.id, updated_at=clock.now())


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


def shown(connection: Connection, rows: Sequence[Row[Any] | ExperimentRow]) -> list[Experiment]:
    """Return experiments with their tags, inside the caller's transaction."""
    tags = experiment_rows.tags_of(connection, [row.id for row in rows])
    return [
        Experiment(
            id=row.id,
            name=row.name,
            lifecycle=row.lifecycle,
            created_at=row.created_at,
            updated_at=row.updated_at or row.created_at,
            artifact_location=row.artifact_location,
            tags=tags[row.id],
        )
        for row in rows
    ]


def _active(workspace: Workspace, reference: str) -> Experiment:
    found = get_experiment(workspace, reference)
    if found.lifecycle != "active":
        raise Conflict(f"the experiment '{found.name}' was deleted", hint="restore it first", experiment=found.id)
    return found


def _mark(workspace: Workspace, reference: str, lifecycle: str) -> None:
    found = get_experiment(workspace, reference)
    with workspace.database.write() as connection:
        experiment_rows.change(connection, found.id, lifecycle=lifecycle, updated_at=clock.now())


def _texts(tags: Mapping[str, object]) -> dict[str, str]:
    return {check_key(key, "tag"): long_tag_text(key, value, _TAG_LENGTH) for key, value in tags.items()}


def _fresh(name: str) -> dict[str, Any]:
    check_name(name, "an experiment")
    at = clock.now()
    return {"id": new_id(), "name": name, "lifecycle": "active", "created_at": at, "updated_at": at}
