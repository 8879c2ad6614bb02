"""What an array must be before a measure is taken of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def floats(values: ArrayLike, name: str = "values") -> NDArray[np.float64]:
    """Return the values as a vector of finite floats.

    :raises ValueError: not one-dimensional, empty, not numeric, or holding NaN or infinity.

    >>> floats([1, 2])
    array([1., 2.])
    """
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from error
    if vector.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {vector.shape}")
    if vector.size == 0:
        raise ValueError(f"{name} is empty")
    bad = vector.size - int(np.count_nonzero(np.isfinite(vector)))
    if bad:
        raise ValueError(f"{name} holds {bad} NaN or infinite values of {vector.size}")
    return vector


def probabilities(scores: ArrayLike, name: str = "score") -> NDArray[np.float64]:
    """Return the scores as a vector of floats within [0, 1].

    >>> probabilities([0.2, 1.0])
    array([0.2, 1. ])
    """
    vector = floats(scores, name)
    if vector.min() < 0 or vector.max() > 1:
        raise ValueError(f"{name} must be probabilities in [0, 1]; it spans [{vector.min():.6g}, {vector.max():.6g}]")
    return vector


def labels(values: ArrayLike, name: str = "label") -> NDArray[Any]:
    """Return the labels as a vector without missing values.

    >>> labels(["yes", "no"])
    array(['yes', 'no'], dtype='<U3')
    """
    vector = np.asarray(values)
    if vector.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {vector.shape}")
    if vector.size == 0:
        raise ValueError(f"{name} is empty")
    missing = int(np.count_nonzero(missing_values(vector)))
    if missing:
        raise ValueError(f"{name} holds {missing} missing values of {vector.size}")
    return vector.astype(str) if vector.dtype.kind == "O" and isinstance(vector[0], str) else vector


def missing_values(vector: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the None, NaN and NaT of a vector.

    >>> missing_values(np.array([1.0, float("nan")])).tolist()
    [False, True]
    """
    missing: NDArray[np.bool_] = np.zeros(vector.shape, dtype=np.bool_)
    if vector.dtype.kind == "f":
        missing = np.isnan(vector)
    elif vector.dtype.kind in "mM":
        missing = np.isnat(vector)
    elif vector.dtype.kind == "O":
        try:
            missing = (vector != vector).astype(np.bool_) | (vector == None).astype(np.bool_)  # noqa: E711 - elementwise
        except ValueError:  # values that are arrays themselves have no one answer to !=
            missing = np.fromiter((value is None for value in vector), dtype=np.bool_, count=len(vector))
    return missing


def same_length(**vectors: NDArray[Any]) -> int:
    """Return the length that all vectors share.

    :raises ValueError: the lengths differ.

    >>> same_length(y=np.zeros(3), score=np.ones(3))
    3
    """
    sizes = {name: len(vector) for name, vector in vectors.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"the arrays must be of one length: {told}")
    return next(iter(sizes.values()))


def is_binary(vector: NDArray[Any]) -> bool:
    """Tell whether the labels are booleans, 0/1 or -1/1.

    >>> is_binary(np.array([0, 1])), is_binary(np.array(["no", "yes"]))
    (True, False)
    """
    if vector.dtype.kind == "b":
        return True
    if vector.dtype.kind not in "iuf":
        return False
    return bool(np.all((vector == 0) | (vector == 1)) or np.all((vector == -1) | (vector == 1)))


def positives(y: ArrayLike, name: str = "y") -> NDArray[np.bool_]:
    """Return a mask of the positive class of binary labels (True, or 1).

    :raises ValueError: other labels than booleans, 0/1 or -1/1.

    >>> positives([0, 1, 1]).tolist()
    [False, True, True]
    """
    vector = labels(y, name)
    if not is_binary(vector):
        seen = ", ".join(repr(value) for value in np.unique(vector)[:5].tolist())
        raise ValueError(
            f"{name} must be binary (0/1 or booleans), but has {seen}: pass `{name} == the positive label`"
        )
    mask: NDArray[np.bool_] = vector == 1
    return mask


def codes(*vectors: NDArray[Any]) -> tuple[list[NDArray[np.int64]], NDArray[Any]]:
    """Number the labels of several vectors by one common list of classes, in sorted order.

    >>> codes(np.array(["b", "a"]), np.array(["a", "c"]))[0]
    [array([1, 0]), array([0, 2])]
    """
    kinds = {"text" if vector.dtype.kind in "USTO" else "number" for vector in vectors}
    if len(kinds) > 1:
        raise ValueError("labels and predictions are of different kinds: one is text, the other numbers")
    classes, inverse = np.unique(np.concatenate(vectors), return_inverse=True)
    return np.split(inverse.astype(np.int64), np.cumsum([len(v) for v in vectors])[:-1]), classes
