"""The command that looks at pipelines of DVC's: ``data stages``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mainspring.cli import context, output
from mainspring.cli.versioning import data_app

if TYPE_CHECKING:
    from mainspring.versioning.stages import Stage


def register(app: typer.Typer) -> None:
    """Add the command to those of ``data``."""
    del app
    data_app.command()(stages)


def stages(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the stages of dvc.yaml in the order they run in, and what changed since dvc.lock was written."""
    from mainspring.versioning.stages import read_stages

    found = read_stages(context.workspace())
    output.emit(found, json=json, show=lambda: _drawn(found))


def _drawn(found: list[Stage]) -> object:
    if not found:
        return "there is no dvc.yaml with stages"
    rows = [(item.name, item.state, ", ".join(item.why), " && ".join(item.commands)) for item in found]
    return output.table(("stage", "state", "what changed", "command"), rows)
