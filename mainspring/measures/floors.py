"""The effects below which a change of a column is no drift, and the rows it takes to see them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy.special import chdtri, kolmogi, ndtri

Method = Literal["ks", "wasserstein", "psi", "null_share", "infinite_share", "out_of_range", "new_category"]


@dataclass(frozen=True, kw_only=True)
class DriftFloors:
    """Smallest effects that count as drift, and the false discovery rate of a comparison.

    ``ks`` is a distance of distribution functions (0..1), ``wasserstein`` is in standard deviations of the reference,
    ``psi`` is bias-corrected; the others are changes of a share of rows (0..1). A normal column reaches ks = 0.1 and
    wasserstein = 0.25 at the same shift, of a quarter standard deviation, and psi = 0.1 at about a third.
    """

    ks: float = 0.1
    wasserstein: float = 0.25
    psi: float = 0.1
    null_share: float = 0.05
    infinite_share: float = 0.01
    new_category: float = 0.01
    out_of_range: float = 0.01
    alpha: float = 0.01

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0 or not math.isfinite(value):
                raise ValueError(f"the drift floor {name} must be positive, not {value}")
        if self.alpha >= 1:
            raise ValueError(f"alpha must lie strictly between 0 and 1, not {self.alpha}")


def n_for_floor(
    floor: float,
    alpha: float,
    method: Method,
    *,
    n_reference: float | None = None,
    bins: int = 10,
    share: float = 0.0,
) -> int:
    """Return how many current rows make an effect as large as the floor significant at alpha.

    The critical value at alpha then equals the floor: Kolmogorov's for ``ks`` (and for the ``ks`` of a normal
    column shifted by ``wasserstein``), chi-square's for ``psi`` over ``bins``
    bins, the normal one for shares around ``share`` (and at least one row at the floor). ``n_reference`` is the size of
    the reference, None for one that is large. A reference too small for any number of current rows gives the number
    that both need.

    >>> n_for_floor(0.1, 0.01, "ks"), n_for_floor(0.1, 0.01, "ks", n_reference=1000), n_for_floor(0.1, 0.01, "psi")
    (265, 361, 127)
    >>> n_for_floor(0.1, 0.01, "ks", n_reference=100)
    530
    """
    if floor <= 0 or not 0 < alpha < 1:
        raise ValueError(f"the floor must be positive and alpha within (0, 1); they are {floor}, {alpha}")
    if method in ("ks", "wasserstein"):
        distance = floor if method == "ks" else floor / math.sqrt(2 * math.pi)
        needed = (float(kolmogi(alpha)) / distance) ** 2
    elif method == "psi":
        freedom = max(bins, 2) - 1
        needed = (float(chdtri(freedom, alpha)) - freedom) / floor
    else:
        z = float(ndtri(1 - alpha / 2))
        return math.ceil(max(1 / floor, z**2 * share * (1 - share) / floor**2))
    if n_reference is None:
        return math.ceil(needed)
    return math.ceil(needed * n_reference / (n_reference - needed) if n_reference > needed else 2 * needed)
