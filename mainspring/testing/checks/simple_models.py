"""The simple models that a candidate has to beat."""

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

from mainspring.testing.checks.context import truth_for
from mainspring.versioning.scoring import Scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mainspring.measures.metric import Metric
    from mainspring.testing.checks.context import Context

_MOST_CATEGORIES = 50


def answers_of(
    kind: str, metric: Metric, features: pl.DataFrame, target: NDArray[np.float64], context: Context
) -> Scores:
    """Fit the ``dummy`` or ``linear`` model on training rows, and return its answers to the holdout."""
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
