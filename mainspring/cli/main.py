"""The door: global options and the commands."""

from __future__ import annotations

import importlib
import sys

import typer
from typer.core import TyperGroup

from mainspring import __version__
from mainspring.cli import context
from mainspring.cli.endings import INTERRUPTED, ended, interrupted

PRINCIPLES = (
    "project",
    "versioning",
    "tracking",
    "automation",
    "testing",
    "serving",
    "monitoring",
    "reproducibility",
    "audit",
    "control",
)
FURTHER = ("registry", "lineage", "imports", "plotting", "remotes", "stages", "tables", "upkeep")
"""Modules with commands of tracking that are no principle of their own."""
_VALUED = ("--workspace", "--environment")
_FLAGS = ("--debug",)

app = typer.Typer(
    name="mainspring",
    help="Continuous training for ordinary ML projects.",
    epilog="Exit codes: 0 fine · 1 the answer is no (gate failed, drift found with --fail) · 2 usage · 3 something broke.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"mainspring {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    workspace: str = typer.Option(
        None, help="Project folder; by default the nearest one upwards with mainspring.yaml."
    ),
    environment: str = typer.Option(None, help="Overlay of the settings, from environments/NAME.yaml."),
    debug: bool = typer.Option(False, help="Show tracebacks."),
    version: bool = typer.Option(
        False, "--version", help="Say which version this is.", is_eager=True, callback=_tell_version
    ),
) -> None:
    """Continuous training for ordinary ML projects."""
    del debug  # read from the line itself, since it has to work when the line cannot be parsed
    del version  # told by now
    context.choose(workspace=workspace, environment=environment)


for room in (*PRINCIPLES, *FURTHER):
    importlib.import_module(f"mainspring.cli.{room}").register(app)


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and exit with its code."""
    arguments = hoist(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code; errors are printed, never raised (but with ``--debug``)."""
    if (told := help_of(arguments)) is not None:
        sys.stdout.write(told + "\n")
        return 0

    def command() -> int:
        try:
            code = int(app(arguments, standalone_mode=False) or 0)  # an Exit comes back as its code
        except typer.Exit as leaving:
            code = leaving.exit_code
        except typer.Abort:
            code = INTERRUPTED
        return interrupted() if code == INTERRUPTED else code

    return ended(command, debug="--debug" in arguments)


def help_of(arguments: list[str]) -> str | None:
    """Return the help that the line ``COMMAND … --help`` asks for; None if the line says anything else.

    The ordinary way converts the options before the command first, for which Typer imports half as much again.
    """
    if arguments[-1:] != ["--help"]:
        return None
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name=app.info.name)
    for word in arguments[:-1]:
        found = command.get_command(context, word) if isinstance(command, TyperGroup) else None
        if found is None:
            return None
        command = found
        context = typer.Context(command, info_name=word, parent=context)
    return context.get_help()


def hoist(arguments: list[str]) -> list[str]:
    """Move the global options to the front, so they may stand anywhere on the line (before a ``--``).

    >>> hoist(["runs", "list", "--workspace", "there", "--json"])
    ['--workspace', 'there', 'runs', 'list', '--json']
    """
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += [argument, *waiting]
        elif argument in _VALUED:
            front += [argument, *([value] if (value := next(waiting, None)) is not None else [])]
        elif argument in _FLAGS or argument.startswith(tuple(f"{name}=" for name in _VALUED)):
            front.append(argument)
        else:
            rest.append(argument)
    return front + rest
