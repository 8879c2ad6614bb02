"""The rows of model versions, and of the stages that they went through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from mainspring.base.clock import now
from mainspring.base.errors import Conflict
from mainspring.base.ids import new_id
from mainspring.store.schema.serving import route_tables
from mainspring.store.schema.testing import gates
from mainspring.store.schema.tracking import runs, tags
from mainspring.store.schema.versioning import (
    model_aliases,
    model_version_tags,
    model_versions,
    models,
    stage_transitions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from mainspring.store.database import Database

DELETED = "deleted"
"""The stage that the history names when a version was removed."""
IMPORTED = "imported"
"""Under this name the first stage of a version from elsewhere keeps, as its evidence, what was known of it there."""
_NEWEST = (model_versions.c.major.desc(), model_versions.c.minor.desc(), model_versions.c.patch.desc())


def select_versions(database: Database, model: str | None = None, **conditions: object) -> Sequence[Row[Any]]:
    """Return model versions that meet the conditions by name, oldest first."""
    query = select(model_versions).filter_by(**conditions)
    query = query.order_by(model_versions.c.model, *(column.element for column in _NEWEST))
    if model is not None:
        query = query.where(model_versions.c.model == model)
    with database.read() as connection:
        return connection.execute(query).all()


def select_version(database: Database, model: str, **conditions: object) -> Row[Any] | None:
    """Return the newest version of a model that meets the conditions."""
    with database.read() as connection:
        return find(connection, model, **conditions)


def find(connection: Connection, model: str, **conditions: object) -> Row[Any] | None:
    """Return the newest version of a model that meets the conditions, inside the caller's transaction."""
    query = select(model_versions).filter_by(model=model, **conditions).order_by(*_NEWEST).limit(1)
    return connection.execute(query).first()


def stages(connection: Connection, model: str) -> dict[str, str]:
    """Return the stage of every version of a model."""
    query = select(model_versions.c.version, model_versions.c.stage).filter_by(model=model)
    return {row.version: row.stage for row in connection.execute(query)}


def select_makers(database: Database, model: str, version: str) -> list[str]:
    """Return the runs whose candidate became, or was already, a version, oldest first."""
    named = select(tags.c.run_id).where(tags.c.key == "model", tags.c.value == model)
    made = select(tags.c.run_id).where(tags.c.key == "model_version", tags.c.value == version)
    query = select(runs.c.id).where(runs.c.id.in_(named), runs.c.id.in_(made)).order_by(runs.c.started_at, runs.c.id)
    with database.read() as connection:
        return list(connection.execute(query).scalars())


def highest(database: Database, model: str) -> tuple[Row[Any] | None, list[str]]:
    """Return the newest version of a model, and the versions that were removed."""
    removed = select(stage_transitions.c.version).filter_by(model=model, to_stage=DELETED)
    with database.read() as connection:
        return find(connection, model), list(connection.execute(removed).scalars())


def add(
    connection: Connection, row: dict[str, Any], *, newest: str | None, reason: str, evidence: Any = None
) -> int | None:
    """Record a new version of a model that is there, and its first stage; return the version's number.

    None, and nothing done, when ``newest`` is not the id of the newest version any more.

    Raises:
        Conflict: the version is there, or was and was deleted.
    """
    model, version, at = row["model"], row["version"], row["created_at"]
    known = lock(connection, model)
    assert known is not None
    found = find(connection, model)
    if (None if found is None else found.id) != newest:
        return None
    if connection.execute(select(stage_transitions.c.id).filter_by(model=model, version=version).limit(1)).first():
        there = find(connection, model, version=version) is not None
        raise Conflict(
            f"{model}@{version} exists already" if there else f"{model}@{version} was deleted, and never comes back",
            hint="versions never change: register the next one, without --version",
            model=model,
            version=version,
        )
    number: int = row.get("number", (known.last_number or 0) + 1)
    if number <= (known.last_number or 0):
        raise Conflict(
            f"the number {number} of '{model}' was given already", hint="numbers only grow", model=model, number=number
        )
    connection.execute(insert(model_versions).values(row | {"number": number, "updated_at": at}))
    connection.execute(update(models).filter_by(name=model).values(last_number=number, updated_at=at))
    _note(connection, row, None, row["stage"], row["actor"], reason, evidence)
    return number


