"""The rows of testing: all of its SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from mainspring.store.schema.testing import gates, suite_passes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Row

    from mainspring.store.database import Database


def insert_gate(database: Database, row: dict[str, Any]) -> None:
    """Record a gate."""
    with database.write() as connection:
        connection.execute(insert(gates).values(**row))


def select_gates(database: Database, model: str, version: str | None = None, *, limit: int) -> Sequence[Row[Any]]:
    """Return the gates of a model, or of one version of it, newest first."""
    query = select(gates).where(gates.c.model == model).order_by(gates.c.at.desc(), gates.c.id.desc()).limit(limit)
    if version is not None:
        query = query.where(gates.c.version == version)
    with database.read() as connection:
        return connection.execute(query).all()


def insert_suite_passes(database: Database, rows: Iterable[dict[str, Any]]) -> None:
    """Record how the layers of the project's test suite did, in one transaction."""
    with database.write() as connection:
        connection.execute(insert(suite_passes), list(rows))


def select_latest_suite_passes(database: Database) -> Sequence[Row[Any]]:
    """Return the newest pass of every layer."""
    newest = (
        select(suite_passes.c.layer, func.max(suite_passes.c.id).label("id")).group_by(suite_passes.c.layer).subquery()
    )
    query = select(suite_passes).join(newest, suite_passes.c.id == newest.c.id).order_by(suite_passes.c.layer)
    with database.read() as connection:
        return connection.execute(query).all()
