"""The SQL of audit: reading what the other rooms recorded, and keeping audits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import desc, func, insert, select

from mainspring.base.ids import new_id
from mainspring.store.schema.automation import events, executions, leases
from mainspring.store.schema.monitoring import alerts, observations
from mainspring.store.schema.reproducibility import audits
from mainspring.store.schema.serving import releases, route_tables
from mainspring.store.schema.testing import gates, suite_passes
from mainspring.store.schema.tracking import inputs, latest_metrics, params, runs
from mainspring.store.schema.versioning import dataset_versions, snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row, Select, Table

_MANY = 10_000


def _latest(connection: Connection, table: Table, *, order: str = "at", **columns: object) -> Row[Any] | None:
    query = select(table).filter_by(**columns).order_by(desc(table.c[order]), desc(table.c.id)).limit(1)
    return connection.execute(query).first()


# Versions, runs, gates


def run_row(connection: Connection, run_id: str) -> Row[Any] | None:
    """Return a run."""
    return connection.execute(select(runs).filter_by(id=run_id)).first()


def snapshot_row(connection: Connection, snapshot_id: str) -> Row[Any] | None:
    """Return a snapshot."""
    return connection.execute(select(snapshots).filter_by(id=snapshot_id)).first()


def run_counts(connection: Connection, run_id: str) -> tuple[int, int, int]:
    """Return how many params, metrics and inputs a run recorded."""
    params_, metrics, read = (
        connection.execute(select(func.count()).select_from(table).filter_by(run_id=run_id)).scalar_one()
        for table in (params, latest_metrics, inputs)
    )
    return params_, metrics, read


def run_inputs(connection: Connection, run_id: str) -> Sequence[Row[Any]]:
    """Return the dataset versions that a run read."""
    return connection.execute(select(inputs).filter_by(run_id=run_id)).all()


def intervals(connection: Connection, run_id: str) -> Sequence[Row[Any]]:
    """Return the metrics of a run that have an interval."""
    known = select(latest_metrics).filter_by(run_id=run_id).where(latest_metrics.c.low.is_not(None))
    return connection.execute(known.order_by(latest_metrics.c.key)).all()


def run_ids(connection: Connection) -> list[str]:
    """Return the ids of all finished runs, newest first."""
    query = select(runs.c.id).where(runs.c.status == "finished", runs.c.lifecycle == "active")
    return list(connection.scalars(query.order_by(desc(runs.c.started_at)).limit(_MANY)))


def newest_dataset_versions(connection: Connection) -> dict[str, Row[Any]]:
    """Return the newest version of every dataset."""
    rows = connection.execute(select(dataset_versions).order_by(dataset_versions.c.number)).all()
    return {row.dataset: row for row in rows}


def latest_gate(connection: Connection, model: str, version: str) -> Row[Any] | None:
    """Return the newest gate of a version."""
    return _latest(connection, gates, model=model, version=version)


def latest_suite_pass(connection: Connection, layer: str) -> Row[Any] | None:
    """Return the newest pass of a layer of the project's tests."""
    return _latest(connection, suite_passes, layer=layer)


# Serving


def release_rows(connection: Connection, endpoint: str) -> Sequence[Row[Any]]:
    """Return the releases of an endpoint, newest first."""
    query = select(releases).filter_by(endpoint=endpoint).order_by(desc(releases.c.started_at), desc(releases.c.id))
    return connection.execute(query.limit(_MANY)).all()


def latest_routes(connection: Connection, endpoint: str) -> Row[Any] | None:
    """Return the newest route table of an endpoint."""
    query = select(route_tables).filter_by(endpoint=endpoint).order_by(desc(route_tables.c.generation)).limit(1)
    return connection.execute(query).first()


# Automation


def execution_of(connection: Connection, run_id: str) -> Row[Any] | None:
    """Return the execution that a run belongs to."""
    return _latest(connection, executions, order="started_at", run_id=run_id)


def triggered_executions(connection: Connection) -> Sequence[Row[Any]]:
    """Return finished executions with the event that asked for them, manual ones left out, newest first."""
    query = (
        select(
            events.c.id,
            events.c.kind,
            events.c.trigger,
            events.c.at,
            executions.c.id.label("execution_id"),
            executions.c.run_id,
            executions.c.ended_at,
        )
        .select_from(events.join(executions, executions.c.event_id == events.c.id))
        .where(events.c.kind != "manual", executions.c.status == "finished")
        .order_by(desc(events.c.at))
    )
    return connection.execute(query.limit(_MANY)).all()


def newest_event(connection: Connection, trigger: str) -> Row[Any] | None:
    """Return the newest event of a trigger."""
    return _latest(connection, events, trigger=trigger)


def lease_rows(connection: Connection) -> Sequence[Row[Any]]:
    """Return all leases, those that last longest first."""
    return connection.execute(select(leases).order_by(desc(leases.c.expires_at))).all()


# Monitoring


def newest_observation(connection: Connection, monitor: str) -> Row[Any] | None:
    """Return what a monitor saw last."""
    return _latest(connection, observations, monitor=monitor)


def observation_counts(connection: Connection, monitor: str) -> dict[str, int]:
    """Return how often a monitor came to each status."""
    query: Select[Any] = select(observations.c.status, func.count()).filter_by(monitor=monitor)
    return dict(connection.execute(query.group_by(observations.c.status)).tuples().all())


def newest_alert(connection: Connection, **columns: str) -> Row[Any] | None:
    """Return the newest alert with these column values."""
    return _latest(connection, alerts, **columns)


def alert_rows(connection: Connection) -> Sequence[Row[Any]]:
    """Return the alerts, newest first."""
    return connection.execute(select(alerts).order_by(desc(alerts.c.at)).limit(_MANY)).all()


# Audits


def add_audit(connection: Connection, *, at: int, maturity: int, report: dict[str, Any]) -> str:
    """Keep an audit and return its id."""
    identifier = new_id()
    row = {"id": identifier, "at": at, "maturity": maturity, "report": report}
    connection.execute(insert(audits), row)
    return identifier
