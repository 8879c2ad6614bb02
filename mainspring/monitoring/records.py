"""The rows of monitoring: observations and alerts. The only SQL of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from mainspring.store.schema.monitoring import alerts, observations

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

Row = dict[str, Any]
"""A row by the names of its columns."""


def insert_observation(connection: Connection, **values: Any) -> None:
    """Add what one look of a monitor found."""
    connection.execute(insert(observations).values(**values))


def latest_observations(connection: Connection, monitor: str, limit: int) -> list[Row]:
    """Return a monitor's observations, the newest first."""
    query = select(observations).where(observations.c.monitor == monitor)
    query = query.order_by(observations.c.at.desc(), observations.c.id.desc()).limit(limit)
    return [_plain(row) for row in connection.execute(query).mappings()]


def insert_alert(connection: Connection, **values: Any) -> None:
    """Add an alert."""
    connection.execute(insert(alerts).values(**values))


def update_alert(connection: Connection, alert_id: str, **values: Any) -> None:
    """Change columns of an alert."""
    connection.execute(update(alerts).where(alerts.c.id == alert_id).values(**values))


def alert(connection: Connection, alert_id: str) -> Row | None:
    """Return one alert."""
    row = connection.execute(select(alerts).where(alerts.c.id == alert_id)).mappings().first()
    return None if row is None else _plain(row)


def latest_alert(connection: Connection, monitor: str) -> Row | None:
    """Return the newest alert of a monitor."""
    query = select(alerts).where(alerts.c.monitor == monitor).order_by(alerts.c.at.desc(), alerts.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else _plain(row)


def list_alerts(
    connection: Connection, *, status: str | None = None, since: int | None = None, limit: int | None = None
) -> list[Row]:
    """Return alerts, the newest first; ``since`` keeps those that fired or resolved at or after it."""
    query = select(alerts).order_by(alerts.c.at.desc(), alerts.c.id.desc())
    if status is not None:
        query = query.where(alerts.c.status == status)
    if since is not None:
        query = query.where((alerts.c.at >= since) | (alerts.c.resolved_at >= since))
    return [_plain(row) for row in connection.execute(query.limit(limit)).mappings()]


def _plain(row: RowMapping) -> Row:
    return {str(name): value for name, value in row.items()}
