"""The rows of a run's artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from mainspring.store.prepared import upsert
from mainspring.store.schema.tracking import artifacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row


def put(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Record artifacts, replacing those under the same paths."""
    statement = upsert(connection.dialect.name)(artifacts)
    changing = {name: statement.excluded[name] for name in ("md5", "size", "created_at", "about")}
    connection.execute(statement.on_conflict_do_update(index_elements=["run_id", "path"], set_=changing), rows)


def of(connection: Connection, run_id: str) -> Sequence[Row[Any]]:
    """Return what a run stored, by path."""
    return connection.execute(select(artifacts).filter_by(run_id=run_id).order_by(artifacts.c.path)).all()


def drop(connection: Connection, run_id: str, paths: Sequence[str]) -> None:
    """Remove the rows of artifacts."""
    for path in paths:
        connection.execute(delete(artifacts).filter_by(run_id=run_id, path=path))
