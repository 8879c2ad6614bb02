"""Commands that start a project and explain its settings."""

from __future__ import annotations

from pathlib import Path

import typer

from mainspring.cli import context
from mainspring.cli.output import console, print_json


def register(app: typer.Typer) -> None:
    """Add ``init`` and ``config``."""
    app.command("init")(init)
    config = typer.Typer(help="What the settings mean and come to.", no_args_is_help=True)
    config.command("schema")(schema)
    config.command("show")(show)
    app.add_typer(config, name="config")


def init(
    folder: Path = typer.Argument(..., metavar="DIR", help="Folder of the new project."),
    name: str = typer.Option(None, help="Name of the project and its model; by default the folder's."),
) -> None:
    """Start a project that runs as it is: settings, pipeline, tests of each layer, git."""
    from mainspring.automation.delivery.project import create

    written = create(folder, name=name)
    shown = console()
    shown.print(f"Wrote {len(written)} files into {folder}:", markup=False)
    for path in written:
        shown.print(f"  {path.relative_to(folder)}", markup=False)
    shown.print(f"Next:\n  cd {folder}\n  mainspring run\n  mainspring test {_model(folder)}", markup=False)


def schema() -> None:
    """Print the JSON Schema of mainspring.yaml, for editors."""
    from mainspring.base.settings.reference import json_schema

    print_json(json_schema())


def show() -> None:
    """Print the settings with the overlay laid over and defaults filled in; variables stay unfilled."""
    import msgspec
    import yaml

    from mainspring.base.settings.load import load_settings

    workspace = context.workspace(settled=False)
    settings = load_settings(workspace.settings_file, environment=workspace.environment, resolve=False)
    text = yaml.safe_dump(msgspec.to_builtins(settings), sort_keys=False, allow_unicode=True)
    console().print(text.rstrip(), markup=False)


def _model(folder: Path) -> str:
    from mainspring.base.settings.load import load_settings

    settings = load_settings(folder / "mainspring.yaml")
    return settings.model.name if settings.model else settings.project
