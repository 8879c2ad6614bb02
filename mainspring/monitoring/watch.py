"""The watch: every monitor of the settings looks once; what it finds is recorded, fires an alert or ends one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base import clock
from mainspring.base.ids import new_id
from mainspring.monitoring import alerts, records
from mainspring.monitoring.channels.delivery import deliver
from mainspring.monitoring.monitors.finding import Status
from mainspring.versioning import registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mainspring.monitoring.monitors.finding import Finding
    from mainspring.store.workspace import Workspace


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What one look of one monitor found; moments are milliseconds UTC, the window in event time."""

    id: str
    monitor: str
    kind: alerts.Kind
    at: int
    status: Status
    n: int
    summary: str
    evidence: dict[str, Any]
    window_start: int | None = None
    window_end: int | None = None
    alert: str | None = None
    """The alert that is firing because of it."""


def watch(workspace: Workspace, endpoint: str | None = None) -> list[Observation]:
    """Let every monitor look once, in the order of the settings; record, alert and tell.

    ``endpoint`` is by default the model of the settings. A monitor that cannot look is an observation with status ``error``
    and neither fires nor ends an alert; the others go on. A version that left production takes the alerts about it along.
    Channels that fail are tried again at the next watch.
    """
    settings = workspace.settings
    name = endpoint or (settings.model.name if settings.model else None)
    _end_overtaken(workspace, name)
    observations = _observations(workspace, name) if settings.monitors else []
    deliver(workspace)
    return observations


def latest(workspace: Workspace, monitor: str, *, limit: int = 1) -> list[dict[str, Any]]:
    """Return a monitor's recorded observations, the newest first."""
    with workspace.database.read() as connection:
        return records.latest_observations(connection, monitor, limit)


def _observations(workspace: Workspace, endpoint: str | None) -> list[Observation]:
    from mainspring.monitoring.monitors.evaluators import (
        EVALUATORS,
        look,
    )  # late: a server without monitors stays small
    from mainspring.monitoring.monitors.watched import Watched

    watched = Watched(workspace, endpoint)
    seen = []
    for name, monitor in workspace.settings.monitors.items():
        evaluator = EVALUATORS[type(monitor)]
        seen.append(_record(workspace, name, evaluator.kind, look(evaluator, monitor, watched)))
    return seen


def _record(workspace: Workspace, name: str, kind: alerts.Kind, found: Finding) -> Observation:
    observation = Observation(
        id=new_id(),
        monitor=name,
        kind=kind,
        at=clock.now(),
        status=found.status,
        n=found.n,
        summary=found.summary,
        evidence=found.evidence,
        window_start=found.window_start,
        window_end=found.window_end,
    )
    row = msgspec.to_builtins(observation)
    kept = {key: row[key] for key in ("id", "monitor", "at", "status", "window_start", "window_end", "n")}
    with workspace.database.write() as connection:
        evidence = row["evidence"] | {"summary": found.summary, "kind": kind}
        records.insert_observation(connection, **kept, evidence=evidence)
    return msgspec.structs.replace(observation, alert=_alert(workspace, observation))


def _alert(workspace: Workspace, seen: Observation) -> str | None:
    if seen.status == "firing":
        span = {"window_start": seen.window_start, "window_end": seen.window_end, "n": seen.n}
        alert = alerts.fire(
            workspace,
            seen.monitor,
            seen.kind,
            summary=seen.summary,
            evidence=seen.evidence | span | {"observation": seen.id},
            event_time=seen.window_end,
        )
        return alert.id
    if seen.status == "ok":
        alerts.resolve(workspace, seen.monitor, reason=seen.summary, event_time=seen.window_end)
    return None


def _end_overtaken(workspace: Workspace, endpoint: str | None) -> None:
    """End alerts about a version that is no longer in production, and alerts of monitors that are no longer declared."""
    champion = registry.champion(workspace, endpoint) if endpoint is not None else None
    for alert in _firing(workspace):
        about = alert.evidence.get("champion")
        if alert.monitor not in workspace.settings.monitors and not alert.monitor.startswith("validation:"):
            alerts.resolve(workspace, alert.monitor, reason="the monitor is no longer declared", final=True)
        elif alert.kind in alerts.OF_A_VERSION and endpoint and about not in (None, champion and champion.version):
            reason = "a new version is in production" if champion else f"{about} left production"
            alerts.resolve(workspace, alert.monitor, reason=reason, final=True)


def _firing(workspace: Workspace) -> Iterable[alerts.Alert]:
    return alerts.list_alerts(workspace, status="firing")
