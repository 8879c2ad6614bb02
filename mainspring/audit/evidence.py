"""What is known about a workspace, each fact looked up once; read-only."""

from __future__ import annotations

import shutil
import subprocess
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mainspring.audit import records
from mainspring.automation.events import list_events
from mainspring.automation.execute import get_execution
from mainspring.base.clock import iso, now
from mainspring.base.errors import Corrupted, MainspringError, NotFound
from mainspring.monitoring import watch
from mainspring.monitoring.alerts import list_alerts
from mainspring.serving.predictions import labels, predictions
from mainspring.serving.releases import list_releases
from mainspring.testing import gate, suite
from mainspring.tracking import search
from mainspring.versioning import models
from mainspring.versioning import snapshot as snapshots
from mainspring.versioning.artifact import read_manifest

if TYPE_CHECKING:
    from sqlalchemy import Row

    from mainspring.automation.events import Event
    from mainspring.automation.execute import Execution
    from mainspring.base.settings.schema import Settings
    from mainspring.monitoring.alerts import Alert
    from mainspring.serving.releases import Release
    from mainspring.store.workspace import Workspace
    from mainspring.testing.gate import Gate
    from mainspring.testing.suite import SuitePass
    from mainspring.tracking.search import Input, RunInfo
    from mainspring.versioning.models import ModelVersion, Transition
    from mainspring.versioning.snapshot import Snapshot

DAY = 86_400_000
RECENT = 7 * DAY
"""How long an observation of something that should go on speaks for the present."""
HEARTBEAT = 30_000
"""How long before its expiry a lease was renewed."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one look of a monitor found."""

    monitor: str
    at: int
    status: str
    n: int
    evidence: dict[str, Any]


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """A control server: when its heartbeat was recorded last (of one that ended: when it started)."""

    name: str
    heard_at: int
    running: bool


