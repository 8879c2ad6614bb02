"""The command that draws the curves of runs: in the terminal, or into a file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mainspring.cli import context, output
from mainspring.cli.tracking import runs, sparkline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Group

    from mainspring.tracking.drawing import Line
    from mainspring.tracking.points import Columns
    from mainspring.tracking.search import RunInfo

_HEIGHT = 16
_MOST_POINTS = 4000
_MOST_WIDE = 120


def register(app: typer.Typer) -> None:
    """Add `runs plot`."""
    del app  # the command goes below `runs`
    runs.command("plot")(plot)


def plot(
    metric: str = typer.Argument(help="The metric."),
    runs: list[str] = typer.Argument(None, metavar="[RUN]...", help="Id, first digits of the id, or name; repeatable."),
    filter: str = typer.Option(None, help="Instead of runs: all that pass, such as \"params.depth = '3'\"."),
    limit: int = typer.Option(10, min=1, max=100, help="With a filter: at most so many runs, the newest."),
    by_time: bool = typer.Option(False, help="Draw over the seconds since the run's first point, not over the steps."),
    out: Path | None = typer.Option(None, help="Write a picture, by its name: .png, .svg or .html."),
    json: bool = typer.Option(False, "--json", help="Print the points as JSON."),
) -> None:
    """Draw the curves of a metric, of one run or several.

    Of long curves the lowest and the highest point of every stretch are drawn, so that no peak is missing.
    """
    from mainspring.tracking.selection import choose

    workspace = context.workspace()
    chosen = choose(workspace, runs or (), filter=filter, limit=limit)
    curves = _curves(workspace, metric, chosen)
    lines = [_line(run, points, by_time) for run, points, _ in curves]
    across = "seconds" if by_time else "step"
    if out is not None:
        from mainspring.tracking.drawing import draw

        draw(lines, out, title=metric, across=across)
        said = f"{metric} of {len(lines)} {'run' if len(lines) == 1 else 'runs'} → {out}"
        output.emit({"out": str(out), "runs": [run.id for run, _, _ in curves]}, json=json, show=lambda: said)
        return
    output.emit([_json(*curve) for curve in curves], json=json, show=lambda: _drawn(metric, across, curves, lines))


def _curves(workspace: Any, metric: str, chosen: Sequence[RunInfo]) -> list[tuple[RunInfo, Columns, int]]:
    from mainspring.base.errors import NotFound, did_you_mean
    from mainspring.tracking.history import outline

    having = [run for run in chosen if metric in run.metrics]
    if not having:
        known = sorted({key for run in chosen for key in run.metrics})
        hint = did_you_mean(metric, known) or f"their metrics: {', '.join(known[:20]) or 'none'}"
        raise NotFound(f"none of {len(chosen)} runs has a metric '{metric}'", hint=hint, metric=metric)
    return [(run, *outline(workspace, run.id, metric, most=_MOST_POINTS)) for run in having]


def _line(run: RunInfo, points: Columns, by_time: bool) -> Line:
    from mainspring.tracking.drawing import Line

    across = (points.at - points.at.min()) / 1000 if by_time and len(points.at) else points.steps
    return Line(f"{run.name} ({run.id[:12]})", [float(x) for x in across.tolist()], points.values.tolist())


def _drawn(metric: str, across: str, curves: Sequence[tuple[RunInfo, Columns, int]], lines: Sequence[Line]) -> Group:
    from rich.console import Group
    from rich.text import Text

    from mainspring.cli.braille import STYLES, chart

    width = min(output.console().width, _MOST_WIDE)
    drawn = chart([(line.x, line.y) for line in lines], width=width, height=_HEIGHT)
    table = output.table(("", "run", "name", "lowest", "highest", "last", "points", "curve"), [])
    for number, ((run, _, count), line) in enumerate(zip(curves, lines, strict=True)):
        cells = [Text(str(cell)) for cell in (run.id[:12], run.name, *_numbers(line.y), count, sparkline(line.y))]
        table.add_row(Text("━", style=STYLES[number % len(STYLES)]), *cells)
    return Group(Text(f"{metric} over {across}", style="bold"), drawn, "", table)


def _numbers(values: Sequence[float]) -> Iterator[str]:
    finite = [value for value in values if math.isfinite(value)]
    for value in (min(finite, default=math.nan), max(finite, default=math.nan), values[-1] if values else math.nan):
        yield f"{value:.6g}"


def _json(run: RunInfo, points: Columns, count: int) -> dict[str, Any]:
    from mainspring.base.clock import iso
    from mainspring.tracking.wire import number

    return {
        "run": run.id,
        "name": run.name,
        "points": count,
        "steps": points.steps.tolist(),
        "at": [iso(at) for at in points.at.tolist()],
        "values": [number(value) for value in points.values.tolist()],
    }
