"""Events: facts that something happened, each on record once, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.automation import records
from mainspring.automation.records import Event
from mainspring.base.clock import now
from mainspring.base.errors import NotFound
from mainspring.base.ids import new_id

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

__all__ = ["Event", "conclude", "emit", "get", "list_events", "pending"]

KINDS = ("schedule", "data", "drift", "metric", "commit", "manual")
STATUSES = ("pending", "running", "done", "failed", "suppressed", "blocked")


def emit(
    workspace: Workspace,
    kind: str,
    trigger: str,
    dedup_key: str,
    payload: dict[str, Any],
    *,
    status: str = "pending",
    reason: str | None = None,
) -> Event | None:
    """Record that something happened; None when it is on record already, whoever races."""
    event = Event(
        id=new_id(),
        kind=kind,
        trigger=trigger,
        dedup_key=dedup_key,
        at=now(),
        status=status,
        reason=reason,
        payload=payload,
        execution_id=None,
    )
    with workspace.database.write() as connection:
        return event if records.add_event(connection, event) else None


def conclude(
    workspace: Workspace,
    event: Event,
    status: str,
    reason: str | None,
    *,
    execution_id: str | None = None,
    **payload: Any,
) -> Event:
    """Record what became of an event, and return it so."""
    changed = msgspec.structs.replace(
        event,
        status=status,
        reason=reason,
        execution_id=execution_id or event.execution_id,
        payload=event.payload | payload,
    )
    with workspace.database.write() as connection:
        records.change_event(
            connection,
            event.id,
            status=changed.status,
            reason=changed.reason,
            execution_id=changed.execution_id,
            payload=changed.payload,
        )
    return changed


def list_events(workspace: Workspace, *, limit: int | None = 100, trigger: str | None = None) -> list[Event]:
    """Return events, newest first."""
    with workspace.database.read() as connection:
        return records.find_events(connection, limit=limit, trigger=trigger)


def get(workspace: Workspace, event_id: str) -> Event:
    """Return one event.

    Raises:
        NotFound: there is none with that id.
    """
    with workspace.database.read() as connection:
        rows = records.find_events(connection, prefix=event_id, limit=2)
    if len(rows) != 1:
        raise NotFound(f"there is no event '{event_id}'", hint="see `mainspring events list`")
    return rows[0]


def pending(workspace: Workspace) -> list[Event]:
    """Return the events that wait to be acted on, oldest first."""
    with workspace.database.read() as connection:
        return records.find_events(connection, statuses=("pending",))[::-1]
