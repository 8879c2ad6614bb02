"""The rows of snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from mainspring.store.schema.tracking import runs
from mainspring.store.schema.versioning import snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from mainspring.store.database import Database


def insert_snapshot(database: Database, row: dict[str, Any]) -> None:
    """Record a snapshot."""
    with database.write() as connection:
        connection.execute(insert(snapshots).values(**row))


def select_snapshots(database: Database, prefix: str) -> Sequence[Row[Any]]:
    """Return snapshots whose id begins with ``prefix``, at most two."""
    query = select(snapshots).where(snapshots.c.id.startswith(prefix, autoescape=True)).limit(2)
    with database.read() as connection:
        return connection.execute(query).all()


def select_run_snapshots(database: Database, prefix: str) -> Sequence[Row[Any]]:
    """Return the snapshots of runs whose id begins with ``prefix``, at most two."""
    query = select(snapshots).join(runs, runs.c.snapshot_id == snapshots.c.id)
    query = query.where(runs.c.id.startswith(prefix, autoescape=True)).limit(2)
    with database.read() as connection:
        return connection.execute(query).all()
