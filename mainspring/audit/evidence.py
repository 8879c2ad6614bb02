"""What is known about a workspace, each fact looked up once; read-only."""

from __future__ import annotations

import shutil
import subprocess
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mainspring.audit import records
from mainspring.base.clock import iso, now
from mainspring.base.errors import Corrupted, MainspringError, NotFound
from mainspring.monitoring.alerts import list_alerts
from mainspring.serving.predictions import labels, predictions
from mainspring.tracking import search
from mainspring.versioning import models
from mainspring.versioning.artifact import read_manifest

if TYPE_CHECKING:
    from sqlalchemy import Row

    from mainspring.base.settings.schema import Settings
    from mainspring.monitoring.alerts import Alert
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.search import Input, RunInfo
    from mainspring.versioning.models import ModelVersion, Transition

DAY = 86_400_000
CONTROL = "control.json"
RECENT = 7 * DAY
"""How long an observation of something that should go on speaks for the present."""


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
    def execution(self) -> Row[Any] | None:
        """The execution of the pipeline that made the subject."""
        if self.run is None:
            return None
        with self.workspace.database.read() as connection:
            return records.execution_of(connection, self.run.id)

    @cached_property
    def snapshot(self) -> Row[Any] | None:
        """The snapshot of the subject's run."""
        if self.run is None or self.run.snapshot_id is None:
            return None
        with self.workspace.database.read() as connection:
            return records.snapshot_row(connection, self.run.snapshot_id)

    @cached_property
    def gate(self) -> Row[Any] | None:
        """The newest gate of the subject."""
        if self.subject is None:
            return None
        with self.workspace.database.read() as connection:
            return records.latest_gate(connection, self.subject.model, self.subject.version)

    @cached_property
    def releases(self) -> list[Row[Any]]:
        """The releases of the endpoint, newest first."""
        if self.model is None:
            return []
        with self.workspace.database.read() as connection:
            return list(records.release_rows(connection, self.model))

    @cached_property
    def release(self) -> Row[Any] | None:
        """The newest release of the subject."""
        version = self.subject.version if self.subject else None
        return next((row for row in self.releases if row.version == version), None)

    @cached_property
    def alerts(self) -> list[Alert]:
        """The alerts, newest first."""
        return list_alerts(self.workspace)

    @property
    def notices(self) -> list[dict[str, Any]]:
        """The notices of alerts that were sent, or tried, newest alert first."""
        return [msgspec.to_builtins(notice) for alert in self.alerts for notice in alert.deliveries]

    @cached_property
    def observations(self) -> dict[str, Row[Any]]:
        """What each declared monitor saw last."""
        with self.workspace.database.read() as connection:
            seen = {name: records.newest_observation(connection, name) for name in self.settings.monitors}
        return {name: row for name, row in seen.items() if row is not None}

    @cached_property
    def traffic(self) -> pl.DataFrame:
        """The endpoint's answers: ``prediction_id``, ``at`` (ms) and ``labelled``."""
        if self.model is None:
            return pl.DataFrame(schema={"prediction_id": pl.String, "at": pl.Int64, "labelled": pl.Boolean})
        made = predictions(self.workspace, self.model, columns=["prediction_id", "at"])
        known = labels(self.workspace, self.model).select("prediction_id", labelled=pl.lit(value=True))
        return made.join(known, on="prediction_id", how="left").with_columns(pl.col("labelled").fill_null(value=False))

    @property
    def control_seen(self) -> int | None:
        """When the control server last said that it runs: the time of ``.mainspring/control.json``."""
        try:
            return round((self.workspace.state / CONTROL).stat().st_mtime * 1000)
        except OSError:
            return None

    @cached_property
    def commit(self) -> str | None:
        """The present commit, or None without git or commits."""
        return (self.git("rev-parse", "HEAD") or "").strip() or None

    def git(self, *arguments: str) -> str | None:
        """Return what git printed, or None when it is not there or says no."""
        if shutil.which("git") is None:
            return None
        root = str(self.workspace.root)
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else None

    def has_object(self, md5: str) -> bool:
        """Say whether an object is there whole, as far as its listing tells."""
        try:
            return self.workspace.objects.has(md5)
        except Corrupted:
            return False

    def is_recent(self, at: int) -> bool:
        """Say whether something that goes on was seen in the last days."""
        return self.at - at <= RECENT


def day(at: int) -> str:
    """Return the date and minute of a moment, as evidence prints it.

    >>> day(0)
    '1970-01-01 00:00Z'
    """
    return iso(at)[:16].replace("T", " ") + "Z"


def short(identifier: str | None) -> str:
    """Return the beginning of an id or hash, enough to find it again."""
    return identifier[:12] if identifier else "none"
