"""The rows of webhooks, and of what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from mainspring.store.schema.versioning import model_version_tags, model_versions, webhook_deliveries, webhooks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row


def add(connection: Connection, row: dict[str, Any]) -> None:
    """Insert a webhook."""
    connection.execute(insert(webhooks).values(**row))


def find(connection: Connection, webhook_id: str) -> Row[Any] | None:
    """Return a webhook."""
    return connection.execute(select(webhooks).filter_by(id=webhook_id)).first()


def rows(connection: Connection, *, after: str = "", most: int = 1000, status: str | None = None) -> Sequence[Row[Any]]:
    """Return webhooks, oldest first."""
    query = select(webhooks).where(webhooks.c.id > after).order_by(webhooks.c.id).limit(most)
    return connection.execute(query if status is None else query.filter_by(status=status)).all()


def change(connection: Connection, webhook_id: str, **values: Any) -> None:
    """Change columns of a webhook."""
    connection.execute(update(webhooks).filter_by(id=webhook_id).values(**values))


def remove(connection: Connection, webhook_id: str) -> None:
    """Delete a webhook and what it was to be told."""
    connection.execute(delete(webhook_deliveries).filter_by(webhook_id=webhook_id))
    connection.execute(delete(webhooks).filter_by(id=webhook_id))


def plan(connection: Connection, deliveries: Sequence[dict[str, Any]]) -> None:
    """Record what webhooks are to be told."""
    connection.execute(insert(webhook_deliveries), list(deliveries))


def due(connection: Connection, at: int, most: int) -> Sequence[Row[Any]]:
    """Return deliveries whose time has come, oldest first."""
    query = select(webhook_deliveries).where(webhook_deliveries.c.due_at <= at)
    return connection.execute(query.order_by(webhook_deliveries.c.id).limit(most)).all()


def claim(connection: Connection, row: Row[Any], until: int) -> bool:
    """Take a delivery for oneself until a moment; say no if somebody else was first."""
    mine = update(webhook_deliveries).filter_by(id=row.id, due_at=row.due_at, attempts=row.attempts)
    return connection.execute(mine.values(due_at=until, attempts=row.attempts + 1)).rowcount == 1


def settle(connection: Connection, delivery_id: str, **values: Any) -> None:
    """Record how a delivery went."""
    connection.execute(update(webhook_deliveries).filter_by(id=delivery_id).values(**values))


def drop_settled(connection: Connection, before: int) -> None:
    """Forget deliveries of long ago that arrived or were given up."""
    old = delete(webhook_deliveries).where(
        webhook_deliveries.c.due_at.is_(None), webhook_deliveries.c.created_at < before
    )
    connection.execute(old)


def version_told(connection: Connection, version_id: str) -> dict[str, Any]:
    """Return what is told of a new version."""
    row = connection.execute(select(model_versions).filter_by(id=version_id)).one()
    tags = connection.execute(select(model_version_tags).filter_by(model=row.model, version=row.version))
    return {
        "name": row.model,
        "version": str(row.number),
        "source": row.source,
        "run_id": row.run_id,
        "tags": {tag.key: tag.value for tag in tags} | {"mainspring.version": row.version},
        "description": row.description,
    }
