"""What a change of an endpoint writes: a release as it ends, and the route table that follows the newest one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.clock import now
from mainspring.base.ids import new_id
from mainspring.serving import records
from mainspring.serving.publication import row_of, table_of
from mainspring.serving.routes import Route, RouteTable

if TYPE_CHECKING:
    from mainspring.serving.canary import Judgement
    from mainspring.serving.records import Release, RouteRow, Transaction


def champion(row: RouteRow | None) -> str | None:
    """Return the version that a recorded route table makes champion."""
    route = None if row is None else table_of(row).route("champion")
    return None if route is None else route.version


def champion_route(version: str, artifact: str, weight: float = 1.0) -> Route:
    """Return the route of a champion."""
    return Route(version=version, role="champion", weight=weight, artifact=artifact)


def end(
    connection: Transaction,
    held: Release,
    state: str,
    reason: str,
    at: int,
    *,
    judgement: Judgement | None = None,
    **details: object,
) -> Release:
    """Record that a release ended in a state, and why; return it as it is now."""
    ended: dict[str, Any] = {"at": at, "from": held.state, "reason": reason, **details}
    if judgement is not None:
        ended["judgement"] = msgspec.to_builtins(judgement)
    changed = msgspec.structs.replace(held, state=state, updated_at=at, evidence=held.evidence | {"ended": ended})
    records.update_release(connection, changed)
    return changed


def insert_table(
    connection: Transaction,
    row: RouteRow | None,
    chosen: list[Route],
    reason: str,
    *,
    override: str | None = None,
    endpoint: str = "",
) -> None:
    """Record the table that follows ``row``, or the first one of ``endpoint``."""
    table = RouteTable(
        endpoint=endpoint if row is None else row.endpoint,
        generation=1 if row is None else row.generation + 1,
        salt=new_id(),
        routes=chosen,
        reason=reason,
        override=override,
    )
    records.insert_routes(connection, row_of(table, now()))
