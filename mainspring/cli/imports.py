"""Commands that take over what other trackers hold."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mainspring.cli import context, output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.imports.report import Progress, Report

_LISTED = 20

imports = typer.Typer(help="Take over what other trackers hold; again at any time.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of importing."""
    app.add_typer(imports, name="import")


@imports.command("mlflow")
def mlflow_command(
    address: str = typer.Argument(metavar="URI", help="Address of a running MLflow server."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Take experiments, runs with whole histories and files, logged models and the registry of a live MLflow server.

    What is here already is left alone, so that an interrupted import goes on when it is started again.
    MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, say who asks.
    """
    from mainspring.tracking.imports.mlflow import import_mlflow

    _take(lambda workspace, progress: import_mlflow(workspace, address, progress), json=json)


@imports.command("wandb")
def wandb_command(
    folder: Path = typer.Argument(metavar="DIR", help="Folder with offline runs, such as ./wandb."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Take the runs that W&B's client recorded offline (wandb/offline-run-…)."""
    from mainspring.tracking.imports.wandb import import_wandb

    _take(lambda workspace, progress: import_wandb(workspace, folder, progress), json=json)


@imports.command("comet")
def comet_command(
    path: Path = typer.Argument(metavar="FILE", help="Offline archive of comet_ml, or a folder of them."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Take the experiments that Comet's client recorded offline (KEY.zip)."""
    from mainspring.tracking.imports.comet import import_comet

    _take(lambda workspace, progress: import_comet(workspace, path, progress), json=json)


@imports.command("neptune")
def neptune_command(
    folder: Path = typer.Argument(metavar="DIR", help="The --data-path of Neptune's exporter, or the folder above."),
    files: Path | None = typer.Option(None, help="Its --files-path; by default `files` in or beside DIR."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Take the runs that Neptune's exporter wrote: Parquet and files."""
    from mainspring.tracking.imports.neptune import import_neptune

    _take(lambda workspace, progress: import_neptune(workspace, folder, files, progress), json=json)


def _take(take: Callable[[Workspace, Progress], Report], *, json: bool) -> None:
    workspace = context.workspace()
    with _shown() as progress:
        report = take(workspace, progress)
    output.emit(report, json=json, show=lambda: _summary(report))


@contextmanager
def _shown() -> Iterator[Progress]:
    """Give what draws bars on a terminal's standard error, and nothing elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = output.console(stderr=True)
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield progress


def _summary(report: Report) -> str:
    from rich.markup import escape

    lines = [f"from {report.source}"]
    lines += [
        f"{kind}: {report.taken.get(kind, 0)} taken, {report.unchanged.get(kind, 0)} were here already"
        for kind in dict.fromkeys([*report.taken, *report.unchanged])
    ]
    if not (report.taken or report.unchanged):
        lines.append("nothing is there")
    if report.left_out:
        lines.append(f"not taken ({len(report.left_out)}):")
        lines += [f"  {line}" for line in report.left_out[:_LISTED]]
        if len(report.left_out) > _LISTED:
            lines.append(f"  … and {len(report.left_out) - _LISTED} more, see --json")
    return escape("\n".join(lines))
