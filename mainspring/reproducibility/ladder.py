"""The ladder of sameness: artifact bytes, prediction hash, prediction distance, metrics within their intervals."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

TOLERANCE = 1e-6
"""Largest difference of a prediction that rung L2 allows."""
EQUAL = 1e-6
"""Relative difference up to which a metric without an interval counts as the same."""
_ROUNDING = 1e-9

NAMES = {
    4: "artifact bytes",
    3: "prediction hash",
    2: "prediction distance",
    1: "metrics within their intervals",
}

Status = Literal["pass", "fail", "not comparable"]


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One rung of the ladder: whether it was reached, and the numbers that say so."""

    level: int
    name: str
    status: Status
    evidence: dict[str, Any]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A metric as it was recorded; without an interval ``low`` and ``high`` are None."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


def rung(level: int, status: Status, **evidence: Any) -> Rung:
    """Return a rung under its name."""
    return Rung(level=level, name=NAMES[level], status=status, evidence=evidence)


def reached(rungs: Iterable[Rung]) -> int:
    """Return the highest level that holds while no comparable rung below it fails; 0 when there is none.

    >>> reached([rung(4, "fail"), rung(3, "pass"), rung(2, "pass"), rung(1, "not comparable")])
    3
    >>> reached([rung(4, "pass"), rung(3, "fail"), rung(1, "pass")])
    1
    """
    level = 0
    for item in sorted(rungs, key=lambda item: item.level):
        if item.status == "fail":
            return level
        if item.status == "pass":
            level = item.level
    return level


def compare_files(original: Mapping[str, str], again: Mapping[str, str]) -> Rung:
    """L4: the same files with the same sha256 (name → digest).

    >>> compare_files({"model.skops": "aa"}, {"model.skops": "ab"}).evidence["different"]
    ['model.skops']
    """
    if not original or not again:
        return rung(4, "not comparable", reason="one side has no files")
    different = sorted(name for name in original.keys() & again.keys() if original[name] != again[name])
    missing = sorted(original.keys() - again.keys())
    extra = sorted(again.keys() - original.keys())
    status: Status = "fail" if different or missing or extra else "pass"
    digests = dict(sorted(original.items()))
    return rung(4, status, files=len(original), different=different, missing=missing, extra=extra, sha256=digests)


def compare_predictions(
    original: NDArray[np.float64],
    again: NDArray[np.float64],
    *,
    tolerance: float = TOLERANCE,
) -> tuple[Rung, Rung]:
    """L3 and L2: predictions for the same rows in the same order, as ``(n,)`` or ``(n, classes)``.

    L3 holds when their bytes hash to the same; L2 when the largest absolute difference is at most ``tolerance``. Two
    NaNs in the same place are the same.

    >>> [item.status for item in compare_predictions(np.array([0.5]), np.array([0.5 + 1e-9]))]
    ['fail', 'pass']
    """
    if original.shape != again.shape:
        reason = f"{_shape(original)} predictions against {_shape(again)}"
        return rung(3, "fail", reason=reason), rung(2, "fail", reason=reason)
    if original.size == 0:
        return incomparable_predictions("there are no predictions")
    hashes = (hash_predictions(original), hash_predictions(again))
    with np.errstate(invalid="ignore"):
        distance = np.abs(original - again)
    both = np.isnan(original) & np.isnan(again)
    distance = np.where(both | (original == again), 0.0, distance)
    largest = math.inf if np.isnan(distance).any() else float(distance.max())
    third = rung(3, "pass" if hashes[0] == hashes[1] else "fail", original=hashes[0], again=hashes[1], n=len(original))
    second = rung(
        2,
        "pass" if largest <= tolerance else "fail",
        max_difference=largest if math.isfinite(largest) else None,
        tolerance=tolerance,
        n=len(original),
        beyond=int((~(distance <= tolerance)).reshape(len(original), -1).any(axis=1).sum()),
    )
    return third, second


def incomparable_predictions(reason: str) -> tuple[Rung, Rung]:
    """L3 and L2 when there is nothing to lay side by side."""
    return rung(3, "not comparable", reason=reason), rung(2, "not comparable", reason=reason)


def compare_metrics(original: Mapping[str, Measured], again: Mapping[str, Measured]) -> Rung:
    """L1: every metric made again lies within the interval it had.

    Metrics without an interval only count when none has one; then they have to be equal.

    >>> before = {"auc": Measured(value=0.8, low=0.78, high=0.82)}
    >>> compare_metrics(before, {"auc": Measured(value=0.79)}).status
    'pass'
    >>> compare_metrics(before, {"auc": Measured(value=0.70)}).evidence["outside"]
    ['auc']
    """
    known = {name: item for name, item in original.items() if item.value is not None and not math.isnan(item.value)}
    known = {name: item for name, item in known.items() if item.low is not None and item.high is not None} or known
    if not known:
        return rung(1, "not comparable", reason="the original has no metrics")
    rows: dict[str, dict[str, Any]] = {}
    outside = []
    for name, before in sorted(known.items()):
        after = again.get(name)
        value = after.value if after else None
        rows[name] = {"original": before.value, "again": value, "interval": _interval(before), "n": before.n}
        if value is None or not _within(value, before):
            outside.append(name)
    return rung(1, "fail" if outside else "pass", metrics=rows, outside=outside)


def hash_predictions(values: NDArray[np.float64]) -> str:
    """Return the sha256 of predictions as little-endian float64 with their shape; all NaNs are one, both zeros too.

    >>> hash_predictions(np.array([0.0])) == hash_predictions(np.array([-0.0]))
    True
    """
    plain = np.ascontiguousarray(values, dtype="<f8") + 0.0
    plain = np.where(np.isnan(plain), np.float64("nan"), plain)
    hasher = hashlib.sha256(repr(plain.shape).encode())
    hasher.update(plain.tobytes())
    return hasher.hexdigest()


def _within(value: float, before: Measured) -> bool:
    assert before.value is not None
    if before.low is not None and before.high is not None:
        slack = _ROUNDING * max(1.0, abs(before.low), abs(before.high))
        return before.low - slack <= value <= before.high + slack
    return math.isclose(value, before.value, rel_tol=EQUAL, abs_tol=EQUAL)


def _interval(item: Measured) -> list[float] | None:
    return None if item.low is None or item.high is None else [item.low, item.high]


def _shape(values: NDArray[np.float64]) -> str:
    return "×".join(str(size) for size in values.shape)
