"""From the records to the workers: route files and stages follow what the database says, whatever crashed in between.

The newest row of ``route_tables`` is the truth about an endpoint. The route file, and the stages of the model's versions,
are made to agree with it after every change, and again by ``reconcile``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import Corrupted, MainspringError
from mainspring.serving import records, routes
from mainspring.serving.routes import RouteTable
from mainspring.versioning import registry

if TYPE_CHECKING:
    from mainspring.serving.records import Release, RouteRow, Transaction
    from mainspring.store.workspace import Workspace

log = logging.getLogger(__name__)


def table_of(row: RouteRow) -> RouteTable:
    """Return a recorded route table."""
    return msgspec.convert(
        {"endpoint": row.endpoint, "generation": row.generation, "reason": row.reason, **row.routes}, RouteTable
    )


def row_of(table: RouteTable, at: int) -> RouteRow:
    """Return a route table as it is recorded."""
    document: dict[str, Any] = msgspec.to_builtins(table)
    held = {name: document[name] for name in ("salt", "routes", "override")}
    return records.RouteRow(
        endpoint=table.endpoint, generation=table.generation, at=at, routes=held, reason=table.reason
    )


def current(workspace: Workspace, endpoint: str) -> RouteTable | None:
    """Return the route table of an endpoint as recorded, or None if nothing was ever released there."""
    with workspace.database.read() as connection:
        row = records.latest_routes(connection, endpoint)
    return None if row is None else table_of(row)


def publish(workspace: Workspace, endpoint: str) -> RouteTable | None:
    """Write the newest route table where workers look; whoever races, the newest one stays."""
    written: RouteTable | None = None
    while (table := current(workspace, endpoint)) is not None and table != written:
        if _published(workspace, endpoint) != table:
            from mainspring.versioning.materials import materialise_address  # late: what packs models is heavy

            for route in table.routes:
                materialise_address(workspace, route.artifact)
            routes.write(workspace, table)
        written = table
    return written


def _published(workspace: Workspace, endpoint: str) -> RouteTable | None:
    try:
        return routes.read(routes.path(workspace, endpoint))
    except (FileNotFoundError, Corrupted):
        return None


def align(workspace: Workspace, endpoint: str, *, actor: str | None = None, evidence: object = None) -> None:
    """Bring the stages of a model's versions to what its endpoint does: the champion is in production, a version in
    release in staging, one that was rolled back or superseded in the archive."""
    with workspace.database.read() as connection:
        if not _moves(connection, endpoint):
            return
    with workspace.database.write() as connection:
        records.lock(connection, endpoint)
        for version, stage, reason in _moves(connection, endpoint):
            registry.move(
                connection,
                endpoint,
                version,
                stage,
                reason=reason,
                actor=actor or workspace.actor,
                evidence=evidence,
            )


def _moves(connection: Transaction, endpoint: str) -> list[tuple[str, str, str]]:
    row = records.latest_routes(connection, endpoint)
    if row is None:
        return []
    table = table_of(row)
    stages = registry.stages(connection, endpoint)
    latest: dict[str, Release] = {}
    for release in records.select_releases(connection, endpoint):
        latest.setdefault(release.version, release)
    champion = table.route("champion")
    moves = []
    for version, release in latest.items():
        if release.open and stages.get(version) not in (None, "staging"):
            moves.append((version, "staging", f"in release as {release.state}: {release.reason}"))
        elif release.state in ("rolled_back", "superseded") and stages.get(version) == "staging":
            moves.append((version, "archived", _ending(release)))
    if champion is not None and stages.get(champion.version) not in (None, "production"):
        moves.append((champion.version, "production", table.reason or "its endpoint serves it"))
    return moves


def _ending(release: Release) -> str:
    return str(release.evidence.get("ended", {}).get("reason") or release.state.replace("_", " "))


def reconcile(workspace: Workspace) -> list[str]:
    """Heal what a crash left between the records and the workers; return the endpoints that were healed.

    A problem with one endpoint does not keep the others from being healed; it is logged.
    """
    healed = []
    with workspace.database.read() as connection:
        rows = records.all_latest_routes(connection)
    for row in rows:
        try:
            if _published(workspace, row.endpoint) != table_of(row):
                publish(workspace, row.endpoint)
                healed.append(row.endpoint)
            align(workspace, row.endpoint)
        except MainspringError as error:
            log.error("%s: its routes could not be healed: %s", row.endpoint, error.message)
    return healed
