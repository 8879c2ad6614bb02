"""Where a value lies on an axis, whatever it is drawn with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def extent(values: Iterable[float]) -> tuple[float, float]:
    """Return the lowest and the highest finite value, apart from each other even if there is only one value, or none.

    >>> extent([1.0, 3.0, float("nan")]), extent([2.0]), extent([])
    ((1.0, 3.0), (1.0, 3.0), (0.0, 1.0))
    """
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if high / 2 > low / 2:
        return low, high
    margin = abs(low) / 2 or 0.5
    return low - margin, high + margin


def share(value: float, ends: tuple[float, float]) -> float:
    """Return how far along an axis a value lies: 0 at its low end, 1 at its high one.

    >>> share(2.0, (1.0, 3.0))
    0.5
    """
    low, high = ends  # halves, since the difference of two numbers may be too large for one
    return (value / 2 - low / 2) / (high / 2 - low / 2)


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Return about so many round numbers between two others.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high / count - low / count) or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    pace = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.99)
    first, last = math.ceil(low / pace - 1e-9), math.floor(high / pace + 1e-9)
    return [float(f"{number * pace:.12g}") for number in range(first, last + 1)]
