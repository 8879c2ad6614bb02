"""The rows of files: a run's artifacts, and the files of logged models, whose ids begin with ``m-``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, or_, select

from mainspring.store.prepared import upsert
from mainspring.store.schema.tracking import artifacts, logged_model_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, Connection, Row, Table

MODEL_PREFIX = "m-"


def put(connection: Connection, owner_id: str, rows: Sequence[dict[str, Any]]) -> None:
    """Record files, replacing those under the same paths."""
    table, owner = _table(owner_id)
    names = [name for name in ("md5", "size", "created_at", "about") if name in table.c]
    statement = upsert(connection.dialect.name)(table)
    statement = statement.on_conflict_do_update(
        index_elements=[owner, table.c.path], set_={name: statement.excluded[name] for name in names}
    )
    connection.execute(
        statement, [{owner.name: owner_id} | {name: row[name] for name in ("path", *names)} for row in rows]
    )


def of(connection: Connection, owner_id: str) -> Sequence[Row[Any]]:
    """Return the files of a run or a logged model, by path."""
    table, owner = _table(owner_id)
    return connection.execute(select(table).where(owner == owner_id).order_by(table.c.path)).all()


def one(connection: Connection, owner_id: str, path: str) -> Row[Any] | None:
    """Return the file under a path."""
    table, owner = _table(owner_id)
    return connection.execute(select(table).where(owner == owner_id, table.c.path == path)).one_or_none()


def clash(connection: Connection, owner_id: str, path: str) -> str | None:
    """Return a file that a path would lie in, or that lies below the path."""
    table, owner = _table(owner_id)
    parts = path.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
    below = and_(table.c.path >= f"{path}/", table.c.path < f"{path}0")  # 0 is the character after the slash
    query = select(table.c.path).where(owner == owner_id, or_(table.c.path.in_(above), below))
    return connection.execute(query.limit(1)).scalar()


def drop(connection: Connection, owner_id: str, paths: Sequence[str]) -> None:
    """Remove the rows of files."""
    table, owner = _table(owner_id)
    for path in paths:
        connection.execute(delete(table).where(owner == owner_id, table.c.path == path))


def _table(owner_id: str) -> tuple[Table, Column[str]]:
    if owner_id.startswith(MODEL_PREFIX):
        return logged_model_files, logged_model_files.c.model_id
    return artifacts, artifacts.c.run_id
