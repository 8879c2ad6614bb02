"""The watch: every monitor of the settings looks once; what it finds is recorded, fires an alert or ends one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import polars as pl

from mainspring.base import clock
from mainspring.base.errors import MainspringError
from mainspring.base.ids import new_id
from mainspring.base.settings import monitors as declared
from mainspring.monitoring import alerts, records
from mainspring.monitoring.channels.delivery import deliver
from mainspring.monitoring.monitors.business import business
from mainspring.monitoring.monitors.drift import data_drift, prediction_drift
from mainspring.monitoring.monitors.finding import Finding, Insufficient, Status
from mainspring.monitoring.monitors.freshness import freshness
from mainspring.monitoring.monitors.labels import label_drift
from mainspring.monitoring.monitors.performance import performance
from mainspring.monitoring.monitors.resources import resources
from mainspring.monitoring.monitors.service import service
from mainspring.monitoring.monitors.validation import validation
from mainspring.monitoring.monitors.watched import Watched
from mainspring.versioning import models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mainspring.store.workspace import Workspace


class Evaluator(NamedTuple):
    """What a type of monitor asks, and the kind of its alerts."""

    kind: alerts.Kind
    evaluate: Callable[[Any, Watched], Finding]


EVALUATORS: dict[type[declared.MonitorSettings], Evaluator] = {
    declared.DataDrift: Evaluator("drift", data_drift),
    declared.PredictionDrift: Evaluator("drift", prediction_drift),
    declared.LabelDrift: Evaluator("drift", label_drift),
    declared.Performance: Evaluator("performance", performance),
    declared.Validation: Evaluator("validation", validation),
    declared.Business: Evaluator("business", business),
    declared.Service: Evaluator("service", service),
    declared.Resources: Evaluator("resources", resources),
    declared.Freshness: Evaluator("freshness", freshness),
}


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
    and neither fires nor ends an alert; the others go on. A version that is new in production ends the alerts about the old
    one. Channels that fail are tried again at the next watch.
    """
    settings = workspace.settings
    name = endpoint or (settings.model.name if settings.model else None)
    _end_overtaken(workspace, name)
    watched = Watched(workspace, name)
    observations = [_observe(workspace, watched, monitor, settings.monitors[monitor]) for monitor in settings.monitors]
    deliver(workspace)
    return observations


def latest(workspace: Workspace, monitor: str, *, limit: int = 1) -> list[dict[str, Any]]:
    """Return a monitor's recorded observations, the newest first."""
    with workspace.database.read() as connection:
        return records.latest_observations(connection, monitor, limit)


def _observe(workspace: Workspace, watched: Watched, name: str, monitor: declared.Monitor) -> Observation:
    evaluator = EVALUATORS[type(monitor)]
    found = _look(evaluator, monitor, watched)
    observation = Observation(
        id=new_id(),
        monitor=name,
        kind=evaluator.kind,
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
        evidence = row["evidence"] | {"summary": found.summary, "kind": evaluator.kind}
        records.insert_observation(connection, **kept, evidence=evidence)
    return msgspec.structs.replace(observation, alert=_alert(workspace, observation))


def _look(evaluator: Evaluator, monitor: declared.Monitor, watched: Watched) -> Finding:
    try:
        return evaluator.evaluate(monitor, watched)
    except Insufficient as lacking:
        return Finding(status="insufficient_data", n=0, summary=lacking.message, evidence=_said(lacking))
    except MainspringError as error:
        return Finding(status="error", n=0, summary=error.message, evidence=_said(error))
    except (ValueError, OSError, pl.exceptions.PolarsError) as error:
        words = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return Finding(status="error", n=0, summary=words, evidence={"error": words})


def _said(error: MainspringError) -> dict[str, Any]:
    return {"reason": error.message, "hint": error.hint}


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
    champion = models.champion(workspace, endpoint) if endpoint is not None else None
    for alert in _firing(workspace):
        about = alert.evidence.get("champion")
        if alert.monitor not in workspace.settings.monitors and not alert.monitor.startswith("validation:"):
            alerts.resolve(workspace, alert.monitor, reason="the monitor is no longer declared", final=True)
        elif alert.kind in alerts.OF_A_VERSION and champion is not None and about not in (None, champion.version):
            alerts.resolve(workspace, alert.monitor, reason="a new version is in production", final=True)


def _firing(workspace: Workspace) -> Iterable[alerts.Alert]:
    return alerts.list_alerts(workspace, status="firing")
