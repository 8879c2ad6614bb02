"""The command that keeps the project going: pages, scheduler, releases."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from mainspring.cli import context
from mainspring.cli.output import console, print_json

if TYPE_CHECKING:
    from threading import Event


def register(app: typer.Typer) -> None:
    """Add ``up``."""
    app.command("up")(up)


def up(
    host: str = typer.Option("127.0.0.1", help="Address to listen on; other than this machine's own ask for a token."),
    port: int = typer.Option(7203, help="Port to listen on; 0 takes any free one."),
    once: bool = typer.Option(False, "--once", help="Look once, do what is due, and end; for cron and CI."),
    interval: float = typer.Option(15.0, help="Seconds between two looks."),
    json: bool = typer.Option(False, "--json", help="With --once: print what was done as JSON."),
) -> None:
    """Watch the monitors, move releases on, run what was triggered; and show it all on a page."""
    workspace = context.workspace()
    if once:
        from mainspring.automation.delegate import delegate
        from mainspring.automation.tick import tick

        report = tick(workspace, act=delegate)
        if json:
            print_json(report)
        else:
            console().print("\n".join(report.lines), markup=False)
        return
    from mainspring.web.server import serve

    def work(stop: Event) -> None:
        from mainspring.automation.worker import loop  # in the thread: the server answers before the worker is ready

        loop(workspace, interval=interval, stop=stop)

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    serve(workspace, host=host, port=port, work=work, say=say)
