"""Notices of alerts: planned with the alert in one transaction, sent afterwards, tried again until they arrive.

A notice may arrive twice (the process may die between sending it and recording that), and never gets lost before
:data:`ATTEMPTS` tries. What goes wrong here never stops a watch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.base import clock
from mainspring.base.hashing import digest
from mainspring.monitoring import records
from mainspring.monitoring.channels import log, webhook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.base.settings.schema import Channel
    from mainspring.store.workspace import Workspace

ATTEMPTS = 20
_LOOK_BACK = 7 * 86_400_000

Event = Literal["firing", "resolved"]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One notice to one channel: when it arrived (None: not yet), how often it was tried, what went wrong last.

    ``channel`` is the channel's type and a digest of its address; the address itself may hold a secret.
    """

    channel: str
    event: Event
    attempts: int = 0
    delivered_at: int | None = None
    error: str | None = None

    @property
    def due(self) -> bool:
        """Whether it should be tried (again)."""
        return self.delivered_at is None and self.attempts < ATTEMPTS


def planned(channels: Sequence[Channel], monitor: str | None, event: Event) -> list[Delivery]:
    """Return the notices that are due when an alert of this monitor fires or is over; None is for every channel."""
    told = [c for c in channels if monitor is None or not c.monitors or monitor in c.monitors]
    return [Delivery(channel=key_of(channel), event=event) for channel in told]


def deliver(workspace: Workspace) -> int:
    """Send every notice that is due; return how many arrived. Never raises for what a channel does.

    A channel that fails is left alone until the next time, so one that is down costs one timeout.
    """
    channels = {key_of(channel): channel for channel in workspace.settings.channels}
    since = clock.now() - _LOOK_BACK
    with workspace.database.read() as connection:
        rows = records.list_alerts(connection, since=since)
    arrived = 0
    silent: set[str] = set()
    for row in reversed(rows):
        tried = {}
        for place, each in enumerate(msgspec.convert(row["deliveries"], list[Delivery])):
            if each.due and each.channel not in silent:
                tried[place] = _try(workspace, channels, row, each)
                if tried[place].delivered_at is None:
                    silent.add(each.channel)
        if tried:
            _record(workspace, row["id"], tried)
            arrived += sum(each.delivered_at is not None for each in tried.values())
    return arrived


def _try(workspace: Workspace, channels: dict[str, Channel], row: records.Row, planned: Delivery) -> Delivery:
    attempts = planned.attempts + 1
    channel = channels.get(planned.channel)
    if channel is None:
        return msgspec.structs.replace(planned, attempts=ATTEMPTS, error="the channel is no longer in the settings")
    try:
        notice = _notice(workspace.settings.project, row, planned.event)
        if channel.type == "webhook":
            webhook.post(channel.url or "", notice)
        else:
            log.append(workspace.state / "alerts.log", notice)
    except (webhook.NotDelivered, OSError) as error:
        return msgspec.structs.replace(planned, attempts=attempts, error=str(error))
    return msgspec.structs.replace(planned, attempts=attempts, delivered_at=clock.now(), error=None)


def _record(workspace: Workspace, alert_id: str, tried: dict[int, Delivery]) -> None:
    """Write down what was tried; notices planned meanwhile stay."""
    with workspace.database.write() as connection:
        row = records.alert(connection, alert_id)
        if row is None:
            return
        now = msgspec.convert(row["deliveries"], list[Delivery])
        for place, each in tried.items():
            if place < len(now) and (now[place].channel, now[place].event) == (each.channel, each.event):
                now[place] = each
        records.update_alert(connection, alert_id, deliveries=msgspec.to_builtins(now))


def _notice(project: str, row: records.Row, event: Event) -> dict[str, Any]:
    over = event == "resolved"
    reason = row["evidence"].get("resolution", {}).get("reason", "it is over")
    words = f"resolved: {reason}" if over else row["summary"]
    return {
        "text": f"[{project}] {row['monitor']} {event}: {words}".replace("resolved: resolved:", "resolved:"),
        "project": project,
        "alert": row["id"],
        "monitor": row["monitor"],
        "kind": row["kind"],
        "status": event,
        "at": clock.iso(row["at"]),
        "resolved_at": clock.iso(row["resolved_at"]) if over and row["resolved_at"] is not None else None,
        "summary": row["summary"],
        "evidence": row["evidence"],
    }


def key_of(channel: Channel) -> str:
    """Return what records call a channel."""
    return f"{channel.type}:{digest(channel.url)[:12]}" if channel.type == "webhook" else channel.type
