"""A number with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value, the interval around it, and the number of observations that it rests on.

    ``low`` and ``high`` bound the two-sided interval at ``confidence``; a side about which the data say nothing is
    infinite. ``n`` counts what the interval was computed from (rows; for precision, recall and rates the rows of the
    denominator). ``method`` names the formula. Where rows come in clusters, ``clusters`` counts these,
    ``effective_clusters`` how many of one size they are worth, and ``effective_n`` how many independent rows n are worth.

    >>> print(Estimate(0.912, 0.905, 0.919, 10_000, "wilson"))
    0.912 [0.905, 0.919] n=10000
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    confidence: float = 0.95
    clusters: int | None = None
    effective_clusters: float | None = None
    effective_n: float | None = None

    @property
    def half_width(self) -> float:
        """Half the width of the interval, in the units of the value; infinite when a side is open."""
        return (self.high - self.low) / 2 if math.isfinite(self.low) and math.isfinite(self.high) else math.inf

    def contains(self, value: float) -> bool:
        """Tell whether the interval holds a value.

        >>> Estimate(0.0, -0.1, 0.1, 50, "t").contains(0.05)
        True
        """
        return self.low <= value <= self.high

    def __str__(self) -> str:
        clusters = "" if self.clusters is None else f" in {self.clusters} clusters"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}] n={self.n}{clusters}"
