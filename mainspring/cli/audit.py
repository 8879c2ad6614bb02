"""Commands of audit."""

from __future__ import annotations

from pathlib import Path

import typer

from mainspring.cli import context, output


def register(app: typer.Typer) -> None:
    """Add the commands of audit."""
    app.command("audit")(audit)


def audit(
    json: bool = typer.Option(False, "--json", help="Print JSON."),
    sarif: Path = typer.Option(None, "--sarif", help="Write the findings as SARIF 2.1.0 to this file.", metavar="FILE"),
    require: int = typer.Option(None, "--require", min=0, max=3, help="Exit with 1 below this maturity level."),
) -> None:
    """Say what is missing: the checklist with its evidence, the maturity level, the anti-patterns.

    Exits with 1 when a finding has severity "error", or when the level of --require is not reached.
    """
    from mainspring.audit import sarif as report
    from mainspring.audit.score import audit as examine
    from mainspring.audit.text import show

    found = examine(context.workspace())
    if sarif is not None:
        report.write_sarif(found.findings, sarif)
    output.emit(found, json=json, show=lambda: show(found))
    if any(finding.severity == "error" for finding in found.findings) or (require or 0) > found.maturity:
        raise typer.Exit(1)
