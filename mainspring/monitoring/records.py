"""The rows of monitoring: observations and alerts. The only SQL of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from mainspring.store.schema.monitoring import alerts, observations

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping


def insert_observation(connection: Connection, **values: Any) -> None:
    """Add what one look of a monitor found."""
    connection.execute(insert(observations).values(**values))


def latest_observations(connection: Connection, monitor: str, limit: int) -> list[RowMapping]:
    """Return a monitor's observations, the newest first."""
    query = select(observations).where(observations.c.monitor == monitor)
    return list(
        connection.execute(query.order_by(observations.c.at.desc(), observations.c.id.desc()).limit(limit)).mappings()
    )


def insert_alert(connection: Connection, **values: Any) -> None:
    """Add an alert."""
    connection.execute(insert(alerts).values(**values))


def update_alert(connection: Connection, alert_id: str, **values: Any) -> None:
    """Change columns of an alert."""
    connection.execute(update(alerts).where(alerts.c.id == alert_id).values(**values))


def alert(connection: Connection, alert_id: str) -> RowMapping | None:
    """Return one alert."""
    return connection.execute(select(alerts).where(alerts.c.id == alert_id)).mappings().first()


def latest_alert(connection: Connection, monitor: str) -> RowMapping | None:
    """Return the newest alert of a monitor."""
    query = select(alerts).where(alerts.c.monitor == monitor).order_by(alerts.c.at.desc(), alerts.c.id.desc()).limit(1)
    return connection.execute(query).mappings().first()


def list_alerts(
    connection: Connection, *, status: str | None = None, since: int | None = None, limit: int | None = None
) -> list[RowMapping]:
    """Return alerts, the newest first; ``since`` keeps those that fired or resolved at or after it."""
    query = select(alerts).order_by(alerts.c.at.desc(), alerts.c.id.desc())
    if status is not None:
        query = query.where(alerts.c.status == status)
    if since is not None:
        query = query.where((alerts.c.at >= since) | (alerts.c.resolved_at >= since))
    return list(connection.execute(query.limit(limit)).mappings())
