"""The SQL of audit: reading what the other rooms recorded, and keeping audits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import desc, func, insert, select

from mainspring.base.ids import new_id
from mainspring.store.schema.automation import events, executions
from mainspring.store.schema.monitoring import observations
from mainspring.store.schema.reproducibility import audits
from mainspring.store.schema.serving import releases, route_tables
from mainspring.store.schema.testing import gates, suite_passes
from mainspring.store.schema.versioning import snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row, Select, Table

_MANY = 10_000


def _latest(connection: Connection, table: Table, *, order: str = "at", **columns: object) -> Row[Any] | None:
    query = select(table).filter_by(**columns).order_by(desc(table.c[order]), desc(table.c.id)).limit(1)
    return connection.execute(query).first()


# Versions, runs, gates


def snapshot_row(connection: Connection, snapshot_id: str) -> Row[Any] | None:
    """Return a snapshot."""
    return connection.execute(select(snapshots).filter_by(id=snapshot_id)).first()


def latest_gate(connection: Connection, model: str, version: str) -> Row[Any] | None:
    """Return the newest gate of a version."""
    return _latest(connection, gates, model=model, version=version)


def passing_gates(connection: Connection, model: str, version: str) -> Sequence[Row[Any]]:
    """Return the gates that let a version pass, oldest first."""
    passed = select(gates).filter_by(model=model, version=version, outcome="pass")
    return connection.execute(passed.order_by(gates.c.at)).all()


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


def triggered_executions(connection: Connection) -> Sequence[Any]:
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


# Monitoring


def newest_observation(connection: Connection, monitor: str) -> Row[Any] | None:
    """Return what a monitor saw last."""
    return _latest(connection, observations, monitor=monitor)


def observation_counts(connection: Connection, monitor: str) -> dict[str, int]:
    """Return how often a monitor came to each status."""
    query: Select[Any] = select(observations.c.status, func.count()).filter_by(monitor=monitor)
    return dict(connection.execute(query.group_by(observations.c.status)).tuples().all())


# Audits


def add_audit(connection: Connection, *, at: int, maturity: int, report: dict[str, Any]) -> str:
    """Keep an audit and return its id."""
    identifier = new_id()
    row = {"id": identifier, "at": at, "maturity": maturity, "report": report}
    connection.execute(insert(audits), row)
    return identifier
