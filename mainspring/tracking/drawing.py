"""Curves of runs as pictures in files: a page that needs nothing else, SVG, or PNG."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import ExternalToolError, UsageError
from mainspring.base.files import write_atomic
from mainspring.tracking.axes import extent, share, ticks
from mainspring.tracking.figures import png

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000")
"""Okabe and Ito's, which people with any colour vision tell apart; later lines use them again, dashed."""
_WIDTH, _HEIGHT = 860, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 14, 14, 40


class Line(msgspec.Struct, frozen=True):
    """A curve: what it is called, and its points. Where ``y`` is not finite, the line has a gap."""

    label: str
    x: list[float]
    y: list[float]


def draw(lines: Sequence[Line], target: Path, *, title: str, across: str) -> None:
    """Write curves to a file, as its name says: ``.png``, ``.svg`` or ``.html``. The same curves give the same file.

    Raises:
        UsageError: the name ends in something else.
        ExternalToolError: PNG is wanted and matplotlib is not installed.
    """
    kind = target.suffix.lower()
    if kind == ".png":
        write_atomic(target, png(_figure(lines, title, across)))
    elif kind == ".svg":
        write_atomic(target, svg(lines, title=title, across=across).encode())
    elif kind == ".html":
        write_atomic(target, _page(lines, title, across).encode())
    else:
        raise UsageError(f"'{target.name}' is no picture that can be drawn", hint="end its name in .png, .svg or .html")


def svg(lines: Sequence[Line], *, title: str, across: str) -> str:
    """Return curves as an SVG picture.

    >>> svg([Line("a", [0, 1], [0.5, 0.25])], title="loss", across="step").count("<path")
    1
    """
    xs, ys = extent(x for line in lines for x in line.x), extent(y for line in lines for y in line.y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui,sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
    ]
    for value in ticks(*ys):
        y = _down(value, ys)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{value:.6g}</text>')
    for value in ticks(*xs):
        x = _along(value, xs)
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 22}" text-anchor="middle" fill="#555">{value:.6g}</text>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 5}" text-anchor="middle" fill="#333">{escape(across)}</text>')
    parts += [_path(number, line, xs, ys) for number, line in enumerate(lines)]
    return "\n".join([*parts, "</svg>"])


def _along(value: float, ends: tuple[float, float]) -> float:
    return _LEFT + share(value, ends) * (_WIDTH - _LEFT - _RIGHT)


def _down(value: float, ends: tuple[float, float]) -> float:
    return _HEIGHT - _BOTTOM - share(value, ends) * (_HEIGHT - _TOP - _BOTTOM)


def _path(number: int, line: Line, xs: tuple[float, float], ys: tuple[float, float]) -> str:
    steps: list[str] = []
    pen = "M"
    for x, y in zip(line.x, line.y, strict=True):
        if not math.isfinite(y):
            pen = "M"
            continue
        steps.append(f"{pen}{_along(x, xs):.1f} {_down(y, ys):.1f}")
        pen = "L"
    if len(steps) == 1:
        steps.append("h0.01")
    return (
        f'<path d="{"".join(steps)}" fill="none" stroke="{_colour(number)}" stroke-width="1.6" stroke-linejoin="round" '
        f'stroke-linecap="round"{_dashes(number)}><title>{escape(line.label)}</title></path>'
    )


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _dashes(number: int) -> str:
    return "" if number < len(COLOURS) else ' stroke-dasharray="5 3"'


def _page(lines: Sequence[Line], title: str, across: str) -> str:
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            "<style>body{font:14px system-ui,sans-serif;margin:2rem auto;max-width:900px;padding:0 1rem;color:#222}",
            "svg{width:100%;height:auto}table{border-collapse:collapse}td,th{padding:3px 14px 3px 0;text-align:left}",
            "i{display:inline-block;width:14px;height:4px;margin-right:8px;vertical-align:middle}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            svg(lines, title=title, across=across),
            "<table><tr><th>run<th>lowest<th>highest<th>last</tr>",
            *_legend(lines),
            "</table></body></html>",
        ]
    )


def _legend(lines: Sequence[Line]) -> Iterator[str]:
    for number, line in enumerate(lines):
        finite = [value for value in line.y if math.isfinite(value)]
        cells = (min(finite, default=math.nan), max(finite, default=math.nan), line.y[-1] if line.y else math.nan)
        numbers = "".join(f"<td>{value:.6g}</td>" for value in cells)
        yield f'<tr><td><i style="background:{_colour(number)}"></i>{escape(line.label)}</td>{numbers}</tr>'


def _figure(lines: Sequence[Line], title: str, across: str) -> object:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ExternalToolError(
            "PNG pictures need matplotlib, which is not installed",
            hint="`pip install mainspring[plots]`, or end the name in .svg or .html",
        ) from error
    figure = Figure(figsize=(8.6, 4.6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for number, line in enumerate(lines):
        style = "-" if number < len(COLOURS) else "--"
        mark = "o" if len(line.x) == 1 else None
        label = line.label.replace("$", r"\$").lstrip("_") or "run"
        y = [value if math.isfinite(value) else math.nan for value in line.y]
        axes.plot(line.x, y, style, marker=mark, color=_colour(number), linewidth=1.4, label=label)
    axes.set(xlabel=across, title=title.replace("$", r"\$"))
    axes.grid(color="#e4e4e4")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    return figure
