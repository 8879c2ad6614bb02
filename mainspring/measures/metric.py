"""The metrics by name, for gates, tracking and monitoring."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from mainspring.base.errors import NotFound, did_you_mean
from mainspring.measures import classification, confusion, ranking, regression
from mainspring.measures.arrays import floats, labels, positives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from mainspring.measures.estimate import Estimate
    from mainspring.measures.resampling import Weighted

Task = Literal["binary", "multiclass", "regression"]
Needs = Literal["label", "score", "value"]


class Estimator(Protocol):
    """A metric as a function of truth and prediction."""

    def __call__(self, y: ArrayLike, prediction: ArrayLike, /, *, confidence: float = 0.95) -> Estimate: ...


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: for which tasks it is, what it is computed from, which way is better.

    ``needs`` says what the prediction is: a ``label``, a ``score`` (probability), or a ``value`` (regression).
    ``rows`` gives each row's share where the metric is their mean; ``weighted`` the metric as a function of row weights
    where it is not. Comparisons are built on these.
    """

    name: str
    task: frozenset[Task]
    needs: Needs
    greater_is_better: bool
    estimate: Estimator
    rows: Callable[[ArrayLike, ArrayLike], NDArray[np.float64]] | None = None
    weighted: Callable[[ArrayLike, ArrayLike], Weighted] | None = None


def _average_precision(y: ArrayLike, score: ArrayLike) -> Weighted:
    return ranking.weighted_average_precision(positives(y), floats(score, "score"))


def _share(share: confusion.Share) -> Callable[[ArrayLike, ArrayLike], Weighted]:
    return lambda y, label: confusion.weighted_share(y, label, share)


_BINARY: frozenset[Task] = frozenset({"binary"})
_CLASSES: frozenset[Task] = frozenset({"binary", "multiclass"})
_REGRESSION: frozenset[Task] = frozenset({"regression"})


def _metric(
    name: str, task: frozenset[Task], needs: Needs, better: Literal["more", "less"], estimate: Estimator, **how: Any
) -> Metric:
    return Metric(name=name, task=task, needs=needs, greater_is_better=better == "more", estimate=estimate, **how)


_ALL = (
    _metric("accuracy", _CLASSES, "label", "more", classification.accuracy, rows=classification.correct_rows),
    _metric("f1", _CLASSES, "label", "more", classification.f1, weighted=_share("f1")),
    _metric("precision", _CLASSES, "label", "more", classification.precision, weighted=_share("precision")),
    _metric("recall", _CLASSES, "label", "more", classification.recall, weighted=_share("recall")),
    _metric("log_loss", _CLASSES, "score", "less", classification.log_loss, rows=classification.log_loss_rows),
    _metric("brier", _BINARY, "score", "less", classification.brier, rows=classification.brier_rows),
    _metric("roc_auc", _BINARY, "score", "more", classification.roc_auc),
    _metric(
        "average_precision", _BINARY, "score", "more", classification.average_precision, weighted=_average_precision
    ),
    _metric(
        "calibration_error",
        _BINARY,
        "score",
        "less",
        classification.calibration_error,
        weighted=classification.weighted_calibration_error,
    ),
    _metric("mae", _REGRESSION, "value", "less", regression.mae, rows=regression.absolute_errors),
    _metric("rmse", _REGRESSION, "value", "less", regression.rmse, weighted=regression.weighted_rmse),
    _metric("r2", _REGRESSION, "value", "more", regression.r2, weighted=regression.weighted_r2),
    _metric("mape", _REGRESSION, "value", "less", regression.mape, rows=regression.relative_errors),
    _metric("median_absolute_error", _REGRESSION, "value", "less", regression.median_absolute_error),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""Every metric by its name."""


def get_metric(name: str) -> Metric:
    """Return the metric of that name.

    :raises NotFound: there is none; the hint names the nearest.

    >>> get_metric("roc_auc").greater_is_better
    True
    """
    if name not in METRICS:
        hint = did_you_mean(name, METRICS) or f"the metrics are {', '.join(METRICS)}"
        raise NotFound(f"there is no metric {name!r}", hint=hint, metric=name)
    return METRICS[name]


def evaluate(
    names: Iterable[str],
    y: ArrayLike,
    *,
    score: ArrayLike | None = None,
    label: ArrayLike | None = None,
    value: ArrayLike | None = None,
    positive: object | None = None,
    confidence: float = 0.95,
) -> dict[str, Estimate]:
    """Return the named metrics of one set of predictions.

    ``positive`` names the positive class where labels are neither 0/1 nor booleans, as ``"yes"``.

    :raises NotFound: an unknown name.
    :raises ValueError: a metric needs a prediction that was not given (labels are never made from scores), or arrays
        that are wrong for it.

    >>> {name: str(found) for name, found in evaluate(["accuracy"], [0, 1], label=[0, 1]).items()}
    {'accuracy': '1 [0.3424, 1] n=2'}
    """
    given = {"score": score, "label": label, "value": value}
    if positive is not None:
        y = labels(y, "y") == positive
        given["label"] = None if label is None else labels(label, "label") == positive
    found = {}
    for name in names:
        metric = get_metric(name)
        prediction = given[metric.needs]
        if prediction is None:
            raise ValueError(f"{name} needs {metric.needs}=, which was not given")
        found[name] = metric.estimate(y, prediction, confidence=confidence)
    return found
