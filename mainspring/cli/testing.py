"""Commands of testing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mainspring.cli import context, output

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.testing.gate import Gate
    from mainspring.versioning.models import ModelVersion


def register(app: typer.Typer) -> None:
    """Add the commands of testing."""
    app.command("test")(test)


def test(
    reference: str = typer.Argument(metavar="MODEL@VERSION", help="The version to judge; a stage works too."),
    champion: str = typer.Option(None, help="Compare with this version instead of the one in production."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
    junit: Path = typer.Option(None, help="Write JUnit XML there too."),
    markdown: Path = typer.Option(None, help="Write markdown there too."),
) -> None:
    """Judge a model version by the checks of mainspring.yaml; exit 1 unless the gate passes."""
    from mainspring.testing import report
    from mainspring.versioning import models

    workspace = context.workspace()
    version = models.resolve(workspace, reference)
    against = models.resolve(workspace, champion) if champion else None
    gate = _judge(workspace, version, against, quiet=json)
    folder = report.write(workspace, gate, junit=junit, markdown=markdown)
    if json:
        output.print_json(report.to_json(gate))
    else:
        _show(gate, folder)
    if gate.outcome != "pass":
        raise typer.Exit(1)


def _judge(workspace: Workspace, version: ModelVersion, champion: ModelVersion | None, *, quiet: bool) -> Gate:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from mainspring.testing.gate import judge

    columns = (BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    console = output.console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("loading", total=max(len(workspace.settings.checks), 1))

        def progress(done: int, of: int, name: str) -> None:
            bar.update(task, completed=done, total=of, description=name)

        return judge(workspace, version, champion=champion, progress=progress)


def _show(gate: Gate, folder: Path) -> None:
    from mainspring.testing.report import row

    against = f" against {gate.champion}" if gate.champion else ""
    columns = ("check", "verdict", "estimate [interval]", "n", "what decides")
    console = output.console()
    console.print(
        output.table(
            columns, [row(verdict) for verdict in gate.verdicts], title=f"{gate.model}@{gate.version}{against}"
        )
    )
    colour = {"pass": "green", "fail": "red", "inconclusive": "yellow"}[gate.outcome]
    console.print(f"[bold {colour}]gate: {gate.outcome}[/]")
    if gate.outcome != "pass":
        console.print(gate.reason, markup=False)
    console.print(f"reports: {folder}", markup=False)