class Evidence:
    """Facts of a workspace at one moment.

    The *subject* is the version that the checklist is about: the one in production, or else the newest.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.at = now()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.workspace.settings

    @cached_property
    def model(self) -> str | None:
        """The model that the settings name, or else the first registered one."""
        if self.settings.model is not None:
            return self.settings.model.name
        known = models.names(self.workspace)
        served = [name for name in known if models.champion(self.workspace, name) is not None]
        return next(iter(served or known), None)

    @cached_property
    def production(self) -> ModelVersion | None:
        """The version in production."""
        return models.champion(self.workspace, self.model) if self.model else None

    @cached_property
    def subject(self) -> ModelVersion | None:
        """The version in production, or else the newest one."""
        held = models.versions(self.workspace, self.model) if self.model else []
        return self.production or (held[-1] if held else None)

    @property
    def name(self) -> str:
        """The subject as it is printed, with its stage."""
        return f"{self.subject.reference} ({self.subject.stage})" if self.subject else "no model version"

    @cached_property
    def run(self) -> RunInfo | None:
        """The run that made the subject."""
        if self.subject is None or self.subject.run_id is None:
            return None
        try:
            return search.get_run(self.workspace, self.subject.run_id)
        except NotFound:
            return None

    @cached_property
    def inputs(self) -> list[Input]:
        """The dataset versions that the subject's run read."""
        return search.list_inputs(self.workspace, self.run.id) if self.run else []

    @cached_property
    def arrived(self) -> Transition | None:
        """How the production version came to production."""
        if self.production is None:
            return None
        version, known = self.production.version, models.history(self.workspace, self.production.model)
        return next(
            (step for step in reversed(known) if (step.version, step.to_stage) == (version, "production")), None
        )

    @property
    def arguments(self) -> list[str]:
        """The command line of the subject's run."""
        return list(self.snapshot.config.get("argv") or []) if self.snapshot else []

    @cached_property
    def manifest_versions(self) -> dict[str, str]:
        """The versions of python and libraries that wrote the subject's artifact; empty when it cannot be read."""
        if self.subject is None:
            return {}
        try:
            return read_manifest(models.materialise(self.workspace, self.subject))[0].versions
        except MainspringError:
            return {}

    @cached_property
    def execution(self) -> Execution | None:
        """The execution of the pipeline that made the subject."""
        if self.run is None or self.run.execution_id is None:
            return None
        try:
            return get_execution(self.workspace, self.run.execution_id)
        except NotFound:
            return None

    @cached_property
    def snapshot(self) -> Snapshot | None:
        """The snapshot of the subject's run."""
        if self.run is None or self.run.snapshot_id is None:
            return None
        return snapshots.load(self.workspace, self.run.snapshot_id)

    @cached_property
    def gates(self) -> list[Gate]:
        """The gates of the subject, newest first."""
        return gate.gates(self.workspace, self.subject.model, self.subject.version) if self.subject else []

    @property
    def gate(self) -> Gate | None:
        """The gate that the subject was released by, or else its newest."""
        decided = self.release.evidence.get("gate") if self.release else None
        return next((held for held in self.gates if held.id == decided), next(iter(self.gates), None))

    @cached_property
    def releases(self) -> list[Release]:
        """The releases of the endpoint, newest first."""
        return list_releases(self.workspace, self.model) if self.model else []

    @property
    def release(self) -> Release | None:
        """The newest release of the subject."""
        version = self.subject.version if self.subject else None
        return next((held for held in self.releases if held.version == version), None)

    @cached_property
    def events(self) -> list[Event]:
        """What happened, newest first."""
        return list_events(self.workspace, limit=None)

    @cached_property
    def suite_passes(self) -> dict[str, SuitePass]:
        """The newest pass of every layer of the project's tests."""
        return suite.latest(self.workspace)

    @cached_property
    def alerts(self) -> list[Alert]:
        """The alerts, newest first."""
        return list_alerts(self.workspace)

    @property
    def notices(self) -> list[dict[str, Any]]:
        """The notices of alerts that were sent, or tried, newest alert first."""
        return [msgspec.to_builtins(notice) for alert in self.alerts for notice in alert.deliveries]

    @cached_property
    def observations(self) -> dict[str, Seen]:
        """What each declared monitor saw last."""
        seen = {name: self.looks(name, limit=1) for name in self.settings.monitors}
        return {name: rows[0] for name, rows in seen.items() if rows}

    def looks(self, monitor: str, *, limit: int) -> list[Seen]:
        """Return what a monitor saw, newest first."""
        rows = watch.latest(self.workspace, monitor, limit=limit)
        return [Seen(**{name: row[name] for name in Seen.__struct_fields__}) for row in rows]

    @cached_property
    def traffic(self) -> pl.DataFrame:
        """The endpoint's answers: ``prediction_id``, ``at`` (ms) and ``labelled``."""
        if self.model is None:
            return pl.DataFrame(schema={"prediction_id": pl.String, "at": pl.Int64, "labelled": pl.Boolean})
        made = predictions(self.workspace, self.model, columns=["prediction_id", "at"])
        known = labels(self.workspace, self.model).select("prediction_id", labelled=pl.lit(value=True))
        return made.join(known, on="prediction_id", how="left").with_columns(pl.col("labelled").fill_null(value=False))

    @cached_property
    def control(self) -> Control | None:
        """The control server that was heard of last."""
        with self.workspace.database.read() as connection:
            rows = records.worker_leases(connection)
        found = [Control(name=row.name, heard_at=_heard(row), running=row.expires_at > self.at) for row in rows]
        return max(found, key=lambda item: (item.running, item.heard_at), default=None)

    @cached_property
    def commit(self) -> str | None:
        """The present commit, or None without git or commits."""
        return (self.git("rev-parse", "HEAD") or "").strip() or None

    @cached_property
    def top(self) -> Path:
        """The top of the repository that holds the workspace, or else the workspace's folder."""
        found = (self.git("rev-parse", "--show-toplevel", at=self.workspace.root) or "").strip()
        return Path(found) if found else self.workspace.root

    def git(self, *arguments: str, at: Path | None = None) -> str | None:
        """Return what git printed at the top of the repository, or None when it is not there or says no."""
        if shutil.which("git") is None:
            return None
        root = str(at or self.top)
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", root, *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout if done.returncode == 0 else None

    def changed(self, name: str) -> tuple[int, str]:
        """Return when a file of the workspace was written (ms UTC), and how that is known: by its commit, if it has one."""
        path = self.workspace.path(name)
        told = (self.git("log", "-1", "--format=%ct %h", "--", str(path)) or "").split()
        if len(told) == 2 and not self.git("status", "--porcelain", "--", str(path)):
            at = int(told[0]) * 1000
            return at, f"{day(at)}, commit {told[1]}"
        at = round(path.stat().st_mtime * 1000)
        return at, f"{day(at)}, not committed"

    def has_object(self, md5: str) -> bool:
        """Say whether an object is there whole, as far as its listing tells."""
        try:
            return self.workspace.objects.has(md5)
        except Corrupted:
            return False

    def is_recent(self, at: int) -> bool:
        """Say whether something that goes on was seen in the last days."""
        return self.at - at <= RECENT


def _heard(lease: Row[Any]) -> int:
    """Return the last heartbeat of a worker's lease; one that was given back has only its start, in its name."""
    if lease.expires_at:
        return int(lease.expires_at) - HEARTBEAT
    return round(float(lease.name.rsplit(" ", 1)[-1]) * 1000)


def day(at: int) -> str:
    """Return the date and minute of a moment, as evidence prints it.

    >>> day(0)
    '1970-01-01 00:00Z'
    """
    return iso(at)[:16].replace("T", " ") + "Z"


def short(identifier: str | None) -> str:
    """Return the beginning of an id or hash, enough to find it again."""
    return identifier[:12] if identifier else "none"
