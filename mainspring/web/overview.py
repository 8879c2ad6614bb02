"""What the first page shows: endpoints, monitors, alerts, releases and events, as rows of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.automation.events import list_events
from mainspring.base.clock import iso, now
from mainspring.monitoring.alerts import list_alerts
from mainspring.monitoring.watch import latest
from mainspring.serving import routes
from mainspring.serving.releases import list_releases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.store.workspace import Workspace

_LOOKS = 40
_ROWS = 12


class Cell(msgspec.Struct, frozen=True):
    """A text, the class that colours it, and the points of a small curve if it is one."""

    text: str
    kind: str = ""
    points: str = ""


class Section(msgspec.Struct, frozen=True):
    """A table of the page."""

    columns: list[str]
    rows: list[list[Cell]]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the first page shows."""

    project: str
    at: str
    endpoints: Section
    monitors: Section
    alerts: Section
    releases: Section
    events: Section


def overview(workspace: Workspace) -> Overview:
    """Gather the page from the records. Read-only."""
    return Overview(
        project=workspace.settings.project,
        at=iso(now()),
        endpoints=_endpoints(workspace),
        monitors=_monitors(workspace),
        alerts=_alerts(workspace),
        releases=_releases(workspace),
        events=_events(workspace),
    )


def curve(values: Sequence[float]) -> str:
    """Return the points of a line through values in a box of 100 × 20; a constant lies in the middle.

    >>> curve([0.0, 1.0])
    '0.0,19.0 100.0,1.0'
    """
    low, high = min(values), max(values)
    span = high - low
    across = 100 / max(len(values) - 1, 1)
    heights = [19 - 18 * (value - low) / span if span else 10.0 for value in values]
    return " ".join(f"{index * across:.1f},{height:.1f}" for index, height in enumerate(heights))


def _endpoints(workspace: Workspace) -> Section:
    rows = []
    for file in routes.files(workspace):
        table = routes.read(file)
        for route in table.routes:
            share = f"{route.weight:.0%}" + (" copied" if route.role == "shadow" else "")
            rows.append(
                [Cell(table.endpoint), Cell(route.version), Cell(route.role, route.role), Cell(share, "number")]
            )
    return Section(["endpoint", "version", "role", "share of requests"], rows)


def _monitors(workspace: Workspace) -> Section:
    rows = []
    for name in workspace.settings.monitors:
        seen = latest(workspace, name, limit=_LOOKS)
        if not seen:
            rows.append([Cell(name), Cell("not looked yet", "quiet"), Cell("—"), Cell("—"), Cell("—"), Cell("—")])
            continue
        newest = seen[0]
        estimates = [float(value) for look in reversed(seen) if (value := _estimate(look["evidence"])) is not None]
        trend = Cell(f"{len(estimates)} looks", points=curve(estimates)) if len(estimates) > 1 else Cell("—")
        rows.append(
            [
                Cell(name),
                Cell(newest["status"].replace("_", " "), newest["status"]),
                Cell(str(newest["evidence"].get("summary", "—"))),
                Cell(str(newest["n"]), "number"),
                trend,
                Cell(iso(newest["at"]), "number"),
            ]
        )
    return Section(["monitor", "status", "what it saw", "n", "trend", "looked at"], rows)


def _estimate(evidence: dict[str, Any]) -> float | None:
    for name in ("estimate", "error_rate", "label_coverage"):
        if isinstance(found := evidence.get(name), dict) and isinstance(found.get("value"), int | float):
            return float(found["value"])
    return None


def _alerts(workspace: Workspace) -> Section:
    rows = [
        [
            Cell(alert.monitor),
            Cell(alert.status, alert.status),
            Cell(alert.summary),
            _when(alert.at),
            _when(alert.resolved_at),
        ]
        for alert in list_alerts(workspace, limit=_ROWS)
    ]
    return Section(["monitor", "status", "summary", "fired at", "resolved at"], rows)


def _releases(workspace: Workspace) -> Section:
    rows = [
        [
            Cell(item.endpoint),
            Cell(item.version),
            Cell(item.state.replace("_", " "), item.state),
            Cell(item.evidence.get("ended", {}).get("reason", item.reason)),
            _when(item.updated_at),
        ]
        for item in list_releases(workspace)[:_ROWS]
    ]
    return Section(["endpoint", "version", "state", "why", "since"], rows)


def _events(workspace: Workspace) -> Section:
    rows = [
        [
            Cell(event.kind),
            Cell(event.trigger),
            Cell(event.status, event.status),
            Cell(event.reason or "—"),
            _when(event.at),
        ]
        for event in list_events(workspace, limit=_ROWS)
    ]
    return Section(["event", "trigger", "status", "what became of it", "at"], rows)


def _when(at: int | None) -> Cell:
    return Cell("—" if at is None else iso(at), "number")
