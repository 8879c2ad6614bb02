"""Commands of reproducibility."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mainspring.cli import context, output

if TYPE_CHECKING:
    from mainspring.reproducibility.environment import RestoredEnvironment
    from mainspring.reproducibility.reproduce import Reproduction


environment_app = typer.Typer(help="Environments of runs.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of reproducibility."""
    app.add_typer(environment_app, name="environment")
    app.command("reproduce")(reproduce)


def reproduce(
    reference: str = typer.Argument(metavar="RUN|MODEL@VERSION", help="A run, or the model version that it made."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
    to: Path = typer.Option(None, "--to", metavar="DIR", help="Fresh folder to make it in; kept afterwards."),
    rebuild_environment: bool = typer.Option(
        False, "--rebuild-environment", help="Build a virtual environment even if the present one has all it needs."
    ),
) -> None:
    """Make a run again from its snapshot, and say how far it comes out the same.

    L4 the artifact's bytes, L3 the predictions' hash, L2 predictions within 1e-6, L1 metrics within their intervals,
    L0 none of these. Exits with 1 at L0.
    """
    from mainspring.reproducibility.reproduce import reproduce as make_again

    lines = output.console(stderr=True)

    def say(line: str) -> None:
        lines.print(line, style="dim", markup=False)

    result = make_again(context.workspace(), reference, to=to, rebuild_environment=rebuild_environment, say=say)
    output.emit(result, json=json, show=lambda: _show(result))
    if result.level == 0:
        raise typer.Exit(1)


@environment_app.command("restore")
def environment_restore(
    reference: str = typer.Argument(metavar="RUN|MODEL@VERSION", help="A run, or the model version that it made."),
    folder: Path = typer.Argument(metavar="DIR", help="Where to build it; a folder that is not there yet."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Build the virtual environment of a run, and say what differs from it. Exits with 1 if something does."""
    from mainspring.reproducibility.environment import restore_environment

    lines = output.console(stderr=True)

    def say(line: str) -> None:
        lines.print(line, style="dim", markup=False)

    found = restore_environment(context.workspace(), reference, folder, say=say)
    output.emit(found, json=json, show=lambda: _restored(found))
    if found.changes:
        raise typer.Exit(1)


def _restored(found: RestoredEnvironment) -> None:
    console = output.console()
    why = {one.name: one.why for one in found.missing}
    rows = [(item.name, item.original, item.present, why.get(item.name)) for item in found.changes]
    if rows:
        console.print(output.table(("differs", "then", "here", "why"), rows))
    for item in found.machine:
        console.print(f"the machine differs: {item.name} {item.original} → {item.present}", markup=False)
    same = "as it was" if not rows else f"{len(rows)} differences"
    counts = f"{found.installed} distributions, {found.hashed} by their hashes"
    console.print(f"{found.interpreter}: {counts}, {same}", markup=False)


def _show(result: Reproduction) -> None:
    rows = [(f"L{rung.level}", rung.name, rung.status, _evidence(rung.evidence)) for rung in result.levels]
    console = output.console()
    console.print(output.table(("level", "rung", "status", "evidence"), rows))
    made = f"{result.model}@{result.version}" if result.model else f"run {result.run_id}"
    console.print(f"{made} reached level L{result.level} in {result.seconds:.1f} s")
    console.print(f"environment: {result.environment.status}; folder: {result.folder}", markup=False)
    if result.suspect:
        console.print(f"suspect: {result.suspect}", markup=False)


def _evidence(evidence: dict[str, object]) -> str:
    if "metrics" in evidence:
        metrics = evidence["metrics"]
        assert isinstance(metrics, dict)
        return ", ".join(
            f"{name} {_number(row['original'])} → {_number(row['again'])}" for name, row in metrics.items()
        )
    shown = {name: value for name, value in evidence.items() if name != "sha256" and value not in (None, [])}
    return ", ".join(f"{name.replace('_', ' ')}: {_short(value)}" for name, value in shown.items())


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _short(value: object) -> str:
    if isinstance(value, str) and len(value) == 64:
        return value[:12]
    return ", ".join(map(str, value)) if isinstance(value, list) else _number(value)
