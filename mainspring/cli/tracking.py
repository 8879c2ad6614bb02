"""Commands of tracking: list, show and compare runs, and get their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mainspring.cli import context, output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Group, RenderableType

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.artifacts import ArtifactInfo
    from mainspring.tracking.compare import Comparison
    from mainspring.tracking.points import Columns
    from mainspring.tracking.search import RunInfo
    from mainspring.versioning.snapshot import Difference

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 24
_DRAWN = 240
_METRICS_LISTED = 3
_MOST_LINES = 40
_LINE = 60
_ID_WIDTH = 12

runs = typer.Typer(help="Runs: what was tried, with which params, and what came of it.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of tracking."""
    app.add_typer(runs, name="runs")


@runs.command("list")
def list_command(
    experiment: str | None = typer.Option(None, help="Only runs of this experiment."),
    status: str | None = typer.Option(None, help="Only runs that are running, finished, failed, killed or lost."),
    limit: int = typer.Option(50, min=1, help="At most so many."),
    filter: str = typer.Option("", help="Such as \"metrics.auc > 0.9 AND params.depth = '3'\"."),
    deleted: bool = typer.Option(False, help="List those that were deleted, alone or with their experiment."),
    order_by: list[str] = typer.Option([], help='Such as "metrics.auc DESC", start_time or params.depth; repeatable.'),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List runs, newest first.

    A run is lost when it never ended and its process is gone from this machine. Filters and orders are those of MLflow's
    search; docs/tracking.md has the whole language.
    """
    from mainspring.tracking.query import list_runs
    from mainspring.tracking.wire import run_json

    view = "deleted" if deleted else "active"
    found = list_runs(
        context.workspace(), experiment, filter=filter, order_by=order_by, status=status, view=view, limit=limit
    )
    output.emit([run_json(run) for run in found], json=json, show=lambda: _listing(found))


@runs.command("show")
def show_command(
    run: str = typer.Argument(help="Id, first digits of the id, or name."),
    json: bool = typer.Option(False, "--json", help="Print JSON, with whole histories."),
) -> None:
    """Show all there is about a run."""
    from mainspring.tracking.artifacts import list_artifacts
    from mainspring.tracking.history import outline
    from mainspring.tracking.search import curves, get_run
    from mainspring.tracking.wire import artifact_json, curve_json, run_json

    workspace = context.workspace()
    info = get_run(workspace, run)
    outlines = {} if json else {key: outline(workspace, info.id, key, most=_DRAWN) for key in info.metrics}
    histories = curves(workspace, info.id, list(info.metrics)) if json else {}
    artifacts = list_artifacts(workspace, info.id)
    snapshot = _snapshot(workspace, info)
    record = run_json(info) | {
        "history": {key: curve_json(curve) for key, curve in histories.items()},
        "artifacts": [artifact_json(artifact) for artifact in artifacts],
        "snapshot": snapshot,
    }
    output.emit(record, json=json, show=lambda: _page(info, outlines, artifacts, snapshot))


@runs.command("compare")
def compare_command(
    runs: list[str] = typer.Argument(None, metavar="[RUN]...", help="Two or more: id, first digits of it, or name."),
    filter: str = typer.Option(None, help="Instead of runs: all that pass, such as \"params.depth = '3'\"."),
    limit: int = typer.Option(10, min=2, max=100, help="With a filter: at most so many runs, the newest."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Put runs side by side: params that differ, metrics with their intervals, what differs in their snapshots."""
    from mainspring.tracking.compare import compare
    from mainspring.tracking.selection import choose
    from mainspring.tracking.wire import comparison_json

    workspace = context.workspace()
    if filter is not None:
        runs = [run.id for run in choose(workspace, runs or (), filter=filter, limit=limit)]
    comparison = compare(workspace, runs or ())
    output.emit(comparison_json(comparison), json=json, show=lambda: _side_by_side(comparison))


@runs.command("artifacts")
def artifacts_command(
    run: str = typer.Argument(help="Id, first digits of the id, or name."),
    get: str = typer.Option("", help="Path of a file or folder of the run to copy out."),
    to: Path | None = typer.Option(None, help="Where to put it; by default here, under its own name."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the files of a run, or copy one out."""
    from mainspring.tracking.artifacts import fetch_artifact, list_artifacts
    from mainspring.tracking.search import get_run
    from mainspring.tracking.wire import artifact_json

    workspace = context.workspace()
    info = get_run(workspace, run)
    if wanted := get.rstrip("/"):
        target = to or Path(wanted.rsplit("/", 1)[-1])
        count = fetch_artifact(workspace, info.id, wanted, target)
        said = f"{wanted} → {target} ({count} {'file' if count == 1 else 'files'})"
        output.emit({"path": wanted, "to": str(target), "files": count}, json=json, show=lambda: said)
        return
    found = list_artifacts(workspace, info.id)
    output.emit([artifact_json(artifact) for artifact in found], json=json, show=lambda: _files(found))


def sparkline(values: Sequence[float], width: int = _WIDTH) -> str:
    """Return a curve as a line of bars, at most ``width`` wide; what is not finite is a dot.

    >>> sparkline([1, 2, 3, float("nan")])
    '▁▅█·'
    """
    from math import isfinite

    if len(values) > width:
        values = [values[index * (len(values) - 1) // (width - 1)] for index in range(width)]
    finite = [value for value in values if isfinite(value)]
    if not finite:
        return "·" * len(values)
    low, high = min(finite) / 2, max(finite) / 2  # halves, since the difference of two numbers may be too large for one
    span = high - low or 1.0
    top = len(_BARS) - 1
    return "".join(_BARS[round((value / 2 - low) / span * top)] if isfinite(value) else "·" for value in values)


def _listing(found: list[RunInfo]) -> RenderableType:
    if not found:
        return "no runs yet; `mainspring run` makes one, and so does `mainspring.start_run()`"
    width = _distinct([run.id for run in found])
    several = len({run.experiment for run in found}) > 1
    rows = []
    for run in found:
        shown = [f"{key} {metric}" for key, metric in list(run.metrics.items())[:_METRICS_LISTED]]
        more = len(run.metrics) - len(shown)
        metrics = "\n".join([*shown, *([f"… {more} more"] if more > 0 else [])])
        group = (run.experiment,) if several else ()
        rows.append((run.id[:width], run.name, *group, run.status, _when(run.started_at), _lasted(run), metrics))
    group = ("experiment",) if several else ()
    return output.table(("run", "name", *group, "status", "started", "took", "metrics"), rows)


def _page(
    run: RunInfo,
    outlines: dict[str, tuple[Columns, int]],
    artifacts: list[ArtifactInfo],
    snapshot: dict[str, Any] | None,
) -> Group:
    from rich.console import Group
    from rich.markup import escape

    lines = [f"{run.name}   {run.status}" + (f": {run.error}" if run.error else "")]
    lines.append(f"run {run.id} of {run.experiment}, by {run.actor}, {_when(run.started_at)}, took {_lasted(run)}")
    parts: list[RenderableType] = [escape(line) for line in lines]
    if run.params:
        parts += ["", output.table(("param", "value"), run.params.items())]
    if run.metrics:
        parts += [
            "",
            output.table(
                ("metric", "value", "interval", "n", "step", "points", "history"), _metric_rows(run, outlines)
            ),
        ]
    if run.tags:
        parts += ["", output.table(("tag", "value"), run.tags.items())]
    if run.lineage.inputs:
        rows = [(item.dataset, item.context, item.path, item.md5) for item in run.lineage.inputs]
        parts += ["", output.table(("input", "for", "path", "md5"), rows)]
    if artifacts:
        parts += ["", _files(artifacts)]
    if snapshot is not None:
        parts += ["", output.table(("snapshot", snapshot["id"]), _snapshot_rows(snapshot))]
    return Group(*parts)


def _metric_rows(run: RunInfo, outlines: dict[str, tuple[Columns, int]]) -> Iterator[tuple[object, ...]]:
    for key, metric in run.metrics.items():
        known = metric.low is not None and metric.high is not None
        interval = f"[{metric.low:.4g}, {metric.high:.4g}]" if known else None
        points, count = outlines[key]
        drawn = sparkline(points.values.tolist()) if count > 1 else None
        yield key, f"{metric.value:.6g}", interval, metric.n, metric.step, count, drawn


def _side_by_side(comparison: Comparison) -> Group:
    from rich.console import Group

    width = _distinct([run.id for run in comparison.runs])
    heads = [f"{run.name}\n{run.id[:width]}" for run in comparison.runs]
    statuses = [("status", *(run.status for run in comparison.runs))]
    metrics = [(key, *values) for key, values in comparison.metrics.items()]
    params = [(key, *values) for key, values in comparison.params.items()]
    parts: list[RenderableType] = [output.table(("", *heads), [*statuses, *metrics])]
    parts += ["", output.table(("params that differ", *heads), params) if params else "no param differs"]
    for run, differences in zip(comparison.runs[1:], comparison.snapshots, strict=True):
        title = f"snapshot of {run.name} against {comparison.runs[0].name}: "
        if differences is None:
            parts += ["", title + "one of them has none"]
        elif not differences:
            parts += ["", title + "no difference"]
        else:
            noun = "difference" if len(differences) == 1 else "differences"
            parts += ["", f"{title}{len(differences)} {noun}", _differences(differences)]
    return Group(*parts)


def _snapshot(workspace: Workspace, run: RunInfo) -> dict[str, Any] | None:
    """Return what is worth a glance of a run's snapshot; `mainspring snapshot show` has all of it."""
    if run.snapshot_id is None:
        return None
    from mainspring.versioning import snapshot

    found = snapshot.load(workspace, run.snapshot_id)
    return {
        "id": found.id,
        "commit": found.code.get("commit"),
        "branch": found.code.get("branch"),
        "dirty": found.code.get("dirty"),
        "data": found.data,
        "python": found.environment.get("python"),
        "distributions": len(found.environment.get("distributions", ())),
        "seed": found.randomness.get("seed"),
    }


def _snapshot_rows(snapshot: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield "code", f"{snapshot['commit'] or 'no commit'}{' and changes' if snapshot['dirty'] else ''}"
    for item in snapshot["data"]:
        yield "data", f"{item['dataset']} version {item['number']} ({item['md5']})"
    yield "environment", f"Python {snapshot['python']}, {snapshot['distributions']} distributions"
    yield "randomness", "not seeded" if snapshot["seed"] is None else f"seed {snapshot['seed']}"


def _differences(found: list[Difference]) -> RenderableType:
    rows: list[tuple[str | None, ...]]
    rows = [(item.part, item.name, _short(item.before), _short(item.after)) for item in found[:_MOST_LINES]]
    if len(found) > _MOST_LINES:
        rows.append(("…", f"{len(found) - _MOST_LINES} more, see --json", None, None))
    return output.table(("part", "what", "before", "after"), rows)


def _short(value: object) -> str | None:
    text = None if value is None else str(value)
    return text if text is None or len(text) <= _LINE else text[: _LINE - 1] + "…"


def _files(found: list[ArtifactInfo]) -> RenderableType:
    if not found:
        return "no artifacts"
    return output.table(("artifact", "bytes", "md5"), [(item.path, item.size, item.md5) for item in found])


def _distinct(ids: list[str]) -> int:
    return next((width for width in range(_ID_WIDTH, 32) if len({run_id[:width] for run_id in ids}) == len(ids)), 32)


def _when(at: int) -> str:
    from mainspring.base.clock import iso

    return iso(at)[:19].replace("T", " ")


def _lasted(run: RunInfo) -> str | None:
    if run.ended_at is None:
        return None
    seconds = (run.ended_at - run.started_at) / 1000
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
