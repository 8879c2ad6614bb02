"""What a monitor found."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.base.errors import MainspringError
from mainspring.measures.clusters import counts

if TYPE_CHECKING:
    from mainspring.measures.estimate import Estimate

Status = Literal["ok", "firing", "insufficient_data", "error"]


class Insufficient(MainspringError):
    """There is not enough to look at: no predictions, no labels, no champion."""

    code = "insufficient_data"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor's answer: its status, in a sentence why, and the numbers with their intervals.

    ``n`` counts the rows it rests on; the window is in event time, milliseconds UTC.
    """

    status: Status
    n: int
    summary: str
    evidence: dict[str, Any]
    window_start: int | None = None
    window_end: int | None = None


def numbers(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate as evidence: a value with interval, n and clusters if it has some; None for an open side.

    >>> from mainspring.measures.estimate import Estimate
    >>> numbers(Estimate(0.5, 0.4, math.inf, 10, "t"))["high"] is None
    True
    """
    bounds = {key: value if math.isfinite(value) else None for key, value in _bounds(estimate).items()}
    return {**bounds, "n": estimate.n, "method": estimate.method, "confidence": estimate.confidence, **counts(estimate)}


def _bounds(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def beyond(estimate: Estimate, *, low: float | None = None, high: float | None = None) -> str | None:
    """Say which bound an estimate is beyond with its whole interval, or None.

    >>> from mainspring.measures.estimate import Estimate
    >>> beyond(Estimate(0.5, 0.4, 0.6, 10, "t"), low=0.7), beyond(Estimate(0.5, 0.4, 0.6, 10, "t"), low=0.55)
    ('below 0.7', None)
    """
    if low is not None and estimate.high < low:
        return f"below {low:g}"
    return f"above {high:g}" if high is not None and estimate.low > high else None
