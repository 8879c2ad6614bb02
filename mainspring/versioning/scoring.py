"""From a model and conformed rows to scores and decisions, whatever library the model is from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mainspring.base.errors import InvalidData
from mainspring.versioning.formats.native import Native
from mainspring.versioning.frames import to_container

if TYPE_CHECKING:
    import polars as pl

    from mainspring.versioning.signature import Label, Signature, Task


class Scores(NamedTuple):
    """What a model answers to n rows.

    ``score``: of a binary task P(second class), (n,); of a regression the value, (n,); of k > 2 classes the
    probabilities, (n, k). ``label``: (n,) float64, the index of the decided class (the likeliest; the first of equals),
    or the value.
    """

    score: np.ndarray
    label: np.ndarray


def score_rows(model: Any, signature: Signature, rows: pl.DataFrame) -> Scores:
    """Return the scores of rows that conform to the signature already.

    Raises:
        InvalidData: the model answers something else than its signature says.
    """
    target = signature.target
    container = to_container(rows, signature.container, signature.categories)
    if isinstance(model, Native):
        answer = np.asarray(model.compute(container), dtype=np.float64)
        if target.task == "binary" and answer.ndim == 1:
            return Scores(answer, (answer > 0.5).astype(np.float64))
        return _probabilities(answer, target.task, target.classes) if target.task != "regression" else _values(answer)
    if target.task == "regression":
        return _values(model.predict(container))
    if hasattr(model, "predict_proba"):
        return _probabilities(np.asarray(model.predict_proba(container), np.float64), target.task, target.classes)
    label = _indices(np.asarray(model.predict(container)), signature)
    if target.task == "binary":
        return Scores(label.copy(), label)
    return Scores(np.eye(len(target.classes or ()))[label.astype(int)], label)


def _values(answer: Any) -> Scores:
    values = np.asarray(answer, dtype=np.float64)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InvalidData(f"the model answers {values.shape[1:]} values a row, a regression answers one")
    return Scores(values, values)


def _probabilities(answer: np.ndarray, task: Task, classes: list[Label] | None) -> Scores:
    width = len(classes or ())
    if answer.ndim != 2 or answer.shape[1] != width:
        raise InvalidData(
            f"the model answers probabilities of shape {answer.shape[1:]}, its signature has {width} classes",
            hint="fit the model on a target with all of the classes",
        )
    label = answer.argmax(axis=1).astype(np.float64)
    return Scores(answer[:, 1].copy() if task == "binary" else answer, label)


def _indices(answer: np.ndarray, signature: Signature) -> np.ndarray:
    values = answer.reshape(-1).tolist()
    if signature.target.classes == [False, True]:
        values = [bool(value) for value in values]
    return signature.encode(values)


def model_task(model: Any) -> tuple[Task | None, list[Any] | None]:
    """Return what a model says of its task and its classes; None where it does not say.

    Raises:
        InvalidData: it predicts several targets at once, or nothing.
    """
    if isinstance(model, Native):
        classes = model.classes or (list(range(model.width)) if model.width > 2 else None)
        return model.task, classes
    if not callable(getattr(model, "predict", None)):
        raise InvalidData(
            f"a {type(model).__name__} has no predict method",
            hint="give a fitted estimator, a LightGBM or XGBoost booster, or an ONNX model",
        )
    found = getattr(model, "classes_", None)
    if isinstance(found, list) and found and isinstance(found[0], np.ndarray):
        raise InvalidData("the model predicts several targets at once", hint="train one model for each target")
    if found is not None:
        labels = np.asarray(found).tolist()
        return ("binary" if len(labels) == 2 else "multiclass"), labels
    tags = getattr(model, "__sklearn_tags__", None)
    kind = getattr(tags(), "estimator_type", None) if callable(tags) else None
    return ("regression" if kind == "regressor" else None), None
