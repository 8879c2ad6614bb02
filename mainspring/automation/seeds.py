"""Random numbers that a step draws depend on the seed and the step, not on what ran before it."""

from __future__ import annotations

import hashlib
import random
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from mainspring.base.randomness import set_seed

if TYPE_CHECKING:
    from collections.abc import Iterator


def derived(seed: int, name: str) -> int:
    """Return the seed of a named part, below 2**32.

    >>> derived(42, "train") == derived(42, "train") != derived(42, "split")
    True
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "big")


@contextmanager
def seeded(seed: int, name: str) -> Iterator[None]:
    """Run the block with the seed of a named part, then give the surrounding code its own random numbers back.

    So a step that is remembered shifts nobody's numbers.
    """
    python, numpy = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    drawn = torch.get_rng_state() if torch is not None else None
    set_seed(derived(seed, name))
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if torch is not None and drawn is not None:
            torch.set_rng_state(drawn)
