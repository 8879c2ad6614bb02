"""XGBoost's boosters, as universal binary JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.base.errors import InvalidData
from mainspring.versioning.formats.libraries import library
from mainspring.versioning.formats.native import Native, matrix

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.versioning.formats.policy import Policy
    from mainspring.versioning.signature import Task


def save(model: Any, path: Path, policy: Policy) -> None:  # noqa: ARG001 - every format has the same signature
    """Write a booster as UBJ."""
    booster = getattr(model, "raw", model)
    path.write_bytes(bytes(booster.save_raw(raw_format="ubj")))


def load(path: Path, policy: Policy) -> Native:  # noqa: ARG001 - the format holds no code
    """Read a booster from UBJ or JSON.

    Raises:
        InvalidData: XGBoost is not installed, or cannot read the file.
    """
    xgboost = library("xgboost", "XGBoost", extra="trees")
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(path.read_bytes()))
    except xgboost.core.XGBoostError as error:
        reason = str(error).strip().splitlines()[0]
        raise InvalidData(f"{path} is no XGBoost model: {reason}", hint="save it with booster.save_model()") from error
    return wrap(booster)


def wrap(model: Any) -> Native:
    """Return a booster with its task, read from its objective.

    Raises:
        InvalidData: it answers margins, which are no probabilities.
    """
    xgboost = library("xgboost", "XGBoost", extra="trees")
    learner = json.loads(model.save_config())["learner"]
    objective = learner["objective"]["name"]
    width = int(learner["learner_model_param"]["num_class"])
    if objective == "binary:logitraw":
        raise InvalidData("the booster answers margins", hint="train it with objective='binary:logistic'")
    task: Task = {"binary": "binary", "multi": "multiclass"}.get(objective.partition(":")[0], "regression")  # type: ignore[assignment] # mypy joins the literals to str

    def compute(rows: Any) -> np.ndarray:
        if type(rows).__module__.startswith("pandas"):
            table = xgboost.DMatrix(rows, nthread=1, enable_categorical=True)
        else:
            table = xgboost.DMatrix(matrix(rows), nthread=1, feature_names=model.feature_names)
        answer = np.asarray(model.predict(table), dtype=np.float64)
        return np.eye(width)[answer.astype(int)] if objective == "multi:softmax" else answer

    classes = {"binary": 2, "multiclass": width}.get(task, 0)
    return Native(raw=model, task=task, compute=compute, width=classes, features=model.feature_names)
