"""Points of metrics as they are read, put into columns."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.tracking.points import Columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Curves:
    """Collects points by key, a few bytes each."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[array[int], array[int], array[float]]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._held

    def add(self, key: str, step: int | None, at: int, value: float) -> None:
        """Add a point; without a step it gets the next one of its curve."""
        if key not in self._held:
            self._held[key] = array("q"), array("q"), array("d")
        steps, moments, values = self._held[key]
        steps.append(len(steps) if step is None else step)
        moments.append(at)
        values.append(value)

    def columns(self) -> dict[str, Columns]:
        """Return the curves."""
        return {
            key: Columns(np.array(steps, np.int64), np.array(at, np.int64), np.array(values, np.float64))
            for key, (steps, at, values) in self._held.items()
        }


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give the leaves of nested mappings with their paths; a mapping that names its type is a leaf.

    >>> dict(flattened({"net": {"depth": 3}, "lr": 0.1}))
    {'net.depth': 3, 'lr': 0.1}
    """
    for key, value in values.items():
        if isinstance(value, dict) and value and "_type" not in value:
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
