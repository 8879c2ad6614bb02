"""Where the boxes of a picture go: columns from left to right, so that every edge points to the right."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SWEEPS = 6


class Place(NamedTuple):
    """A box's column, and the height of its upper edge."""

    column: int
    top: float


def place(heights: Mapping[str, float], edges: Sequence[tuple[str, str]], *, gap: float) -> dict[str, Place]:
    """Return a place for each box; boxes of a column do not touch, and are near what they are joined to.

    >>> found = place({"a": 10, "b": 10, "c": 10}, [("a", "c"), ("b", "c")], gap=5)
    >>> [found[name].column for name in "abc"], found["b"].top - found["a"].top >= 15
    ([0, 0, 1], True)
    """
    columns = _columns(list(heights), edges)
    before: dict[str, list[str]] = {name: [] for name in heights}
    after: dict[str, list[str]] = {name: [] for name in heights}
    for left, right in edges:
        after[left].append(right)
        before[right].append(left)
    rows: list[list[str]] = [[] for _ in range(max(columns.values(), default=-1) + 1)]
    for name, column in columns.items():
        rows[column].append(name)
    centre = {name: index * (heights[name] + gap) for row in rows for index, name in enumerate(row)}
    for sweep in range(_SWEEPS):
        beside, order = (before, rows) if sweep % 2 == 0 else (after, rows[::-1])
        for row in order:
            wish = {name: _mean([centre[other] for other in beside[name]], centre[name]) for name in row}
            row.sort(key=lambda name: wish[name])
            _settle(row, wish, heights, gap, centre)
    highest = min((centre[name] - heights[name] / 2 for name in heights), default=0.0)
    return {name: Place(columns[name], centre[name] - heights[name] / 2 - highest) for name in heights}


def _columns(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return how far from the left each box is: behind all that lead to it, and sources close to where they lead."""
    column = dict.fromkeys(names, 0)
    for _ in names:
        moved = False
        for left, right in edges:
            if column[right] <= column[left]:
                column[right] = column[left] + 1
                moved = True
        if not moved:
            break
    targets = {right for _, right in edges}
    for name in names:
        ahead = [column[right] for left, right in edges if left == name]
        if name not in targets and ahead:
            column[name] = min(ahead) - 1
    return column


def _settle(
    row: Sequence[str], wish: Mapping[str, float], heights: Mapping[str, float], gap: float, centre: dict[str, float]
) -> None:
    """Put the boxes of a column where they wish to be, moved apart where they would touch, and not further."""
    for name in row:
        centre[name] = wish[name]
    for _ in range(len(row)):
        touching = False
        for upper, lower in pairwise(row):
            lack = (heights[upper] + heights[lower]) / 2 + gap - (centre[lower] - centre[upper])
            if lack > 0.5:
                centre[upper] -= lack / 2
                centre[lower] += lack / 2
                touching = True
        if not touching:
            return
    for upper, lower in pairwise(row):
        centre[lower] = max(centre[lower], centre[upper] + (heights[upper] + heights[lower]) / 2 + gap)


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
