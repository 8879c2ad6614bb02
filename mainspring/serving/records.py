"""The rows of serving: all of its SQL."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from mainspring.store.schema.serving import releases, route_tables
from mainspring.store.schema.testing import gates
from mainspring.store.schema.versioning import models

Transaction = Connection
"""What ``Database.read`` and ``Database.write`` open."""
OPEN = ("shadow", "canary")


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Putting a version behind an endpoint: where it stands, and everything that was decided on the way."""

    id: str
    endpoint: str
    version: str
    previous: str | None
    state: str
    started_at: int
    updated_at: int
    actor: str
    reason: str
    override: str | None = None
    evidence: dict[str, Any] = {}

    @property
    def open(self) -> bool:
        """Whether it is still on its way."""
        return self.state in OPEN


class GateRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate said of a version."""

    id: str
    champion: str | None
    at: int
    outcome: str
    verdicts: list[dict[str, Any]]


class RouteRow(msgspec.Struct, frozen=True, kw_only=True):
    """A route table as it is recorded."""

    endpoint: str
    generation: int
    at: int
    routes: dict[str, Any]
    reason: str


def lock(connection: Transaction, endpoint: str) -> None:
    """Let one change of an endpoint happen at a time, until the transaction ends."""
    connection.execute(select(models).where(models.c.name == endpoint).with_for_update())


def latest_gate(connection: Transaction, model: str, version: str) -> GateRow | None:
    """Return the newest gate of a version."""
    mine = (gates.c.model == model) & (gates.c.version == version)
    row = connection.execute(select(gates).where(mine).order_by(gates.c.at.desc(), gates.c.id.desc()).limit(1)).first()
    return None if row is None else _struct(row, GateRow)


def latest_routes(connection: Transaction, endpoint: str) -> RouteRow | None:
    """Return the newest route table of an endpoint."""
    query = select(route_tables).where(route_tables.c.endpoint == endpoint)
    row = connection.execute(query.order_by(route_tables.c.generation.desc()).limit(1)).first()
    return None if row is None else _struct(row, RouteRow)


def all_latest_routes(connection: Transaction) -> list[RouteRow]:
    """Return the newest route table of every endpoint."""
    newest = (
        select(route_tables.c.endpoint, func.max(route_tables.c.generation).label("generation"))
        .group_by(route_tables.c.endpoint)
        .subquery()
    )
    query = select(route_tables).join(
        newest,
        (route_tables.c.endpoint == newest.c.endpoint) & (route_tables.c.generation == newest.c.generation),
    )
    return [_struct(row, RouteRow) for row in connection.execute(query.order_by(route_tables.c.endpoint))]


def insert_routes(connection: Transaction, row: RouteRow) -> None:
    """Record a route table."""
    connection.execute(insert(route_tables).values(**msgspec.structs.asdict(row)))


def insert_release(connection: Transaction, release: Release) -> None:
    """Record a new release."""
    connection.execute(insert(releases).values(**msgspec.structs.asdict(release)))


def update_release(connection: Transaction, release: Release) -> None:
    """Record how a release went on."""
    values = msgspec.structs.asdict(release)
    connection.execute(update(releases).where(releases.c.id == release.id).values(**values))


def select_releases(
    connection: Transaction, endpoint: str | None = None, *, version: str | None = None, states: tuple[str, ...] = ()
) -> list[Release]:
    """Return releases, newest first."""
    query = select(releases).order_by(releases.c.started_at.desc(), releases.c.id.desc())
    if endpoint is not None:
        query = query.where(releases.c.endpoint == endpoint)
    if version is not None:
        query = query.where(releases.c.version == version)
    if states:
        query = query.where(releases.c.state.in_(states))
    return [_struct(row, Release) for row in connection.execute(query)]


def _struct(row: Any, kind: Any) -> Any:
    held = {name: row._mapping[name] for name in kind.__struct_fields__}
    return msgspec.convert(
        {name: value for name, value in held.items() if not (name == "evidence" and value is None)}, kind
    )
