"""The rows of what runs read and what they made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, select

from mainspring.store.prepared import Prepared, among, bound, upsert
from mainspring.store.schema.tracking import data_outputs, inputs, run_model_inputs, run_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

_COLUMNS = ("run_id", "dataset", "md5", "path", "context", "source_type", "schema", "profile", "tags")
_inputs = Prepared(
    lambda dialect: (
        select(*(inputs.c[name] for name in _COLUMNS))
        .where(among(inputs.c.run_id, dialect))
        .order_by(inputs.c.dataset, inputs.c.md5)
    )
)
_models = Prepared(
    lambda dialect: (
        select(run_model_inputs.c.run_id, run_model_inputs.c.model_id)
        .where(among(run_model_inputs.c.run_id, dialect))
        .order_by(run_model_inputs.c.model_id)
    )
)
_outputs = Prepared(
    lambda dialect: (
        select(run_outputs.c.run_id, run_outputs.c.model_id, run_outputs.c.step)
        .where(among(run_outputs.c.run_id, dialect))
        .order_by(run_outputs.c.step, run_outputs.c.model_id)
    )
)


def put(connection: Connection, row: dict[str, Any], *, replace: bool = True) -> None:
    """Record that a run read a dataset; without ``replace``, what is known of it stays, unless it only now gets a context."""
    statement = upsert(connection.dialect.name)(inputs).values(row)
    new = statement.excluded
    changing = {name: new[name] for name in row if name not in ("run_id", "dataset", "md5")}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["run_id", "dataset", "md5"],
            set_=changing,
            where=None if replace else and_(inputs.c.context == "", new.context != ""),
        )
    )


def of(connection: Connection, run_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return what runs read, by name."""
    rows = _fetched(_inputs, connection, run_ids)
    found = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    for row in found:
        if isinstance(row["tags"], str):  # SQLite's driver leaves JSON as it is
            row["tags"] = msgspec.json.decode(row["tags"])
    return found


def put_model(connection: Connection, run_id: str, model_id: str) -> None:
    """Record that a run read a logged model."""
    statement = upsert(connection.dialect.name)(run_model_inputs).values(run_id=run_id, model_id=model_id)
    connection.execute(statement.on_conflict_do_nothing())


def models_of(connection: Connection, run_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return the logged models that runs read, as run and model."""
    return _fetched(_models, connection, run_ids)


def put_output(connection: Connection, run_id: str, model_id: str, step: int) -> None:
    """Record that a run made a logged model."""
    statement = upsert(connection.dialect.name)(run_outputs).values(run_id=run_id, model_id=model_id, step=step)
    changing = {"step": statement.excluded.step}
    connection.execute(statement.on_conflict_do_update(index_elements=["run_id", "model_id"], set_=changing))


def outputs_of(connection: Connection, run_ids: Sequence[str]) -> list[tuple[str, str, int]]:
    """Return the logged models that runs made as run, model and step, in the order of their steps."""
    return _fetched(_outputs, connection, run_ids)


def wrote(connection: Connection, run_id: str, path: str, md5: str) -> bool:
    """Say whether a run wrote this content at a path."""
    columns = data_outputs.c
    query = select(columns.run_id).where(columns.run_id == run_id, columns.path == path, columns.md5 == md5).limit(1)
    return connection.execute(query).first() is not None


def put_data(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Record data that a run wrote: ``run_id``, ``path``, ``md5``, ``table_version``, ``table_id``."""
    statement = upsert(connection.dialect.name)(data_outputs)
    connection.execute(statement.on_conflict_do_nothing(), list(rows))


def _fetched(statement: Prepared, connection: Connection, run_ids: Sequence[str]) -> list[Any]:
    cursor = statement(connection, bound(connection, run_ids))
    found: list[Any] = cursor.fetchall()
    cursor.close()
    return found
