"""Would something simpler do as well?"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mainspring.base.errors import InvalidData
from mainspring.measures.paired import difference
from mainspring.testing.checks.context import clusters_for, metric_for, predictions_for, truth_for
from mainspring.testing.checks.no_regression import gain
from mainspring.testing.verdict import Verdict, against_bound, measuring, not_applicable
from mainspring.versioning.scoring import Scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mainspring.base.settings.checks import Baseline
    from mainspring.measures.metric import Metric
    from mainspring.testing.checks.context import Context

_MOST_ROWS = 50_000
_MOST_CATEGORIES = 50


def check(settings: Baseline, context: Context) -> list[Verdict]:
    """Fit a dummy and a linear model on the candidate's training rows; each must be worse by more than the margin.

    At most 50,000 training rows are taken, by the workspace's seed. Numbers are imputed and scaled, categories encoded
    one-hot (the 50 most frequent). The linear model does not apply to a candidate that is a linear model itself.
    """
    metric = metric_for(settings.metric, context.task)
    features, target = _training_rows(context)
    verdicts = []
    for kind in ("dummy", "linear"):
        name = f"{settings.name or 'baseline'}: {kind}"
        if kind == "linear" and (own := linear_name(context.artifact)):
            reason = f"the candidate is a linear model itself ({own})"
            verdicts.append(not_applicable(name, reason, required=settings.required))
            continue
        answers = _answers(kind, metric, features, target, context)
        verdicts.append(_compared(name, settings, metric, answers, context, len(target)))
    return verdicts


def _compared(
    name: str, settings: Baseline, metric: Metric, answers: Scores, context: Context, trained: int
) -> Verdict:
    truth = truth_for(context.truth, context.task)
    candidate, simple = (predictions_for(metric, scores, context.task) for scores in (context.scores, answers))
    with measuring(f"the difference in {metric.name}"):
        found = difference(
            metric.name,
            truth,
            candidate,
            simple,
            seed=context.workspace.settings.seed,
            clusters=clusters_for(settings, context),
        )
        value, baseline = (metric.estimate(truth, part).value for part in (candidate, simple))
    return against_bound(
        name,
        gain(found, metric),
        low=settings.margin,
        required=settings.required,
        strict=True,
        evidence={
            "candidate_value": value,
            "baseline_value": baseline,
            "trained_on": trained,
            "metric": metric.name,
        },
    )


def _training_rows(context: Context) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    rows = context.train
    truth = context.signature.encode(rows.get_column(context.signature.target.name))
    if rows.height > _MOST_ROWS:
        picked = np.sort(np.random.default_rng(context.workspace.settings.seed).permutation(rows.height)[:_MOST_ROWS])
        rows, truth = rows[picked], truth[picked]
    if context.task != "regression" and len(np.unique(truth)) < 2:
        raise InvalidData("the training rows hold one class only", hint="give the candidate the rows it was fitted on")
    return rows.select(context.signature.features), np.asarray(truth)


def _answers(
    kind: str, metric: Metric, features: pl.DataFrame, target: NDArray[np.float64], context: Context
) -> Scores:
    numeric = [name for name, dtype in features.schema.items() if not dtype.is_nested() and _is_number(dtype)]
    text = [name for name in features.columns if name not in numeric and not features.schema[name].is_nested()]
    model = make_pipeline(_prepare(len(numeric), len(text)), _estimator(kind, metric, context))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(_matrix(features, numeric, text), truth_for(target, context.task))
    held = _matrix(context.holdout, numeric, text)
    answer = np.asarray(model.predict(held), dtype=np.float64)
    if context.task == "regression":
        return Scores(answer, answer)
    classes = context.signature.target.classes or []
    probabilities = np.zeros((len(answer), len(classes)))
    probabilities[:, model[-1].classes_] = model.predict_proba(held)
    return Scores(probabilities[:, 1] if context.task == "binary" else probabilities, answer)


def _estimator(kind: str, metric: Metric, context: Context) -> Any:
    seed = context.workspace.settings.seed % 2**32
    if context.task == "regression":
        absolute = metric.name in ("mae", "median_absolute_error", "mape")
        return DummyRegressor(strategy="median" if absolute else "mean") if kind == "dummy" else Ridge()
    if kind == "dummy":
        return DummyClassifier(strategy="prior")
    return LogisticRegression(max_iter=300, random_state=seed)


def _prepare(numeric: int, text: int) -> ColumnTransformer:
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    categories = OneHotEncoder(
        max_categories=_MOST_CATEGORIES, handle_unknown="infrequent_if_exist", sparse_output=False
    )
    parts = [("numbers", numbers, slice(0, numeric)), ("categories", categories, slice(numeric, numeric + text))]
    return ColumnTransformer([part for part, there in zip(parts, (numeric, text), strict=True) if there])


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype.is_temporal() or dtype in (pl.Boolean, pl.Null)


def _matrix(frame: pl.DataFrame, numeric: list[str], text: list[str]) -> NDArray[Any]:
    """Return numbers first, then text, as objects when there is text; infinities count as missing."""
    numbers = [_numbers(frame.get_column(name)) for name in numeric]
    if not text:
        return np.column_stack(numbers)
    rows = np.empty((frame.height, len(numeric) + len(text)), dtype=object)
    for index, column in enumerate(numbers):
        rows[:, index] = column
    for index, name in enumerate(text, start=len(numeric)):
        rows[:, index] = frame.get_column(name).cast(pl.String).fill_null("(missing)").to_list()
    return rows


def _numbers(column: pl.Series) -> NDArray[np.float64]:
    physical = column.to_physical() if column.dtype.is_temporal() else column
    values = physical.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def linear_name(artifact: object) -> str | None:
    """Return the class of the artifact's model if it is one of scikit-learn's linear models (last step of a pipeline)."""
    model = getattr(artifact, "model", None)
    steps = getattr(model, "steps", None)
    last = steps[-1][1] if isinstance(steps, list) and steps else model
    kind = type(last)
    return kind.__name__ if kind.__module__.startswith("sklearn.linear_model") else None
