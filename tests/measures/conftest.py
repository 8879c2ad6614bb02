"""Series whose rows depend on their neighbours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import lfilter


def _autoregressive(n: int, rho: float, rng: np.random.Generator) -> np.ndarray:
    return lfilter([np.sqrt(1 - rho**2)], [1, -rho], rng.normal(size=n + 500))[500:]


@pytest.fixture
def autoregressive() -> Callable[[int, float, np.random.Generator], np.ndarray]:
    """A standard normal AR(1) series of n values."""
    return _autoregressive
