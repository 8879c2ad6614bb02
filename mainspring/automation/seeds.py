"""Random numbers that a step draws depend on the seed and the step, not on what ran before it."""

from __future__ import annotations

import hashlib
import random
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from numpy.random import MT19937
from numpy.random.mtrand import get_bit_generator, set_bit_generator

from mainspring.base.randomness import set_seed

if TYPE_CHECKING:
    from collections.abc import Iterator


_spare: list[MT19937] = []
"""Generators for steps; one is in use for each step within a step."""


def derived(seed: int, name: str) -> int:
    """Return the seed of a named part, below 2**32.

    >>> derived(42, "train") == derived(42, "train") != derived(42, "split")
    True
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "big")


@contextmanager
def seeded(seed: int, name: str) -> Iterator[None]:
    """Run the block with the seed of a named part, then give the surrounding code its own random numbers back.

    So a step that is remembered shifts nobody's numbers (it calls ``passed`` instead).
    """
    python, numpy = random.getstate(), get_bit_generator()
    own = _spare.pop() if _spare else MT19937(0)
    torch = sys.modules.get("torch")
    drawn = torch.get_rng_state() if torch is not None else None
    set_bit_generator(own)  # an exchange costs a hundredth of a copy of the state
    set_seed(derived(seed, name))
    try:
        yield
    finally:
        random.setstate(python)
        set_bit_generator(numpy)
        _spare.append(own)
        if torch is not None and drawn is not None:
            torch.set_rng_state(drawn)


def passed() -> None:
    """Leave the random numbers as ``seeded`` leaves them: numpy forgets the spare one of a pair of normal draws."""
    set_bit_generator(get_bit_generator())
