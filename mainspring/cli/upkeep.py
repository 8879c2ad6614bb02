"""Commands that keep the records in order: runs and experiments deleted, restored and exported; what was deleted, removed."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mainspring.cli import context, output
from mainspring.cli.tracking import runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.tracking.experiments import Experiment
    from mainspring.tracking.search import RunInfo

experiments = typer.Typer(help="Experiments: what runs are grouped by.", no_args_is_help=True)

_RUNS = typer.Argument(None, metavar="[RUN]...", help="Id, first digits of the id, or name; repeatable.")
_FILTER = typer.Option(None, help="Instead of runs: all that pass, such as \"metrics.auc < 0.5\"; '' means all.")
_JSON = typer.Option(False, "--json", help="Print JSON.")


def register(app: typer.Typer) -> None:
    """Add `runs delete`, `restore` and `export`, `gc`, and `experiments`."""
    for verb in (delete, restore, export):
        runs.command()(verb)
    app.command()(gc)
    app.add_typer(experiments, name="experiments")


def delete(runs: list[str] = _RUNS, filter: str = _FILTER, json: bool = _JSON) -> None:
    """Delete runs: they are hidden, `runs restore` shows them again, and `gc` removes them for good after a while."""
    from mainspring.tracking.runs import delete_run
    from mainspring.tracking.selection import choose

    workspace = context.workspace()
    chosen = choose(workspace, runs or (), filter=filter)
    for run in chosen:
        delete_run(workspace, run.id)
    output.emit(_named(chosen), json=json, show=lambda: _told(chosen, "deleted"))


def restore(runs: list[str] = _RUNS, filter: str = _FILTER, json: bool = _JSON) -> None:
    """Show deleted runs again. A run that went with its experiment comes back with that."""
    from mainspring.base.errors import Conflict
    from mainspring.tracking.experiments import list_experiments as list_hidden
    from mainspring.tracking.runs import restore_run
    from mainspring.tracking.selection import choose

    workspace = context.workspace()
    chosen = choose(workspace, runs or (), filter=filter, deleted=True)
    hidden = {item.name for item in list_hidden(workspace, deleted=True) if item.lifecycle != "active"}
    for run in chosen:
        if run.experiment in hidden:
            raise Conflict(
                f"the experiment '{run.experiment}' was deleted, and its runs with it",
                hint=f"restore it: mainspring experiments restore '{run.experiment}'",
                experiment=run.experiment,
            )
    for run in chosen:
        restore_run(workspace, run.id)
    output.emit(_named(chosen), json=json, show=lambda: _told(chosen, "restored"))


def export(
    runs: list[str] = _RUNS,
    filter: str = _FILTER,
    out: Path = typer.Option(Path("runs"), help="The folder of the tables; with the format jsonl, the file."),
    format: str = typer.Option("parquet", help="parquet, csv or jsonl."),
    force: bool = typer.Option(False, "--force", help="Replace files that are there."),
    json: bool = _JSON,
) -> None:
    """Write runs with params, metrics, histories and tags as tables, or as one JSON document a line."""
    from mainspring.tracking.export import export as write
    from mainspring.tracking.selection import choose

    workspace = context.workspace()
    chosen = choose(workspace, runs or (), filter=filter)
    files = write(workspace, chosen, out, format=format, replace=force)
    noun = "run" if len(chosen) == 1 else "runs"
    lines = [f"{len(chosen)} {noun} written:", *(f"  {path}" for path in files)]
    record = {"runs": len(chosen), "files": [str(path) for path in files]}
    output.emit(record, json=json, show=lambda: "\n".join(lines))


@experiments.command("list")
def list_experiments(
    deleted: bool = typer.Option(False, help="List deleted ones too."),
    json: bool = _JSON,
) -> None:
    """List experiments, oldest first."""
    from mainspring.tracking import experiments as verbs

    workspace = context.workspace()
    found = verbs.list_experiments(workspace, deleted=deleted)
    output.emit([_experiment(item) for item in found], json=json, show=lambda: _experiments(found))


@experiments.command("delete")
def delete_experiment(name: str = typer.Argument(help="Name or id.")) -> None:
    """Delete an experiment and its runs: they are hidden, `restore` shows them again, `gc` removes them after a while."""
    from mainspring.tracking import experiments as verbs

    verbs.delete_experiment(context.workspace(), name)
    output.console().print(f"the experiment {name} was deleted; `mainspring experiments restore` brings it back")


@experiments.command("restore")
def restore_experiment(name: str = typer.Argument(help="Name or id.")) -> None:
    """Show a deleted experiment and its runs again."""
    from mainspring.tracking import experiments as verbs

    verbs.restore_experiment(context.workspace(), name)
    output.console().print(f"the experiment {name} is back", markup=False)


@experiments.command("rename")
def rename_experiment(
    name: str = typer.Argument(help="Name or id."), to: str = typer.Argument(help="The new name.")
) -> None:
    """Give an experiment another name."""
    from mainspring.tracking import experiments as verbs

    verbs.rename_experiment(context.workspace(), name, to)
    output.console().print(f"{name} is called {to} now", markup=False)


def gc(
    older_than: str = typer.Option("30d", help="Only what was deleted so long ago, such as 12h, 30d or 4w."),
    remove: bool = typer.Option(False, "--remove", "--yes", help="Do it; otherwise it is only said what would go."),
    not_shared: bool = typer.Option(
        False, "--not-shared", help="The objects lie outside of the project, and no other project keeps its own there."
    ),
    accept_lost: bool = typer.Option(
        False, "--accept-lost", help="What records that are lost need, and folders whose listings are, may go."
    ),
    json: bool = _JSON,
) -> None:
    """Remove for good what was deleted, then the bytes that nothing needs any more.

    Needed is what any record names, and every version of a dataset that a pointer in the working tree or in git's history
    names. Objects younger than a day stay. Bytes lie in the trash for a week before the disk gets them back.
    """
    from mainspring.base.clock import milliseconds
    from mainspring.base.errors import UsageError
    from mainspring.store.garbage import collect
    from mainspring.store.leftovers import unfinished
    from mainspring.tracking.purge import purge
    from mainspring.versioning.clearance import refuse_unknown
    from mainspring.versioning.named import named
    from mainspring.versioning.turns.repositories import alone

    workspace = context.workspace()
    if remove and not not_shared and not workspace.objects.root.is_relative_to(workspace.root):
        raise UsageError(
            f"the objects lie in {workspace.objects.root}, where other projects may keep theirs",
            hint="if no other project uses that folder, say --not-shared",
        )
    with alone(workspace) if remove else nullcontext():
        database, objects, others = workspace.database, workspace.objects, named(workspace.root)
        if not accept_lost:
            refuse_unknown(workspace, others)
        purged = purge(workspace, older_than_days=milliseconds(older_than) / 86_400_000, remove=remove)
        found = collect(database, objects, others=others, remove=remove)
        left = list(unfinished(workspace.objects.root, older_than_seconds=3600))
        for item in left if remove else []:
            item.remove()
    record = {
        "removed": remove,
        "runs": purged.runs,
        "logged_models": purged.logged_models,
        "experiments": purged.experiments,
        "objects": found.objects,
        "bytes": found.size,
        "kept_objects": found.kept,
        "unfinished": len(left),
        "unfinished_bytes": sum(item.size for item in left),
    }
    output.emit(record, json=json, show=lambda: _garbage(record))


def _garbage(record: dict[str, Any]) -> Any:
    from rich.console import Group

    size = record["bytes"] / 1e6
    names = ("runs", "logged_models", "experiments", "objects", "unfinished")
    rows = [(name.replace("_", " "), record[name]) for name in names]
    drawn = output.table(("what was deleted or is not needed", "removed" if record["removed"] else "would go"), rows)
    if record["removed"]:
        said = f"{size:.1f} MB are in the trash, and leave the disk after a week; {record['kept_objects']} objects stay"
    else:
        said = f"{size:.1f} MB of objects, and those of what is removed first; `mainspring gc --remove` does it"
    if record["unfinished"]:
        said += f"\nunfinished is what killed writers left: {output.bytes_text(record['unfinished_bytes'])}"
    return Group(drawn, "", said)


def _named(chosen: Sequence[RunInfo]) -> list[dict[str, str]]:
    return [{"id": run.id, "name": run.name, "experiment": run.experiment} for run in chosen]


def _told(chosen: Sequence[RunInfo], done: str) -> Any:
    if not chosen:
        return "no run passes the filter"
    return output.table(
        ("run", "name", "experiment", done), [(run.id, run.name, run.experiment, "yes") for run in chosen]
    )


def _experiment(item: Experiment) -> dict[str, Any]:
    import msgspec

    from mainspring.base.clock import iso

    moments = {"created_at": iso(item.created_at), "updated_at": iso(item.updated_at)}
    return msgspec.structs.asdict(item) | moments


def _experiments(found: Sequence[Experiment]) -> Any:
    from mainspring.base.clock import iso

    if not found:
        return "no experiments yet; a run makes its own"
    rows = [(item.id, item.name, item.lifecycle, iso(item.created_at)[:19].replace("T", " ")) for item in found]
    return output.table(("id", "name", "lifecycle", "created"), rows)
