"""The checks a gate may hold, as ``mainspring.yaml`` declares them (``type`` says which)."""

# without annotations from the future, which msgspec would have to compile at every start

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mainspring.base.settings.clusters import ClusterLength

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class CheckSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What every check may say."""

    name: str | None = None
    """How reports call it; by default the type and its main argument."""
    required: bool = True
    """Off: it is reported and never blocks a release."""


class ClusteredSettings(CheckSettings, frozen=True, kw_only=True):
    """What a check may say about rows that depend on each other."""

    cluster: str | None = None
    """Column of the holdout whose rows of one value resemble each other (a caller, a site, a time): intervals heed it."""
    cluster_by: ClusterLength | None = None
    """How long the clusters of a time column are; by default a day."""


class MetricThreshold(ClusteredSettings, tag="metric", frozen=True, kw_only=True):
    """A metric on the holdout clears a bound with its whole confidence interval."""

    metric: str
    min: float | None = None
    max: float | None = None
    confidence: Share = 0.95


class NoRegression(ClusteredSettings, tag="no_regression", frozen=True, kw_only=True):
    """Not worse than the champion on the identical frozen holdout, by more than a margin (paired)."""

    metric: str
    margin: Annotated[float, Meta(ge=0)] = 0.0
    confidence: Share = 0.95


class Leakage(CheckSettings, tag="leakage", frozen=True, kw_only=True):
    """Nothing of the holdout was known in training: rows, time, groups, or a single feature that gives the answer away."""

    time: str | None = None
    group: str | None = None
    max_row_overlap: Share = 0.01
    """Share of holdout rows whose features and target stand in the training rows too, beyond what chance explains."""
    max_single_feature: Share = 0.98
    """Largest AUC (or, in regression, R²) that one feature alone may reach."""


class Fairness(ClusteredSettings, tag="fairness", frozen=True, kw_only=True):
    """The gap of a rate across groups stays within a bound."""

    group: str
    metric: Literal["selection_rate", "true_positive_rate", "false_positive_rate", "accuracy"] = "true_positive_rate"
    max_gap: Share = 0.1
    min_group: Count = 100


class Latency(CheckSettings, tag="latency", frozen=True, kw_only=True):
    """A quantile of the time to answer one row."""

    quantile: Share = 0.99
    max_ms: Positive = 50.0
    requests: Count = 300


class Memory(CheckSettings, tag="memory", frozen=True, kw_only=True):
    """Peak resident memory of a process that loads the model and answers."""

    max_mb: Positive = 1024.0


class Baseline(ClusteredSettings, tag="baseline", frozen=True, kw_only=True):
    """A dummy and a linear model must not do as well."""

    metric: str
    margin: Annotated[float, Meta(ge=0)] = 0.0


class Skew(CheckSettings, tag="skew", frozen=True, kw_only=True):
    """The packaged model, replayed through the real endpoint, answers what it answered in training."""

    tolerance: Positive = 1e-6


class Calibration(ClusteredSettings, tag="calibration", frozen=True, kw_only=True):
    """The expected calibration error stays within a bound."""

    max_error: Share = 0.05


Check = MetricThreshold | NoRegression | Leakage | Fairness | Latency | Memory | Baseline | Skew | Calibration
