"""What monitors look at: an endpoint's champion with its evidence, and its predictions in a window of event time."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from mainspring.base.clock import milliseconds
from mainspring.monitoring.monitors.finding import Insufficient
from mainspring.serving import predictions as recorded
from mainspring.versioning import models
from mainspring.versioning.evidence import read_evidence
from mainspring.versioning.materials import stored_signature

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.evidence import Evidence
    from mainspring.versioning.models import ModelVersion
    from mainspring.versioning.signature import Signature

_INPUT = "input."
_ROLES = ("champion",)


class Window(NamedTuple):
    """Predictions between two moments of event time (milliseconds UTC), the end included, in order of event time."""

    rows: pl.DataFrame
    start: int
    end: int


class Watched:
    """One endpoint, read once for all monitors of one watch. Read-only."""

    def __init__(self, workspace: Workspace, endpoint: str | None) -> None:
        self.workspace = workspace
        self._endpoint = endpoint
        self._windows: dict[str, Window] = {}

    @property
    def endpoint(self) -> str:
        """The endpoint's name; ``Insufficient`` when the settings name no model."""
        if self._endpoint is None:
            raise Insufficient("the settings name no model", hint="add `model: {name: …}`")
        return self._endpoint

    @cached_property
    def champion(self) -> ModelVersion:
        """The version in production; ``Insufficient`` when there is none."""
        found = models.champion(self.workspace, self.endpoint)
        if found is None:
            raise Insufficient(f"no version of '{self.endpoint}' is in production", hint="release one first")
        return found

    @cached_property
    def signature(self) -> Signature:
        """The champion's inputs and target."""
        return stored_signature(self.workspace, self.champion.artifact)

    @cached_property
    def evidence(self) -> Evidence:
        """The rows that the champion was trained on and judged with; ``Insufficient`` when it came without."""
        if self.champion.evidence is None:
            words = f"{self.champion.reference} was registered without the rows it was trained on or judged with"
            raise Insufficient(words, hint="register it with a holdout, or make it with the pipeline")
        return read_evidence(self.workspace, self.champion)

    @cached_property
    def newest(self) -> int:
        """The event time of the champion's newest prediction; ``Insufficient`` when there is none."""
        newest = self._moments["event_time"].max()
        if newest is None:
            raise Insufficient(f"'{self.endpoint}' has made no predictions yet")
        assert isinstance(newest, int)
        return newest

    @cached_property
    def _moments(self) -> pl.DataFrame:
        """When every prediction was asked, and about which moment."""
        columns = ["at", "event_time", "version", "status"]
        return recorded.predictions(self.workspace, self.endpoint, roles=_ROLES, columns=columns)

    def window(self, duration: str) -> Window:
        """Return the champion's predictions of the last ``duration`` before the newest one, whatever came of them."""
        if duration not in self._windows:
            start = self.newest - milliseconds(duration)
            rows = recorded.predictions(
                self.workspace, self.endpoint, roles=_ROLES, since=start + 1, until=self.newest + 1
            )
            self._windows[duration] = Window(rows, start, self.newest)
        return self._windows[duration]

    def answered(self, duration: str, *, this_version: bool = False) -> Window:
        """Return the predictions of a window that were answered, by the present version alone if asked for."""
        window = self.window(duration)
        rows = window.rows.filter(pl.col("status") == "ok")
        if this_version:
            rows = rows.filter(pl.col("version") == self.champion.version)
        return window._replace(rows=rows)

    def first(self, duration: str) -> Window:
        """Return the present version's first answered predictions: at most ``duration`` of them, all before the window of
        that duration begins."""
        mine = self._moments.filter((pl.col("version") == self.champion.version) & (pl.col("status") == "ok"))
        first, begins = mine["event_time"].min(), self.newest - milliseconds(duration)
        start = first if isinstance(first, int) else begins + 1
        end = min(start + milliseconds(duration), begins + 1)
        rows = recorded.predictions(self.workspace, self.endpoint, roles=_ROLES, since=start, until=max(start, end))
        own = (pl.col("version") == self.champion.version) & (pl.col("status") == "ok")
        return Window(rows.filter(own), start, end)

    @cached_property
    def labels(self) -> pl.DataFrame:
        """The labels that arrived: ``prediction_id``, ``truth``, ``label_at``, which is in event time.

        That is when the label became known, if whoever sent it said so; else when it was received, but not after the newest
        event that had been predicted by then: in a replay of last year, time is where the replay is.
        """
        clock = self._moments.sort("at").select("at", passed=pl.col("event_time").cum_max())
        known = recorded.labels(self.workspace, self.endpoint).sort("received_at")
        known = known.rename({"at": "said_at"}).join_asof(clock, left_on="received_at", right_on="at")
        guessed = pl.min_horizontal("received_at", "passed")
        said = pl.col("said_at") != pl.col("received_at")
        label_at = pl.when(said).then("said_at").otherwise(guessed)
        return known.select("prediction_id", "truth", label_at=label_at)

    def with_labels(self, window: Window) -> Window:
        """Add ``truth`` and ``label_at`` to predictions; null where no label arrived."""
        return window._replace(
            rows=window.rows.join(self.labels, on="prediction_id", how="left", maintain_order="left")
        )

    def labelled(self, duration: str, *, this_version: bool = False) -> Window:
        """Return the answered predictions of a window whose labels arrived."""
        window = self.with_labels(self.answered(duration, this_version=this_version))
        return window._replace(rows=window.rows.filter(pl.col("truth").is_not_null() & pl.col("truth").is_not_nan()))

    def inputs(self, window: Window) -> pl.DataFrame:
        """Return the inputs of predictions under their own names; ``Insufficient`` when they are not recorded."""
        names = [name for name in window.rows.columns if name.startswith(_INPUT)]
        if not names and window.rows.height:
            raise Insufficient("the inputs of predictions are not recorded", hint="set serving.record_inputs to true")
        return window.rows.select(pl.col(name).alias(name.removeprefix(_INPUT)) for name in names)
