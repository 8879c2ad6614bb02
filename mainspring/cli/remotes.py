"""Commands that exchange data with remotes and other repositories: ``data push``, ``pull``, ``get``, ``import``, …"""

from __future__ import annotations

import typer

from mainspring.cli import context, exchange, output
from mainspring.cli.versioning import data_app

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
_ORIGIN = typer.Argument(
    metavar="URL",
    help="A git repository, with PATH in it; or the address of data: s3://, gs://, azure://, https://, remote://NAME/, a path "
    "outside of the workspace; or a dataset that was imported, to take what is there by now.",
)
_INSIDE = typer.Argument(
    None, metavar="[PATH]", help="File or folder in the repository; of an address, where to put it."
)
_JSON = typer.Option(False, "--json", help="Print JSON.")


def register(app: typer.Typer) -> None:
    """Add the commands to those of ``data``."""
    del app
    for verb in (push, fetch, pull, gc, get, sources):
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
    exchange.push(targets, remote=remote, all_versions=all_versions, models=models, replace=replace, json=json)


def fetch(
    targets: list[str] = _TARGETS,
    remote: str = _REMOTE,
    all_versions: bool = _ALL,
    models: bool = _MODELS,
    json: bool = _JSON,
) -> None:
    """Download into the store what is missing of the versions that pointers name; files of the project stay as they are."""
    exchange.fetch(targets, remote=remote, all_versions=all_versions, models=models, json=json)


def pull(
    targets: list[str] = _TARGETS,
    remote: str = _REMOTE,
    force: bool = typer.Option(False, "--force", help="Lose files on disk that no version holds."),
    json: bool = _JSON,
) -> None:
    """Fetch what pointers name, and make the disk hold exactly that."""
    exchange.pull(targets, remote=remote, force=force, json=json)


def gc(
    remote: str = typer.Option(
        ..., help="Name of a remote. For the objects of this workspace there is `mainspring gc`."
    ),
    older_than: str = typer.Option("30d", help="Only what was written there so long ago, such as 12h, 30d or 4w."),
    remove: bool = typer.Option(False, "--remove", "--yes", help="Do it; otherwise it is only said what would go."),
    not_shared: bool = typer.Option(False, "--not-shared", help="No other project keeps its data on that remote."),
    accept_lost: bool = typer.Option(
        False, "--accept-lost", help="Folders whose listings are lost, and records that are, need nothing: it may go."
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
    objects = f"{done.objects} objects" + (f" and {done.unfinished} unfinished uploads" if done.unfinished else "")
    said = f"{objects} ({output.bytes_text(done.bytes)}) {verb} '{done.remote}', {done.kept} stay"
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

    with exchange.transfer("getting") as tick:
        done = foreign.get(url, path, Path.cwd() / (out or Path(path).name), rev=rev, tick=tick)
    noun = "file" if done.files == 1 else "files"
    said = f"{done.path} is {path} of {done.url} at {done.commit[:12]} ({done.files} {noun})"
    output.emit(done, json=json, show=lambda: said)


def bring(
    url: str = _ORIGIN,
    path: str = _INSIDE,
    rev: str = _REV,
    out: str = _OUT,
    force: bool = typer.Option(False, "--force", help="Lose files on disk that no version holds."),
    json: bool = _JSON,
) -> None:
    """Make data of another git repository, or at an address, a dataset whose pointer says where it came from.

    Done again, it takes what is there by then: `data sources` says whether that is something else.
    """
    from mainspring.versioning import bringing

    workspace = context.workspace()
    with exchange.transfer("importing") as tick:
        done = bringing.bring(workspace, url, path, out, rev=rev, force=force, tick=tick)
    output.emit(done, json=json, show=lambda: f"{done.path} is version {done.number} of {done.dataset}")


def sources(
    targets: list[str] = typer.Argument(None, metavar="[DATASET]...", help="Imported datasets; by default all."),
    fail: bool = typer.Option(False, "--fail", help="Exit code 1 unless all are unchanged."),
    json: bool = _JSON,
) -> None:
    """Ask where data was imported from whether it is still the same there. Nothing is downloaded into the workspace."""
    from mainspring.versioning.origins.asking import ask

    found = ask(context.workspace(), targets or ())
    rows = [(item.dataset, item.source, item.state, item.what) for item in found]
    columns = ("dataset", "source", "state", "what")
    output.emit(found, json=json, show=lambda: output.table(columns, rows) if rows else "nothing was imported")
    if fail and any(item.state != "unchanged" for item in found):
        raise typer.Exit(1)


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
