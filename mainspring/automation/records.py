"""The only place where automation speaks SQL: executions and their steps, remembered results, events, leases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, func, insert, select, update

from mainspring.store.prepared import upsert
from mainspring.store.schema.automation import events, execution_steps, executions, leases, step_results
from mainspring.store.schema.monitoring import alerts
from mainspring.store.schema.tracking import inputs
from mainspring.store.schema.versioning import dataset_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import ClauseElement, Connection

    from mainspring.store.database import Direct


class ExecutionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded pass through a pipeline."""

    id: str
    pipeline: str
    status: str
    event_id: str | None
    run_id: str | None
    parameters: dict[str, Any]
    outcome: Any
    started_at: int
    ended_at: int | None
    owner: str
    heartbeat_at: int
    error: str | None


class StepRow(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an execution."""

    execution_id: str
    position: int
    name: str
    key: str
    status: str
    attempts: int
    started_at: int
    seconds: float
    error: str | None


class ResultRow(msgspec.Struct, frozen=True, kw_only=True):
    """A remembered result; its bytes are ``content``, or else lie in the object ``result``, their md5 either way."""

    key: str
    name: str
    result: str
    format: str
    size: int
    seconds: float
    execution_id: str | None
    created_at: int
    content: bytes | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that something happened, and what became of it."""

    id: str
    kind: str
    trigger: str
    dedup_key: str
    at: int
    status: str
    reason: str | None
    payload: dict[str, Any]
    execution_id: str | None


class LeaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who may do something at present, until when; the token grows with every owner."""

    name: str
    owner: str
    token: int
    expires_at: int


class VersionSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset version, as far as triggers care."""

    id: str
    number: int
    md5: str


class FiringAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that monitoring left in the store."""

    id: str
    monitor: str
    kind: str
    at: int
    summary: str
    evidence: Any


class _Prepared:
    """A statement that is compiled once for each kind of database and then goes straight to its driver.

    Recording a step is counted in tenths of a millisecond; SQLAlchemy's way from a statement to the driver takes most of
    one. Only for tables whose columns need no conversion.
    """

    def __init__(self, make: Callable[[str], ClauseElement]) -> None:
        self.make = make
        self.compiled: dict[str, tuple[str, list[str] | None]] = {}

    def __call__(self, connection: Connection | Direct, rows: Sequence[dict[str, Any]]) -> Any:
        dialect = connection.dialect
        if dialect.name not in self.compiled:
            made = self.make(dialect.name).compile(dialect=dialect)
            self.compiled[dialect.name] = (str(made), getattr(made, "positiontup", None))
        text, order = self.compiled[dialect.name]
        cursor = connection.connection.cursor()
        for row in rows:
            cursor.execute(text, row if order is None else [row[name] for name in order])
        return cursor


_RESULT = [column.name for column in step_results.columns]
_find_result = _Prepared(lambda _: select(step_results).where(step_results.c.key == bindparam("key")))
_add_step = _Prepared(lambda _: insert(execution_steps))
_lease_token = _Prepared(lambda _: select(leases.c.token).where(leases.c.name == bindparam("name")))


@_Prepared
def _put_result(dialect: str) -> ClauseElement:
    put: Any = upsert(dialect)(step_results)
    values = {name: put.excluded[name] for name in _RESULT if name != "key"}
    made: ClauseElement = put.on_conflict_do_update(index_elements=["key"], set_=values)
    return made


def find_result(connection: Connection | Direct, key: str) -> ResultRow | None:
    """Return what is remembered under a key."""
    cursor = _find_result(connection, [{"key": key}])
    row = cursor.fetchone()
    cursor.close()
    return None if row is None else ResultRow(**dict(zip(_RESULT, row, strict=True)))


def put_results(connection: Connection | Direct, rows: Iterable[ResultRow]) -> None:
    """Remember results, each replacing what was remembered under its key."""
    _put_result(connection, [msgspec.structs.asdict(row) for row in rows]).close()


def add_steps(connection: Connection | Direct, rows: Iterable[StepRow]) -> None:
    """Record steps of an execution."""
    _add_step(connection, [msgspec.structs.asdict(row) for row in rows]).close()


def steps_of(connection: Connection, execution_id: str) -> list[StepRow]:
    """Return the steps of an execution in the order they were called."""
    query = select(execution_steps).where(execution_steps.c.execution_id == execution_id)
    return [StepRow(**row) for row in connection.execute(query.order_by(execution_steps.c.position)).mappings()]


def add_execution(connection: Connection, row: ExecutionRow) -> None:
    """Record that an execution starts."""
    connection.execute(insert(executions), msgspec.structs.asdict(row))


def change_execution(connection: Connection, execution_id: str, **values: Any) -> None:
    """Change what is recorded of an execution."""
    connection.execute(update(executions).where(executions.c.id == execution_id).values(**values))


def running_executions(connection: Connection, pipeline: str) -> list[ExecutionRow]:
    """Return the executions of a pipeline that are recorded as running."""
    query = select(executions).where(executions.c.pipeline == pipeline, executions.c.status == "running")
    return [ExecutionRow(**row) for row in connection.execute(query).mappings()]


def find_executions(connection: Connection, prefix: str = "", limit: int = 100) -> list[ExecutionRow]:
    """Return executions whose id starts with ``prefix``, newest first."""
    query = select(executions).where(executions.c.id.startswith(prefix, autoescape=True))
    rows = connection.execute(query.order_by(executions.c.id.desc()).limit(limit)).mappings()
    return [ExecutionRow(**row) for row in rows]


def find_lease(connection: Connection, name: str) -> LeaseRow | None:
    """Return who holds, or last held, a lease."""
    row = connection.execute(select(leases).where(leases.c.name == name)).mappings().first()
    return None if row is None else LeaseRow(**row)


def put_lease(connection: Connection, row: LeaseRow, *, before: LeaseRow | None) -> None:
    """Record a new owner of a lease."""
    if before is None:
        connection.execute(insert(leases), msgspec.structs.asdict(row))
    else:
        connection.execute(update(leases).where(leases.c.name == row.name).values(**msgspec.structs.asdict(row)))


def extend_lease(connection: Connection, name: str, token: int, expires_at: int) -> bool:
    """Renew a lease that is still held under this token; say whether it was."""
    query = update(leases).where(leases.c.name == name, leases.c.token == token)
    return connection.execute(query.values(expires_at=expires_at)).rowcount == 1


def lease_token(connection: Connection | Direct, name: str) -> int | None:
    """Return the token of a lease's present owner."""
    cursor = _lease_token(connection, [{"name": name}])
    row = cursor.fetchone()
    cursor.close()
    return None if row is None else int(row[0])


def add_event(connection: Connection, event: Event) -> bool:
    """Record an event unless its dedup key is known; say whether it was new. Writers are serialised by the caller."""
    known = select(events.c.id).where(events.c.dedup_key == event.dedup_key)
    if connection.execute(known).first() is not None:
        return False
    connection.execute(insert(events), msgspec.structs.asdict(event))
    return True


def change_event(connection: Connection, event_id: str, **values: Any) -> None:
    """Change what became of an event."""
    connection.execute(update(events).where(events.c.id == event_id).values(**values))


def claim_event(connection: Connection, event_id: str) -> bool:
    """Turn a pending event into a running one; say whether this call did it."""
    query = update(events).where(events.c.id == event_id, events.c.status == "pending")
    return connection.execute(query.values(status="running")).rowcount == 1


def find_events(
    connection: Connection,
    *,
    trigger: str | None = None,
    statuses: Sequence[str] = (),
    prefix: str = "",
    limit: int | None = None,
    since: int | None = None,
) -> list[Event]:
    """Return events, newest first."""
    query = select(events).where(events.c.id.startswith(prefix, autoescape=True))
    if trigger is not None:
        query = query.where(events.c.trigger == trigger)
    if statuses:
        query = query.where(events.c.status.in_(statuses))
    if since is not None:
        query = query.where(events.c.at >= since)
    rows = connection.execute(query.order_by(events.c.at.desc(), events.c.id.desc()).limit(limit)).mappings()
    return [Event(**row) for row in rows]


def newest_dataset_version(connection: Connection, dataset: str) -> VersionSeen | None:
    """Return a dataset's newest version."""
    table = dataset_versions.c
    query = select(table.id, table.number, table.md5).where(table.dataset == dataset).order_by(table.number.desc())
    row = connection.execute(query.limit(1)).mappings().first()
    return None if row is None else VersionSeen(**row)


def execution_on(connection: Connection, dataset: str, md5: str) -> str | None:
    """Return an execution that finished and read this content of a dataset."""
    query = (
        select(executions.c.id)
        .join(inputs, inputs.c.run_id == executions.c.run_id)
        .where(inputs.c.dataset == dataset, inputs.c.md5 == md5, executions.c.status == "finished")
    )
    return connection.execute(query.order_by(executions.c.id.desc()).limit(1)).scalar()


def newest_delivery(connection: Connection) -> Event | None:
    """Return the event of the newest execution whose candidate went, or would have gone, to its gate."""
    query = select(events).where(events.c.execution_id.is_not(None)).order_by(events.c.execution_id.desc(), events.c.id)
    found = (Event(**row) for row in connection.execute(query.limit(200)).mappings())
    return next((event for event in found if event.kind != "manual" or "code" in event.payload), None)


def inputs_of(connection: Connection, execution_id: str) -> dict[str, set[str]]:
    """Return what an execution read of each dataset, by content."""
    query = select(inputs.c.dataset, inputs.c.md5).join(executions, executions.c.run_id == inputs.c.run_id)
    found: dict[str, set[str]] = {}
    for dataset, md5 in connection.execute(query.where(executions.c.id == execution_id)):
        found.setdefault(dataset, set()).add(md5)
    return found


def execution_of(connection: Connection, event_id: str) -> str | None:
    """Return the newest execution that an event started."""
    query = select(executions.c.id).where(executions.c.event_id == event_id).order_by(executions.c.id.desc())
    return connection.execute(query.limit(1)).scalar()


def interrupt_executions(connection: Connection, event_id: str, at: int, error: str) -> None:
    """Record that the executions of an event which did not end came to a stop."""
    query = update(executions).where(executions.c.event_id == event_id, executions.c.status == "running")
    connection.execute(query.values(status="interrupted", ended_at=at, error=error))


def finished_execution_of(connection: Connection, event_id: str) -> str | None:
    """Return the newest execution that an event started and that finished."""
    query = select(executions.c.id).where(executions.c.event_id == event_id, executions.c.status == "finished")
    return connection.execute(query.order_by(executions.c.id.desc()).limit(1)).scalar()


def last_execution_of(connection: Connection, trigger: str) -> int | None:
    """Return when the newest execution that a trigger started ended, or began if it did not end."""
    query = (
        select(func.max(func.coalesce(executions.c.ended_at, executions.c.started_at)))
        .select_from(events)
        .join(executions, executions.c.id == events.c.execution_id)
        .where(events.c.trigger == trigger)
    )
    return connection.execute(query).scalar()


def take_up_events(connection: Connection) -> None:
    """Let events wait again whose process died while it acted on them."""
    query = update(events).where(events.c.status == "running", events.c.kind != "manual")
    connection.execute(query.values(status="pending", reason="taken up again: its process had died"))


def firing_alerts(connection: Connection) -> list[FiringAlert]:
    """Return the alerts that fire at present, oldest first: what monitoring left in the store."""
    columns = (alerts.c.id, alerts.c.monitor, alerts.c.kind, alerts.c.at, alerts.c.summary, alerts.c.evidence)
    query = select(*columns).where(alerts.c.status == "firing").order_by(alerts.c.at, alerts.c.id)
    return [FiringAlert(**row) for row in connection.execute(query).mappings()]
