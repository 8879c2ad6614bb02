"""Measures of predicted labels as functions of row weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.sparse import csr_array

from mainspring.measures.arrays import codes, is_binary, labels, positives, same_length

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from mainspring.measures.resampling import Weighted

Average = Literal["auto", "binary", "macro"]
Share = Literal["f1", "precision", "recall"]


def is_macro(y: NDArray[Any], label: NDArray[Any], average: Average) -> bool:
    """Tell whether a mean over classes is wanted; ``auto`` means: unless all labels are 0/1, -1/1 or booleans.

    >>> is_macro(np.array([0, 1, 2]), np.array([0, 1, 1]), "auto")
    True
    """
    if average not in ("auto", "binary", "macro"):
        raise ValueError(f"average must be 'auto', 'binary' or 'macro', not {average!r}")
    return average == "macro" or (average == "auto" and not (is_binary(y) and is_binary(label)))


def weighted_share(y: ArrayLike, label: ArrayLike, share: Share, average: Average = "auto") -> Weighted:
    """Return F1, precision or recall as a function of row weights; a class with nothing to divide by counts as 0.

    >>> weighted_share([1, 1, 0], [1, 0, 0], "recall")(np.ones((1, 3)))
    array([0.5])
    """
    truth, answer = labels(y, "y"), labels(label, "label")
    n = same_length(y=truth, label=answer)
    if is_macro(truth, answer, average):
        (truth_code, answer_code), classes = codes(truth, answer)
        width = len(classes)
    else:
        truth_code, answer_code = (mask.astype(np.int64) - 1 for mask in (positives(truth), positives(answer, "label")))
        width = 1
    hit = _columns(truth_code, truth_code == answer_code, n, width)
    real = _columns(truth_code, truth_code >= 0, n, width)
    told = _columns(answer_code, answer_code >= 0, n, width)

    def value(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found, actual, predicted = weights @ hit, weights @ real, weights @ told
        base = {"f1": (actual + predicted) / 2, "precision": predicted, "recall": actual}[share]
        ratios = np.divide(found, base, out=np.zeros_like(found), where=base > 0)
        present = (actual + predicted) > 0
        return np.asarray(ratios.sum(axis=1) / np.maximum(present.sum(axis=1), 1), dtype=np.float64)

    return value


def _columns(code: NDArray[np.int64], mark: NDArray[np.bool_], n: int, width: int) -> csr_array:
    rows = np.flatnonzero(mark & (code >= 0))
    return csr_array((np.ones(len(rows)), (rows, code[rows])), shape=(n, width))


def distinct_rows(*vectors: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each distinct combination, and how often it occurs.

    >>> distinct_rows(np.array([0, 1, 0]), np.array([1, 1, 1]))
    (array([0, 1]), array([2, 1]))
    """
    key = np.zeros(len(vectors[0]), dtype=np.int64)
    for vector in vectors:
        _, inverse = np.unique(vector, return_inverse=True)
        key = np.unique(key * (int(inverse.max()) + 1) + inverse, return_inverse=True)[1].astype(np.int64)
    _, first, counts = np.unique(key, return_index=True, return_counts=True)
    return first, counts
