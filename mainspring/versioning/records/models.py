"""The rows of models: their names, descriptions, tags and aliases, and those of their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, tuple_, update

from mainspring.base.clock import now
from mainspring.store.prepared import upsert
from mainspring.store.schema.serving import releases, route_tables
from mainspring.store.schema.testing import gates
from mainspring.store.schema.versioning import (
    model_aliases,
    model_tags,
    model_version_tags,
    model_versions,
    models,
    stage_transitions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from mainspring.store.database import Database

_TOGETHER = 300
_NAMED = (model_tags, model_aliases, model_versions, model_version_tags, stage_transitions, gates)


def select_names(database: Database) -> list[str]:
    """Return the names of all models."""
    with database.read() as connection:
        return list(connection.execute(select(models.c.name).order_by(models.c.name)).scalars())


def add(connection: Connection, row: dict[str, Any]) -> bool:
    """Insert a model unless its name is taken; say whether it was inserted."""
    statement = upsert(connection.dialect.name)(models).values(row).on_conflict_do_nothing()
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1


def find(connection: Connection, name: str) -> Row[Any] | None:
    """Return a model."""
    return connection.execute(select(models).filter_by(name=name)).first()


def change(connection: Connection, name: str, **values: Any) -> None:
    """Change columns of a model, and the moment of its last change."""
    connection.execute(update(models).filter_by(name=name).values(updated_at=now(), **values))


def change_version(connection: Connection, version_id: str, **values: Any) -> None:
    """Change columns of a version, and the moment of its last change."""
    connection.execute(update(model_versions).filter_by(id=version_id).values(updated_at=now(), **values))


def put_tags(connection: Connection, name: str, values: Mapping[str, str]) -> None:
    """Set tags of a model."""
    for key, value in values.items():
        statement = upsert(connection.dialect.name)(model_tags).values(model=name, key=key, value=value)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["model", "key"], set_={"value": statement.excluded.value})
        )


def put_version_tags(connection: Connection, name: str, version: str, values: Mapping[str, str]) -> None:
    """Set tags of a version."""
    for key, value in values.items():
        row = {"model": name, "version": version, "key": key, "value": value}
        statement = upsert(connection.dialect.name)(model_version_tags).values(row)
        keys = ["model", "version", "key"]
        connection.execute(
            statement.on_conflict_do_update(index_elements=keys, set_={"value": statement.excluded.value})
        )


def drop_tag(connection: Connection, name: str, key: str) -> None:
    """Remove a tag of a model, if it is there."""
    connection.execute(delete(model_tags).filter_by(model=name, key=key))


def drop_version_tag(connection: Connection, name: str, version: str, key: str) -> None:
    """Remove a tag of a version, if it is there."""
    connection.execute(delete(model_version_tags).filter_by(model=name, version=version, key=key))


def put_alias(connection: Connection, name: str, alias: str, version: str) -> None:
    """Let an alias name a version, whichever it named before."""
    statement = upsert(connection.dialect.name)(model_aliases).values(model=name, alias=alias, version=version)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["model", "alias"], set_={"version": statement.excluded.version})
    )


def drop_alias(connection: Connection, name: str, alias: str) -> bool:
    """Remove an alias; say whether it was there."""
    return connection.execute(delete(model_aliases).filter_by(model=name, alias=alias)).rowcount == 1


def aliased(connection: Connection, name: str, alias: str) -> str | None:
    """Return the version that an alias names."""
    return connection.execute(select(model_aliases.c.version).filter_by(model=name, alias=alias)).scalar()


def tags_of(connection: Connection, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the tags of models, by model."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for part in _parts(names):
        query = select(model_tags).where(model_tags.c.model.in_(part)).order_by(model_tags.c.key)
        for row in connection.execute(query):
            found[row.model][row.key] = row.value
    return found


def version_tags_of(connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, str]]:
    """Return the tags of versions, by model and version."""
    found: dict[tuple[str, str], dict[str, str]] = {key: {} for key in keys}
    table = model_version_tags
    for part in _parts(keys):
        query = select(table).where(tuple_(table.c.model, table.c.version).in_(part)).order_by(table.c.key)
        for row in connection.execute(query):
            found[row.model, row.version][row.key] = row.value
    return found


def aliases_of(connection: Connection, names: Sequence[str]) -> dict[str, dict[str, tuple[str, int]]]:
    """Return the aliases of models: model → alias → version and its number."""
    found: dict[str, dict[str, tuple[str, int]]] = {name: {} for name in names}
    same = (model_versions.c.model == model_aliases.c.model) & (model_versions.c.version == model_aliases.c.version)
    for part in _parts(names):
        query = select(model_aliases, model_versions.c.number).join(model_versions, same)
        query = query.where(model_aliases.c.model.in_(part)).order_by(model_aliases.c.alias)
        for row in connection.execute(query):
            found[row.model][row.alias] = (row.version, row.number)
    return found


def latest_of(connection: Connection, names: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """Return, of each stage of each model, the version with the highest number."""
    found: dict[str, dict[str, Row[Any]]] = {name: {} for name in names}
    for part in _parts(names):
        query = select(model_versions).where(model_versions.c.model.in_(part)).order_by(model_versions.c.number)
        for row in connection.execute(query):
            found[row.model][row.stage] = row
    return {name: list(stages.values()) for name, stages in found.items()}


def was_released(connection: Connection, name: str) -> bool:
    """Say whether a model was ever released."""
    queries = (select(table.c.endpoint).filter_by(endpoint=name).limit(1) for table in (route_tables, releases))
    return any(connection.execute(query).first() is not None for query in queries)


def rename(connection: Connection, name: str, new_name: str) -> None:
    """Give a model, its versions, their labels, history and gates another name."""
    row = dict(connection.execute(select(models).filter_by(name=name)).one()._mapping)
    connection.execute(insert(models).values(**row | {"name": new_name, "updated_at": now()}))
    for table in _NAMED:
        connection.execute(update(table).filter_by(model=name).values(model=new_name))
    connection.execute(update(model_versions).filter_by(model=new_name).values(updated_at=now()))
    connection.execute(delete(models).filter_by(name=name))


def remove(connection: Connection, name: str) -> None:
    """Delete a model with its versions, labels, history and gates."""
    for table in _NAMED:
        connection.execute(delete(table).filter_by(model=name))
    connection.execute(delete(models).filter_by(name=name))


def _parts(values: Sequence[Any]) -> list[Sequence[Any]]:
    return [values[start : start + _TOGETHER] for start in range(0, len(values), _TOGETHER)]
