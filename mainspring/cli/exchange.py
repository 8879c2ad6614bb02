"""What the commands that exchange data with remotes do and say. Scripts run them all the time: they load little."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mainspring.cli import context
from mainspring.cli.harmless import harmless
from mainspring.cli.output import bytes_text, console, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mainspring.versioning.exchange import Exchange


def push(
    targets: Sequence[str] | None,
    *,
    remote: str | None = None,
    all_versions: bool = False,
    models: bool = False,
    replace: bool = False,
    json: bool = False,
) -> None:
    """Upload what a remote does not have yet, and say what that was."""
    from mainspring.versioning import exchange

    workspace = context.workspace()
    with transfer("pushing") as tick:
        done = exchange.push(
            workspace,
            targets or (),
            remote=remote,
            all_versions=all_versions,
            models=models,
            replace=replace,
            tick=tick,
        )
    _tell(done, "pushed to", json=json)


def fetch(
    targets: Sequence[str] | None,
    *,
    remote: str | None = None,
    all_versions: bool = False,
    models: bool = False,
    json: bool = False,
) -> None:
    """Download into the store what is missing there, and say what that was."""
    from mainspring.versioning import exchange

    workspace = context.workspace()
    with transfer("fetching") as tick:
        done = exchange.fetch(
            workspace, targets or (), remote=remote, all_versions=all_versions, models=models, tick=tick
        )
    _tell(done, "fetched from", json=json)


def pull(targets: Sequence[str] | None, *, remote: str | None = None, force: bool = False, json: bool = False) -> None:
    """Fetch what pointers name, make the disk hold it, and say what was fetched."""
    from mainspring.versioning import pull as room

    workspace = context.workspace()
    with transfer("pulling") as tick:
        done = room.pull(workspace, targets or (), remote=remote, force=force, tick=tick)
    _tell(done, "pulled from", json=json)


def _tell(done: Exchange, verb: str, *, json: bool) -> None:
    if json:
        print_json(done)
        return
    noun = "object" if done.objects == 1 else "objects"
    said = f"{done.objects} {noun} ({bytes_text(done.bytes)}) {verb} '{done.remote}', {done.present} were there"
    if not done.objects:
        said = f"nothing to do: all {done.present} objects are there"
    if done.lost:
        said += f"; {len(done.lost)} of the history are neither here nor there"
    sys.stdout.write(harmless(said) + "\n")


@contextmanager
def transfer(what: str) -> Iterator[Callable[[int, int, int], None] | None]:
    """Show objects, rate and the time that is left on standard error, if a person is looking."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, rate="")

        def tick(done: int, total: int, moved: int) -> None:
            seconds = bar.tasks[0].elapsed or 1e-9
            bar.update(task, completed=done, total=total, rate=f"{bytes_text(moved / seconds)}/s")

        yield tick
