"""Taking models and versions out of the registry for good. The bytes stay until the next collection of garbage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.base.errors import Conflict
from mainspring.versioning.labels import known_model, known_version
from mainspring.versioning.records import models as model_rows
from mainspring.versioning.records import versions as version_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from mainspring.store.workspace import Workspace


def delete_version(
    workspace: Workspace, name: str, version: str, *, reason: str = "deleted", actor: str | None = None
) -> None:
    """Remove a version with its tags, aliases and gates. Its number and its semantic version are never given again.

    The history of its stages stays, and ends with the deletion.

    Raises:
        NotFound: there is no such version.
        Conflict: it is in production, or an endpoint serves it.
    """
    with workspace.database.write() as connection:
        found = known_version(connection, name, version)
        _check_idle(connection, found)
        version_rows.remove(connection, found, actor=actor or workspace.actor, reason=reason)


def delete_model(workspace: Workspace, name: str) -> None:
    """Remove a model with its versions, labels, gates and history. A model of that name may begin again at 1.0.0.

    Raises:
        NotFound: there is no such model.
        Conflict: a version is in production, or an endpoint serves the model.
    """
    with workspace.database.write() as connection:
        known_model(connection, name)
        for row in model_rows.latest_of(connection, [name])[name]:
            if row.stage == "production":
                _check_idle(connection, row)
        if version_rows.routed(connection, name):
            raise Conflict(f"'{name}' is served at its endpoint", hint=_end_it(name), model=name)
        model_rows.remove(connection, name)


def _end_it(name: str) -> str:
    return f'end the endpoint: `mainspring undeploy {name} --reason "…"`'


def _check_idle(connection: Connection, row: Row[Any]) -> None:
    reference = f"{row.model}@{row.version}"
    role = version_rows.routed(connection, row.model).get(row.version)
    if role is not None:
        raise Conflict(
            f"{reference} is the {role} of the endpoint '{row.model}'",
            hint=f"release another version first: `mainspring deploy {row.model}@VERSION`; or {_end_it(row.model)}",
            model=row.model,
            version=row.version,
            route=role,
        )
    if row.stage == "production":
        raise Conflict(
            f"{reference} is in production",
            hint=f'archive it first: `mainspring models promote {reference} archived --reason "…"`',
            model=row.model,
            version=row.version,
            stage=row.stage,
        )
