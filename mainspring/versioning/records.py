"""The rows of versioning: all of its SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from mainspring.base.clock import now
from mainspring.base.errors import Conflict
from mainspring.base.ids import new_id
from mainspring.store.schema.tracking import runs, tags
from mainspring.store.schema.versioning import (
    dataset_versions,
    file_states,
    model_versions,
    models,
    snapshots,
    stage_transitions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row

    from mainspring.store.database import Database

_NEWEST = (model_versions.c.major.desc(), model_versions.c.minor.desc(), model_versions.c.patch.desc())
_BATCH = 400
_S = TypeVar("_S", bound=msgspec.Struct)


def as_struct(row: Row[Any], kind: type[_S]) -> _S:
    """Return a row as a struct whose fields have the columns' names; other columns are left out."""
    return msgspec.convert({name: row._mapping[name] for name in kind.__struct_fields__}, kind)


def select_versions(database: Database, model: str | None = None, **conditions: object) -> Sequence[Row[Any]]:
    """Return model versions that meet the conditions by name, oldest first."""
    query = select(model_versions).order_by(model_versions.c.model, *(column.element for column in _NEWEST))
    if model is not None:
        query = query.where(model_versions.c.model == model)
    for name, value in conditions.items():
        query = query.where(model_versions.c[name] == value)
    with database.read() as connection:
        return connection.execute(query).all()


def select_version(database: Database, model: str, **conditions: object) -> Row[Any] | None:
    """Return the newest version of a model that meets the conditions."""
    query = select(model_versions).where(model_versions.c.model == model).order_by(*_NEWEST).limit(1)
    for name, value in conditions.items():
        query = query.where(model_versions.c[name] == value)
    with database.read() as connection:
        return connection.execute(query).first()


def select_model_names(database: Database) -> list[str]:
    """Return the names of all models."""
    with database.read() as connection:
        return list(connection.execute(select(models.c.name).order_by(models.c.name)).scalars())


def insert_version(database: Database, row: dict[str, Any], *, newest: str | None, reason: str) -> bool:
    """Record a new version and its first stage in one transaction; say no when ``newest`` is not the newest any more.

    Raises:
        Conflict: that version number is taken.
    """
    try:
        with database.write() as connection:
            known = connection.execute(select(models).where(models.c.name == row["model"]).with_for_update()).first()
            if known is None:
                connection.execute(insert(models).values(name=row["model"], created_at=row["created_at"]))
            found = connection.execute(
                select(model_versions.c.id).where(model_versions.c.model == row["model"]).order_by(*_NEWEST).limit(1)
            ).scalar()
            if found != newest:
                return False
            connection.execute(insert(model_versions).values(**row))
            _insert_transition(connection, row, None, row["stage"], row["actor"], reason, None)
    except IntegrityError as error:
        if select_version(database, row["model"], version=row["version"]) is None:
            return False
        raise Conflict(
            f"{row['model']}@{row['version']} exists already",
            hint="versions never change: register the next one, without --version",
            model=row["model"],
            version=row["version"],
        ) from error
    return True


def move_stage(
    database: Database,
    model: str,
    version: str,
    to_stage: str,
    *,
    actor: str,
    reason: str,
    evidence: Any,
    demote_to: str,
    allowed: frozenset[str],
) -> str:
    """Move a version to a stage, and out of production who is there, in one transaction; return where it was.

    Raises:
        Conflict: it is in that stage already, or may not go there from where it is by now.
    """
    with database.write() as connection:
        connection.execute(select(models).where(models.c.name == model).with_for_update())
        mine = (model_versions.c.model == model) & (model_versions.c.version == version)
        row = connection.execute(select(model_versions).where(mine)).one()
        if row.stage not in allowed:
            already = row.stage == to_stage
            raise Conflict(
                f"{model}@{version} is {'already ' if already else ''}in {row.stage}"
                + ("" if already else f", and cannot go to {to_stage} from there"),
                hint=f"see `mainspring models history {model}`",
                model=model,
                version=version,
                stage=row.stage,
            )
        if to_stage == "production":
            _demote(connection, model, version, demote_to, actor)
        connection.execute(update(model_versions).where(mine).values(stage=to_stage))
        _insert_transition(connection, row._mapping, row.stage, to_stage, actor, reason, evidence)
        return str(row.stage)


def _demote(connection: Connection, model: str, successor: str, demote_to: str, actor: str) -> None:
    present = (model_versions.c.model == model) & (model_versions.c.stage == "production")
    for row in connection.execute(select(model_versions).where(present)).all():
        connection.execute(update(model_versions).where(model_versions.c.id == row.id).values(stage=demote_to))
        reason = f"{successor} took its place in production"
        _insert_transition(connection, row._mapping, "production", demote_to, actor, reason, None)


