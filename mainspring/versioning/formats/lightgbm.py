"""LightGBM's boosters, as its text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.base.errors import InvalidData
from mainspring.versioning.formats.libraries import library
from mainspring.versioning.formats.native import Native, matrix

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.versioning.formats.policy import Policy
    from mainspring.versioning.signature import Task

_BINARY = {"binary", "cross_entropy"}
_MULTICLASS = {"multiclass", "multiclassova"}


def save(model: Any, path: Path, policy: Policy) -> None:  # noqa: ARG001 - every format has the same signature
    """Write a booster as text, at the iteration that early stopping chose."""
    booster = getattr(model, "raw", model)
    path.write_text(booster.model_to_string(), encoding="utf-8")


def load(path: Path, policy: Policy) -> Native:  # noqa: ARG001 - text holds no code
    """Read a booster from its text.

    Raises:
        InvalidData: LightGBM is not installed, or cannot read the file.
    """
    lightgbm = _library()
    text = path.read_text(encoding="utf-8", errors="replace")
    if not text.startswith("tree"):
        raise InvalidData(f"{path} is no LightGBM model", hint="save it with booster.save_model('model.txt')")
    try:
        booster = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise InvalidData(f"{path} is no LightGBM model: {error}", hint="save it again") from error
    return wrap(booster)


def wrap(model: Any) -> Native:
    """Return a booster with its task, read from its objective."""
    found = re.search(r"^objective=(\S+)", model.model_to_string(num_iteration=1), re.MULTILINE)
    objective = found[1] if found else "custom"
    width = int(model.num_model_per_iteration())
    task: Task = "binary" if objective in _BINARY else "multiclass" if objective in _MULTICLASS else "regression"

    def compute(rows: Any) -> np.ndarray:
        table = rows if type(rows).__module__.startswith("pandas") else matrix(rows)
        return np.asarray(model.predict(table, num_threads=1), dtype=np.float64)

    classes = {"binary": 2, "multiclass": width}.get(task, 0)
    return Native(
        raw=model,
        task=task,
        compute=compute,
        width=classes,
        features=list(model.feature_name()),
        categories=model.pandas_categorical or None,
    )


def _library() -> Any:
    try:
        return library("lightgbm", "LightGBM", extra="trees")
    except OSError as error:
        raise InvalidData(
            f"this model needs LightGBM, which cannot be loaded: {error}",
            hint="install OpenMP, for example: apt-get install libgomp1",
        ) from error
