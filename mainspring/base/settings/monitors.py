"""The monitors that ``mainspring.yaml`` may declare (``type`` says which)."""

# without annotations from the future, which msgspec would have to compile at every start

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mainspring.base.settings.clusters import ClusterLength

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]


class MonitorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What every monitor may say."""

    window: str = "30d"
    """How far back it looks, in event time, from the newest prediction."""


class ClusteredMonitor(MonitorSettings, frozen=True, kw_only=True):
    """What a monitor may say about predictions that depend on each other."""

    cluster: str | None = None
    """Column whose rows of one value resemble each other (a caller, a site, a time): intervals heed it. An input of the model,
    or the column of ``serving.event_time``; for ``max_drop`` the holdout has it too."""
    cluster_by: ClusterLength | None = None
    """How long the clusters of a time column are; by default a day. Without ``cluster``, of the predictions' own time."""


class DataDrift(MonitorSettings, tag="data_drift", frozen=True, kw_only=True):
    """Inputs of the endpoint against the rows the champion was trained on."""

    columns: list[str] = []
    """Columns watched; empty means all inputs."""
    min_share: Share = 0.0
    """Share of the columns that must drift before an alert fires; 0 means one is enough."""
    ks: Share = 0.1
    psi: Annotated[float, Meta(ge=0)] = 0.1
    alpha: Share = 0.01


class PredictionDrift(MonitorSettings, tag="prediction_drift", frozen=True, kw_only=True):
    """Scores of the endpoint against the champion's own first scores in production, or those on its holdout."""

    reference: Literal["first_window", "holdout"] = "first_window"
    """``first_window``: the champion's first ``window`` in production, as soon as it is worth more independent rows than the
    holdout, and unless it had drifted from the holdout by then; before, the holdout. ``holdout``: always the holdout."""
    ks: Share = 0.1
    alpha: Share = 0.01


class LabelDrift(MonitorSettings, tag="label_drift", frozen=True, kw_only=True):
    """Labels that arrived against the labels of the champion's holdout."""

    floor: Share = 0.05
    """Smallest change of a class's share (or KS distance, in regression) that counts."""
    alpha: Share = 0.01


class Performance(ClusteredMonitor, tag="performance", frozen=True, kw_only=True):
    """A metric on the predictions whose labels arrived; also watches concept drift."""

    metric: str
    min: float | None = None
    max: float | None = None
    max_drop: float | None = None
    """Largest loss against the champion's holdout that is tolerated, in the metric's own units."""
    min_labels: Count = 200


class Validation(MonitorSettings, tag="validation", frozen=True, kw_only=True):
    """A dataset against its suite of expectations."""

    dataset: str


class Business(ClusteredMonitor, tag="business", frozen=True, kw_only=True):
    """The mean of an expression over predictions and labels, such as a cost."""

    expression: str
    """SQL expression over ``score``, ``label``, ``prediction`` and the inputs, e.g. ``200 * (prediction - label)``."""
    min: float | None = None
    max: float | None = None
    min_rows: Count = 200


class Service(MonitorSettings, tag="service", frozen=True, kw_only=True):
    """Errors and latency of the endpoint."""

    max_error_rate: Share = 0.01
    max_p99_ms: float = 200.0
    min_requests: Count = 100


class Resources(MonitorSettings, tag="resources", frozen=True, kw_only=True):
    """Memory, processor and disk of this machine."""

    max_memory: Share = 0.95
    max_processor: Share = 0.98
    """Load of the last five minutes, a processor."""
    max_disk: Share = 0.95


class Freshness(MonitorSettings, tag="freshness", frozen=True, kw_only=True):
    """Labels keep arriving, and not too late."""

    min_label_coverage: Share = 0.5
    label_delay: str = "7d"
    """How old (in event time) a prediction must be before its label counts as missing."""


Monitor = (
    DataDrift | PredictionDrift | LabelDrift | Performance | Validation | Business | Service | Resources | Freshness
)