def _insert_transition(
    connection: Connection,
    version: Any,
    before: str | None,
    after: str,
    actor: str,
    reason: str,
    evidence: Any,
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


def select_dataset_versions(database: Database, dataset: str) -> Sequence[Row[Any]]:
    """Return the versions of a dataset, oldest first."""
    query = select(dataset_versions).where(dataset_versions.c.dataset == dataset)
    with database.read() as connection:
        return connection.execute(query.order_by(dataset_versions.c.number)).all()


def select_latest_datasets(database: Database) -> Sequence[Row[Any]]:
    """Return the newest version of every dataset, by name."""
    newest = (
        select(dataset_versions.c.dataset, func.max(dataset_versions.c.number))
        .group_by(dataset_versions.c.dataset)
        .subquery()
    )
    query = select(dataset_versions).where(
        tuple_(dataset_versions.c.dataset, dataset_versions.c.number).in_(select(newest))
    )
    with database.read() as connection:
        return connection.execute(query.order_by(dataset_versions.c.dataset)).all()


def insert_dataset_version(database: Database, row: dict[str, Any]) -> Row[Any]:
    """Record content as a dataset's next version, unless it is the newest's content already; return the version."""
    mine = select(dataset_versions).where(dataset_versions.c.dataset == row["dataset"])
    while True:
        try:
            with database.write() as connection:
                newest = connection.execute(mine.order_by(dataset_versions.c.number.desc()).limit(1)).first()
                if newest is not None and newest.md5 == row["md5"] and newest.path == row["path"]:
                    return newest
                number = 1 if newest is None else newest.number + 1
                connection.execute(insert(dataset_versions).values(**row, number=number))
                return connection.execute(select(dataset_versions).where(dataset_versions.c.id == row["id"])).one()
        except IntegrityError:
            continue  # another process took the number; the next round sees its row


def select_file_states(database: Database, paths: Sequence[str]) -> dict[str, Row[Any]]:
    """Return what is remembered of files, by path."""
    found: dict[str, Row[Any]] = {}
    with database.read() as connection:
        for start in range(0, len(paths), _BATCH):
            query = select(file_states).where(file_states.c.path.in_(paths[start : start + _BATCH]))
            found.update((row.path, row) for row in connection.execute(query))
    return found


def replace_file_states(database: Database, rows: Sequence[dict[str, Any]]) -> None:
    """Remember the content's address of files by path, size, time and inode."""
    if not rows:
        return
    paths = [row["path"] for row in rows]
    with database.write() as connection:
        for start in range(0, len(paths), _BATCH):
            connection.execute(delete(file_states).where(file_states.c.path.in_(paths[start : start + _BATCH])))
        connection.execute(insert(file_states), list(rows))


def insert_snapshot(database: Database, row: dict[str, Any]) -> None:
    """Record a snapshot."""
    with database.write() as connection:
        connection.execute(insert(snapshots).values(**row))


def select_snapshots(database: Database, prefix: str) -> Sequence[Row[Any]]:
    """Return snapshots whose id begins with ``prefix``, at most two."""
    query = select(snapshots).where(snapshots.c.id.startswith(prefix, autoescape=True)).limit(2)
    with database.read() as connection:
        return connection.execute(query).all()


def select_addresses(database: Database, dataset: str | None = None) -> Iterable[str]:
    """Return the addresses of dataset versions, of one dataset or of all."""
    query = select(dataset_versions.c.md5).distinct()
    if dataset is not None:
        query = query.where(dataset_versions.c.dataset == dataset)
    with database.read() as connection:
        return list(connection.execute(query).scalars())


def select_run_snapshots(database: Database, prefix: str) -> Sequence[Row[Any]]:
    """Return the snapshots of runs whose id begins with ``prefix``, at most two."""
    query = select(snapshots).join(runs, runs.c.snapshot_id == snapshots.c.id)
    query = query.where(runs.c.id.startswith(prefix, autoescape=True)).limit(2)
    with database.read() as connection:
        return connection.execute(query).all()


def select_makers(database: Database, model: str, version: str) -> list[str]:
    """Return the runs whose candidate became, or was already, a version, oldest first."""
    named = select(tags.c.run_id).where(tags.c.key == "model", tags.c.value == model)
    made = select(tags.c.run_id).where(tags.c.key == "model_version", tags.c.value == version)
    query = select(runs.c.id).where(runs.c.id.in_(named), runs.c.id.in_(made)).order_by(runs.c.started_at, runs.c.id)
    with database.read() as connection:
        return list(connection.execute(query).scalars())
