"""Alerts: at most one firing for each monitor, told to people once when it fires and once when it is over.

Against flapping there is one rule: an alert that fires again within :data:`COOLDOWN` of being resolved, by the clock and in
the event time of what the monitor looked at, is the old one opened again, and nobody is told twice. An alert that somebody
closed on purpose (a new version in production) stays closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.base import clock
from mainspring.base.ids import new_id
from mainspring.monitoring import records
from mainspring.monitoring.channels.delivery import Delivery, deliver, planned

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

COOLDOWN = 600_000
"""Milliseconds after its resolution in which an alert is opened again instead of a new one made."""

REHEARSAL = "channels"
"""What alerts are called that are no alerts, but try the channels."""

Kind = Literal["validation", "drift", "performance", "business", "service", "resources", "freshness"]
OF_A_VERSION: frozenset[Kind] = frozenset({"drift", "performance"})
"""Kinds that speak of the version in production, and end with it."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor's firing, and its end. ``at`` and ``resolved_at`` are milliseconds UTC."""

    id: str
    monitor: str
    kind: Kind
    status: Literal["firing", "resolved"]
    at: int
    resolved_at: int | None
    summary: str
    evidence: dict[str, Any]
    deliveries: list[Delivery]


def fire(
    workspace: Workspace,
    monitor: str,
    kind: Kind,
    *,
    summary: str,
    evidence: dict[str, Any],
    event_time: int | None = None,
) -> Alert:
    """Return the firing alert of a monitor, made now if there is none; whoever races, there is one.

    ``event_time`` is the end of the window that the monitor looked at (milliseconds UTC). The notifications that are due are
    recorded in the same transaction; :func:`mainspring.monitoring.channels.delivery.deliver` sends them.
    """
    now = clock.now()
    with workspace.database.write() as connection:
        latest = _alert(records.latest_alert(connection, monitor))
        if latest is not None and latest.status == "firing":
            return latest
        if latest is not None and _flaps(latest, now, event_time):
            opened = _reopened(latest)
            records.update_alert(connection, opened.id, **_changes(opened))
            return opened
        alert = Alert(
            id=new_id(),
            monitor=monitor,
            kind=kind,
            status="firing",
            at=now,
            resolved_at=None,
            summary=summary,
            evidence=evidence,
            deliveries=planned(workspace.settings.channels, monitor, "firing"),
        )
        records.insert_alert(connection, **msgspec.to_builtins(alert))
    return alert


def resolve(
    workspace: Workspace, monitor: str, *, reason: str, event_time: int | None = None, final: bool = False
) -> Alert | None:
    """End the firing alert of a monitor, saying why; None when it has none. ``final`` keeps it from being opened again."""
    now = clock.now()
    with workspace.database.write() as connection:
        firing = _alert(records.latest_alert(connection, monitor))
        if firing is None or firing.status != "firing":
            return None
        told = {"reason": reason, "event_time": event_time, "final": final}
        resolved = msgspec.structs.replace(
            firing,
            status="resolved",
            resolved_at=now,
            evidence=firing.evidence | {"resolution": told},
            deliveries=[*firing.deliveries, *planned(workspace.settings.channels, monitor, "resolved")],
        )
        records.update_alert(connection, resolved.id, **_changes(resolved))
    return resolved


def rehearse(workspace: Workspace) -> list[Delivery]:
    """Send a notice through every channel that nothing is wrong, and return what became of it.

    It is on record as an alert that is over: the evidence that somebody would be told.
    """
    now = clock.now()
    alert = Alert(
        id=new_id(),
        monitor=REHEARSAL,
        kind="service",
        status="resolved",
        at=now,
        resolved_at=now,
        summary="a test of the channels, nothing is wrong",
        evidence={"resolution": {"reason": "it was a test", "final": True}},
        deliveries=planned(workspace.settings.channels, None, "firing"),
    )
    with workspace.database.write() as connection:
        records.insert_alert(connection, **msgspec.to_builtins(alert))
    deliver(workspace)
    with workspace.database.read() as connection:
        row = records.alert(connection, alert.id)
    assert row is not None
    return msgspec.convert(row["deliveries"], list[Delivery])


def list_alerts(workspace: Workspace, *, status: str | None = None, limit: int | None = None) -> list[Alert]:
    """Return the alerts, the newest first."""
    with workspace.database.read() as connection:
        rows = records.list_alerts(connection, status=status, limit=limit)
    return [msgspec.convert(row, Alert) for row in rows]


def _alert(row: records.Row | None) -> Alert | None:
    return None if row is None else msgspec.convert(row, Alert)


def _changes(alert: Alert) -> dict[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(alert).items() if name != "id"}


def _flaps(latest: Alert, now: int, event_time: int | None) -> bool:
    told = latest.evidence.get("resolution", {})
    if told.get("final") or latest.resolved_at is None or now - latest.resolved_at >= COOLDOWN:
        return False
    before = told.get("event_time")
    return before is None or event_time is None or abs(event_time - before) < COOLDOWN


def _reopened(latest: Alert) -> Alert:
    kept = {key: value for key, value in latest.evidence.items() if key != "resolution"}
    times = int(kept.get("reopened", 0)) + 1
    told = [each for each in latest.deliveries if each.event == "firing" or each.delivered_at is not None]
    return msgspec.structs.replace(
        latest, status="firing", resolved_at=None, evidence=kept | {"reopened": times}, deliveries=told
    )
