"""A model that is no Python estimator: its task, and a function from rows to numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.base.errors import InvalidData

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.versioning.signature import Label, Task


@dataclass(frozen=True, kw_only=True)
class Native:
    """``compute`` gives, of n rows: P(second class) (n,), probabilities (n, k), or values (n,), by ``task``."""

    raw: Any
    task: Task
    compute: Callable[[Any], np.ndarray]
    classes: list[Label] | None = None
    """Classes in the model's order where the model knows them."""
    width: int = 0
    """Number of classes of a classification."""
    features: list[str] | None = None
    """Names of the inputs in order, where the model knows them."""
    categories: list[list[Any]] | None = None
    """Of the columns that were categorical in the pandas frame it was fitted with, in their order, the categories."""
    labels: Callable[[Any], list[Label]] | None = None
    """What the model itself decides for each of n rows, where it says so."""


def matrix(rows: Any) -> np.ndarray:
    """Return rows of a table or array as float64, null as NaN.

    Raises:
        InvalidData: a column is no number.
    """
    if not isinstance(rows, pl.DataFrame):
        return np.asarray(rows, dtype=np.float64)
    for name, dtype in rows.schema.items():
        if not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
            raise InvalidData(
                f"this model takes numbers, and the column '{name}' is {str(dtype).lower()}",
                hint="encode the column as numbers before it reaches the model",
                column=name,
            )
    return np.ascontiguousarray(rows.cast(pl.Float64).fill_null(float("nan")).to_numpy())
