"""Seeding of every source of randomness that a run may use, recorded."""

from __future__ import annotations

import os
import random
import sys
from typing import Any

import msgspec


class Randomness(msgspec.Struct, frozen=True, kw_only=True):
    """Which seed was set, and in which libraries."""

    seed: int
    libraries: tuple[str, ...]
    python_hash_seed: str | None


def set_seed(seed: int = 42) -> Randomness:
    """Seed ``random``, numpy and, where it is imported or installed, torch; return what was seeded.

    numpy is seeded through its legacy global state, which scikit-learn's ``random_state=None`` draws from. torch is only
    touched when the program has imported it already; a program that imports torch later calls this again.

    >>> set_seed(7).seed
    7
    """
    random.seed(seed)
    libraries = ["random"]
    if (numpy := _module("numpy", load=True)) is not None:
        numpy.random.seed(seed % 2**32)
        libraries.append("numpy")
    if (torch := _module("torch", load=False)) is not None:
        torch.manual_seed(seed)
        torch.cuda.manual_seed_all(seed)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        libraries.append("torch")
    return Randomness(seed=seed, libraries=tuple(libraries), python_hash_seed=os.environ.get("PYTHONHASHSEED"))


def _module(name: str, *, load: bool) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    if not load:
        return None
    import numpy

    return numpy
