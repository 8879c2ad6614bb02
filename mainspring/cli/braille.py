"""Curves in the terminal, drawn with the dots of Braille: two columns and four rows of dots to a character."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.text import Text

from mainspring.tracking.axes import extent, share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800
STYLES = ("bright_blue", "bright_red", "bright_green", "bright_magenta", "bright_yellow", "bright_cyan", "white")


def chart(lines: Sequence[tuple[Sequence[float], Sequence[float]]], *, width: int, height: int) -> Text:
    """Return curves, each given as x and y, as ``height`` rows of text with their scales; what is not finite is a gap.

    >>> print(chart([([0, 1, 2], [0.0, 1.0, 0.0])], width=8, height=1).plain)
    1 ┤⡠⠒⠑⠢⢄
       0   2
    """
    points = [[(x, y) for x, y in zip(*line, strict=True) if math.isfinite(y)] for line in lines]
    xs, ys = extent(x for line in points for x, _ in line), extent(y for line in points for _, y in line)
    labels = [_number(ys[1] - (ys[1] - ys[0]) * row / max(height - 1, 1)) for row in range(height)]
    shown = [label if row % 4 == 0 or row == height - 1 else "" for row, label in enumerate(labels)]
    margin = max(map(len, shown))
    columns = max(width - margin - 2, 4)
    cells = _cells(lines, xs, ys, columns, height)
    drawn = Text(no_wrap=True)
    for row in range(height):
        drawn.append(f"{shown[row]:>{margin}} {'┤' if shown[row] else '│'}", style="dim")
        for column in range(columns):
            bits, number = cells.get((row, column), (0, 0))
            drawn.append(chr(_BLANK + bits) if bits else " ", style=STYLES[number % len(STYLES)] if bits else "")
        drawn.append("\n")
    low, high = _number(xs[0]), _number(xs[1])
    drawn.append(f"{'':>{margin}}  {low}{high:>{max(columns - len(low), 1)}}", style="dim")
    return drawn


def _cells(
    lines: Sequence[tuple[Sequence[float], Sequence[float]]],
    xs: tuple[float, float],
    ys: tuple[float, float],
    columns: int,
    rows: int,
) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the dots of each character that has some, and the line that drew there last."""
    cells: dict[tuple[int, int], tuple[int, int]] = {}
    for number, (x, y) in enumerate(lines):
        for across, down in _dots(x, y, xs, ys, columns * 2 - 1, rows * 4 - 1):
            place = (down // 4, across // 2)
            held, _ = cells.get(place, (0, 0))
            cells[place] = (held | _DOTS[down % 4][across % 2], number)
    return cells


def _dots(
    x: Sequence[float],
    y: Sequence[float],
    xs: tuple[float, float],
    ys: tuple[float, float],
    right: int,
    bottom: int,
) -> Iterator[tuple[int, int]]:
    before: tuple[int, int] | None = None
    for at, value in zip(x, y, strict=True):
        if not math.isfinite(value):
            before = None
            continue
        dot = round(share(at, xs) * right), bottom - round(share(value, ys) * bottom)
        first = before or dot
        reach = max(abs(dot[0] - first[0]), abs(dot[1] - first[1]), 1)
        for pace in range(reach + 1):
            yield (
                first[0] + round((dot[0] - first[0]) * pace / reach),
                first[1] + round((dot[1] - first[1]) * pace / reach),
            )
        before = dot


def _number(value: float) -> str:
    return f"{value:.4g}"
