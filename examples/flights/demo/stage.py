"""What the acts share: the workspace, its feed of months, and the endpoint's traffic."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from examples.flights.demo.traffic import Day, Traffic
from mainspring.automation.events import list_events
from mainspring.monitoring.alerts import list_alerts
from mainspring.serving import releases
from mainspring.store.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from examples.flights.demo.teller import Teller

_SETTLE = 0.6
"""Seconds until the server has written what it answered (it writes twice a second)."""


@dataclass
class Stage:
    """The demo's workspace and its surroundings."""

    folder: Path
    teller: Teller
    months: dict[int, pl.DataFrame]
    traffic: Traffic = field(default_factory=lambda: Traffic(port=0))
    known_releases: dict[str, str] = field(default_factory=dict)
    known_events: set[str] = field(default_factory=set)
    known_alerts: set[tuple[str, str]] = field(default_factory=set)
    milestones: list[tuple[date, str, str]] = field(default_factory=list)
    """Simulated day, version and state of every change of a release."""
    today: date = date(2013, 4, 1)

    def deliver_month(self, month: int, rows: pl.DataFrame | None = None) -> None:
        """Put a month's file where the feed puts it."""
        folder = self.folder / "data" / "flights"
        folder.mkdir(parents=True, exist_ok=True)
        (self.months[month] if rows is None else rows).write_parquet(folder / f"2013-{month:02d}.parquet")

    def open_endpoint(self, port: int) -> None:
        """Send traffic to the endpoint that listens on ``port``."""
        self.traffic = Traffic(port)

    def live(self, first: date, last: date) -> list[Day]:
        """Live through the days: flights are asked about, arrivals reported, releases in flight moved on."""
        lived = []
        flights = pl.concat(self.months[month] for month in sorted({first.month, last.month}))
        by_day = flights.with_columns(pl.col("scheduled_at").dt.date().alias("day"))
        for offset in range((last - first).days + 1):
            day = self.today = first + timedelta(days=offset)
            lived.append(self.traffic.ask(day, by_day.filter(pl.col("day") == day)))
            self.traffic.report_arrivals(day)
            self.follow_releases()
        return lived

    def follow_releases(self) -> None:
        """Let a release in flight be judged by what it did so far, and tell what changed."""
        workspace = Workspace(self.folder)
        if any(release.open for release in releases.list_releases(workspace)):
            time.sleep(_SETTLE)
            releases.advance(workspace)
        self.tell_releases(releases.list_releases(workspace))
        workspace.close()

    def tell_releases(self, found: list[Any]) -> None:
        """Tell of releases whose state is new."""
        for release in reversed(found):
            if self.known_releases.get(release.id) == release.state:
                continue
            self.known_releases[release.id] = release.state
            self.milestones.append((self.today, release.version, release.state))
            style = {"promoted": "green", "rolled_back": "bold red", "canary": "yellow", "shadow": "yellow"}.get(
                release.state, ""
            )
            self.teller.tell(
                f"  ● {self.today:%d %B}: {release.endpoint} {release.version} {_how(release)}", style=style
            )

    def tell_news(self) -> None:
        """Tell of alerts and events that are new."""
        workspace = Workspace(self.folder)
        for alert in reversed(list_alerts(workspace)):
            if (alert.id, alert.status) not in self.known_alerts:
                self.known_alerts.add((alert.id, alert.status))
                style = "red" if alert.status == "firing" else "green"
                self.teller.tell(f"  ▲ alert {alert.status}: {alert.monitor}: {alert.summary}", style=style)
        for event in reversed(list_events(workspace)):
            if event.id not in self.known_events:
                self.known_events.add(event.id)
                self.teller.tell(f"  ◆ event {event.kind} → {event.status}: {event.reason or ''}", style="magenta")
        workspace.close()


def _how(release: Any) -> str:
    state = {
        "shadow": "answers unseen, as shadow",
        "canary": "answers a share, as canary",
        "promoted": "is in production",
    }
    if "ended" in release.evidence:
        return f"{release.state.replace('_', ' ')}: {release.evidence['ended']['reason']}"
    judged = [phase["judgement"]["reason"] for phase in release.evidence["phases"] if "judgement" in phase]
    return f"{state.get(release.state, release.state)}: {judged[-1] if judged else release.reason}"