def lock(connection: Connection, model: str) -> Row[Any] | None:
    """Return the row of a model, and let one change of it happen at a time, until the transaction ends."""
    return connection.execute(select(models).filter_by(name=model).with_for_update()).first()


def move(
    connection: Connection,
    model: str,
    version: str,
    to_stage: str,
    *,
    actor: str,
    reason: str,
    evidence: Any,
    demote_to: str,
    alone: bool,
    allowed: frozenset[str],
) -> str:
    """Move a version to a stage, and out of production who is there; return where it was.

    With ``alone``, others leave any stage that it comes to.

    Raises:
        Conflict: it is gone, is in that stage already, or may not go there from where it is by now.
    """
    lock(connection, model)
    row = find(connection, model, version=version)
    hint = f"see `mainspring models history {model}`"
    if row is None:
        raise Conflict(f"{model}@{version} was deleted meanwhile", hint=hint, model=model, version=version)
    if row.stage not in allowed:
        already = row.stage == to_stage
        raise Conflict(
            f"{model}@{version} is {'already ' if already else ''}in {row.stage}"
            + ("" if already else f", and cannot go to {to_stage} from there"),
            hint=hint,
            model=model,
            version=version,
            stage=row.stage,
        )
    if to_stage == "production" or alone:
        _demote(connection, model, version, to_stage, demote_to, actor)
    _set_stage(connection, row, to_stage, actor, reason, evidence)
    connection.execute(update(models).filter_by(name=model).values(updated_at=now()))
    return str(row.stage)


def _demote(connection: Connection, model: str, successor: str, stage: str, demote_to: str, actor: str) -> None:
    for row in connection.execute(select(model_versions).filter_by(model=model, stage=stage)).all():
        if row.version != successor:
            _set_stage(connection, row, demote_to, actor, f"{successor} took its place in {stage}", None)


def _set_stage(connection: Connection, row: Row[Any], stage: str, actor: str, reason: str, evidence: Any) -> None:
    connection.execute(update(model_versions).filter_by(id=row.id).values(stage=stage, updated_at=now()))
    _note(connection, row._mapping, row.stage, stage, actor, reason, evidence)


def supply(connection: Connection, row: Row[Any], *, actor: str, reason: str, **values: Any) -> None:
    """Give a version that held nothing what it should have come with, and note it in the history; its stage stays."""
    connection.execute(update(model_versions).filter_by(id=row.id).values(updated_at=now(), **values))
    _note(connection, {"model": row.model, "version": row.version}, row.stage, row.stage, actor, reason, None)


def remove(connection: Connection, row: Row[Any], *, actor: str, reason: str) -> None:
    """Delete a version, its tags, aliases and gates. The history stays, and says so."""
    mine = {"model": row.model, "version": row.version}
    for table in (model_aliases, model_version_tags, gates):
        connection.execute(delete(table).filter_by(**mine))
    connection.execute(delete(model_versions).filter_by(id=row.id))
    connection.execute(update(models).filter_by(name=row.model).values(updated_at=now()))
    _note(connection, row._mapping, row.stage, DELETED, actor, reason, None)


def routed(connection: Connection, model: str) -> dict[str, str]:
    """Return the roles of the versions that the model's endpoint serves, by version; empty without an endpoint."""
    query = select(route_tables.c.routes).filter_by(endpoint=model).order_by(route_tables.c.generation.desc()).limit(1)
    newest = connection.execute(query).scalar()
    return {} if newest is None else {route["version"]: route["role"] for route in newest["routes"]}


def _note(
    connection: Connection, version: Any, before: str | None, after: str, actor: str, reason: str, evidence: Any
) -> None:
    mine = stage_transitions.c.model == version["model"]
    last = connection.execute(select(func.max(stage_transitions.c.at)).where(mine)).scalar()
    at = now() if last is None else max(now(), last + 1)  # the history is in order, whatever the clock does
    row = {
        "id": new_id(),
        "model": version["model"],
        "version": version["version"],
        "from_stage": before,
        "to_stage": after,
        "at": at,
        "actor": actor,
        "reason": reason,
        "evidence": evidence,
    }
    connection.execute(insert(stage_transitions).values(**row))


def select_transitions(database: Database, model: str) -> Sequence[Row[Any]]:
    """Return the transitions of a model's versions in the order in which they happened."""
    query = select(stage_transitions).where(stage_transitions.c.model == model)
    with database.read() as connection:
        return connection.execute(query.order_by(stage_transitions.c.at, stage_transitions.c.id)).all()
