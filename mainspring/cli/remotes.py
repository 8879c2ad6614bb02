"""Commands that exchange data with remotes and other repositories: ``data push``, ``pull``, ``get``, ``import``, …"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from mainspring.cli import context, output
from mainspring.cli.harmless import harmless
from mainspring.cli.versioning import data_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mainspring.versioning.exchange import Exchange

remote_app = typer.Typer(help="Places beyond this machine that keep data.", no_args_is_help=True)

_TARGETS = typer.Argument(
    None,
    metavar="[TARGET]...",
    help="Datasets, paths, or a file or folder of one (NAME/sub/file); by default all pointers.",
)
_REMOTE = typer.Option(None, help="Name of a remote; by default the default one.")
_ALL = typer.Option(
    False, "--all-versions", help="Also every recorded version, and what pointers named in any commit of git."
)
_MODELS = typer.Option(False, "--models", help="Also the files and the evidence of registered model versions.")
_URL = typer.Argument(metavar="URL", help="Address or folder of a git repository, with DVC or with mainspring in it.")
_PATH = typer.Argument(metavar="PATH", help="File or folder in it.")
_REV = typer.Option(None, help="Branch, tag or commit; by default what the repository has checked out.")
_OUT = typer.Option(None, "--out", "-o", help="Where to put it; by default under the same name, here.")
_JSON = typer.Option(False, "--json", help="Print JSON.")


def register(app: typer.Typer) -> None:
    """Add the commands to those of ``data``."""
    del app
    for verb in (push, fetch, pull, gc, get):
        data_app.command()(verb)
    data_app.command("import")(bring)
    remote_app.command("list")(list_remotes)
    data_app.add_typer(remote_app, name="remote")


def push(
    targets: list[str] = _TARGETS,
    remote: str = _REMOTE,
    all_versions: bool = _ALL,
    models: bool = _MODELS,
    replace: bool = typer.Option(
        False, "--replace", help="Upload what is there already too: repairs a damaged remote."
    ),
    json: bool = _JSON,
) -> None:
    """Upload what a remote does not have yet of the versions that pointers name."""
    from mainspring.versioning import exchange

    workspace = context.workspace()
    with _transfer("pushing") as tick:
        done = exchange.push(
            workspace,
            targets or (),
            remote=remote,
            all_versions=all_versions,
            models=models,
            replace=replace,
            tick=tick,
        )
    output.emit(done, json=json, show=lambda: _tell(done, "pushed to"))


def fetch(
    targets: list[str] = _TARGETS,
    remote: str = _REMOTE,
    all_versions: bool = _ALL,
    models: bool = _MODELS,
    json: bool = _JSON,
) -> None:
    """Download into the store what is missing of the versions that pointers name; files of the project stay as they are."""
    from mainspring.versioning import exchange

    workspace = context.workspace()
    with _transfer("fetching") as tick:
        done = exchange.fetch(
            workspace, targets or (), remote=remote, all_versions=all_versions, models=models, tick=tick
        )
    output.emit(done, json=json, show=lambda: _tell(done, "fetched from"))


def pull(
    targets: list[str] = _TARGETS,
    remote: str = _REMOTE,
    force: bool = typer.Option(False, "--force", help="Lose files on disk that no version holds."),
    json: bool = _JSON,
) -> None:
    """Fetch what pointers name, and make the disk hold exactly that."""
    from mainspring.versioning import pull as room

    workspace = context.workspace()
    with _transfer("pulling") as tick:
        done = room.pull(workspace, targets or (), remote=remote, force=force, tick=tick)
    output.emit(done, json=json, show=lambda: _tell(done, "pulled from"))


def gc(
    remote: str = typer.Option(
        ..., help="Name of a remote. For the objects of this workspace there is `mainspring gc`."
    ),
    older_than: str = typer.Option("30d", help="Only what was written there so long ago, such as 12h, 30d or 4w."),
    remove: bool = typer.Option(False, "--remove", "--yes", help="Do it; otherwise it is only said what would go."),
    not_shared: bool = typer.Option(False, "--not-shared", help="No other project keeps its data on that remote."),
    accept_lost: bool = typer.Option(
        False, "--accept-lost", help="Folders whose listings are lost need nothing: their files may go."
    ),
    json: bool = _JSON,
) -> None:
    """Remove from a remote, for good, the objects that nothing needs any more.

    Needed is what any record of this workspace names, and every version that a pointer in the working tree or in git's
    history names. Branches that nobody pushed to this clone, and records of other workspaces, are not known here.
    """
    from mainspring.base.clock import milliseconds
    from mainspring.base.errors import UsageError
    from mainspring.versioning.clearance import clear

    workspace = context.workspace()
    if remove and not not_shared:
        raise UsageError(
            f"other projects may keep their data on the remote '{remote}', and it would be gone for good",
            hint="fetch all branches (git fetch --all); if no other project uses that remote, say --not-shared",
        )
    seconds = milliseconds(older_than) / 1000
    done = clear(workspace, remote, older_than_seconds=seconds, remove=remove, accept_lost=accept_lost)
    verb = "were removed from" if remove else "would go from"
    said = f"{done.objects} objects ({output.bytes_text(done.bytes)}) {verb} '{done.remote}', {done.kept} stay"
    output.emit(done, json=json, show=lambda: said)


def get(
    url: str = _URL,
    path: str = _PATH,
    rev: str = _REV,
    out: str = _OUT,
    json: bool = _JSON,
) -> None:
    """Download a file or folder of another git repository, or of its data; needs no workspace, and records nothing."""
    from pathlib import Path

    from mainspring.versioning import foreign

    with _transfer("getting") as tick:
        done = foreign.get(url, path, Path.cwd() / (out or Path(path).name), rev=rev, tick=tick)
    noun = "file" if done.files == 1 else "files"
    said = f"{done.path} is {path} of {done.url} at {done.commit[:12]} ({done.files} {noun})"
    output.emit(done, json=json, show=lambda: said)


def bring(
    url: str = _URL,
    path: str = _PATH,
    rev: str = _REV,
    out: str = _OUT,
    force: bool = typer.Option(False, "--force", help="Lose files on disk that no version holds."),
    json: bool = _JSON,
) -> None:
    """Make a file or folder of another git repository, or of its data, a dataset whose pointer says where it came from.

    Done again, it takes what the revision holds by then.
    """
    from pathlib import Path

    from mainspring.versioning import foreign

    workspace = context.workspace()
    with _transfer("importing") as tick:
        place = Path.cwd() / (out or Path(path).name)
        done = foreign.bring(workspace, url, path, place, rev=rev, force=force, tick=tick)
    output.emit(done, json=json, show=lambda: f"{done.path} is version {done.number} of {done.dataset}")


def list_remotes(json: bool = _JSON) -> None:
    """List the remotes of the settings and of the DVC repository around the workspace."""
    from mainspring.versioning import remotes

    found = remotes.list_remotes(context.workspace())
    rows = [(item.name, item.url, "default" if item.default else "", item.source) for item in found]
    output.emit(
        found,
        json=json,
        show=lambda: output.table(("remote", "url", "", "from"), rows) if rows else "there is no remote yet",
    )


def _tell(done: Exchange, verb: str) -> None:
    """Say in a line what was done, without a console, whose start takes longer than a look at a small remote."""
    noun = "object" if done.objects == 1 else "objects"
    said = f"{done.objects} {noun} ({output.bytes_text(done.bytes)}) {verb} '{done.remote}', {done.present} were there"
    if not done.objects:
        said = f"nothing to do: all {done.present} objects are there"
    if done.lost:
        said += f"; {len(done.lost)} of the history are neither here nor there"
    sys.stdout.write(harmless(said) + "\n")


@contextmanager
def _transfer(what: str) -> Iterator[Callable[[int, int, int], None] | None]:
    """Show objects, rate and the time that is left on standard error, if a person is looking."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=output.console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, rate="")

        def tick(done: int, total: int, moved: int) -> None:
            seconds = bar.tasks[0].elapsed or 1e-9
            bar.update(task, completed=done, total=total, rate=f"{output.bytes_text(moved / seconds)}/s")

        yield tick
