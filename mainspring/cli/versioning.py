"""Commands of versioning: data and snapshots; those of models are in ``models``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from mainspring.cli import context, datasets, output
from mainspring.cli.models import models_app
from mainspring.cli.progress import progress

if TYPE_CHECKING:
    from rich.text import Text

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.snapshot import Difference, Snapshot

_MOST_LINES = 40
_MOST_OF_PART = 7
_JSON = typer.Option(False, "--json", help="Print JSON.")

data_app = typer.Typer(help="Versions of data.", no_args_is_help=True)
snapshot_app = typer.Typer(help="What a run depended on.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of versioning."""
    app.add_typer(data_app, name="data")
    app.add_typer(models_app, name="models")
    app.add_typer(snapshot_app, name="snapshot")


@data_app.command("add")
def data_add(
    targets: list[str] = typer.Argument(
        None, help="Names of datasets, or paths; without any, every dataset of the settings."
    ),
    recreated: bool = typer.Option(
        False,
        "--recreated",
        help="Go on with a Delta table that was made anew at its path, and is another one than before.",
    ),
    json: bool = _JSON,
) -> None:
    """Store data as its next version, and write its pointer (PATH.dvc) for git; a Delta table is pinned where it is."""
    datasets.add(targets, recreated=recreated, json=json)


@data_app.command("status")
def data_status(json: bool = _JSON) -> None:
    """Compare every dataset on disk with its version."""
    datasets.status(json=json)


@data_app.command("log")
def data_log(name: str = typer.Argument(help="Name or path of a dataset."), json: bool = _JSON) -> None:
    """List the versions of a dataset, newest first."""
    from mainspring.base.clock import iso
    from mainspring.versioning import data

    workspace = context.workspace()
    dataset = data.name_of(workspace, name)
    versions = data.log(workspace, dataset)[::-1]
    if not versions and dataset not in data.known_datasets(workspace):
        data.find_version(workspace, dataset, None)  # which says how to add it
    columns = ("version", "content", "size", "files", "at", "actor")
    shown = [
        (
            item.number,
            datasets.content(item),
            output.bytes_text(item.size),
            item.files,
            iso(item.created_at),
            item.actor,
        )
        for item in versions
    ]
    rows = [datasets.row(item) for item in versions]
    output.emit(rows, json=json, show=lambda: output.table(columns, shown, title=dataset))


@data_app.command("checkout")
def data_checkout(
    name: str = typer.Argument(help="Name or path of a dataset."),
    version: str = typer.Argument(None, help="Number or md5 of a version; by default the one that its pointer names."),
    force: bool = typer.Option(False, "--force", help="Lose files on disk that no version holds."),
    restore: bool = typer.Option(
        False, "--restore", help="Of a Delta table: commit that version again, as the table's newest."
    ),
    json: bool = _JSON,
) -> None:
    """Make a dataset on disk exactly one of its versions.

    A Delta table is not touched: that version of it is read from now on, until `data add` follows the table again.
    """
    datasets.checkout(name, version, force=force, restore=restore, json=json)


@data_app.command("verify")
def data_verify(
    name: str = typer.Argument(None, help="A dataset; by default everything that is stored."),
    heal: bool = typer.Option(False, "--heal", help="Fetch what is missing or damaged from a remote."),
    remote: str = typer.Option(None, help="Name of the remote to heal from; by default the default one."),
    sample: str | None = typer.Option(
        None,
        "--sample",
        metavar="COUNT|PERCENT",
        help="Read only so many objects, such as 500 or 10%, drawn at random.",
    ),
    json: bool = _JSON,
) -> None:
    """Read stored objects again and compare them with their addresses; damaged ones go to quarantine (exit code 1).

    Of a sample it is told how large the part of damaged objects may be in all (95% confidence).
    """
    from mainspring.versioning import data

    workspace = context.workspace()
    if sample is not None:
        _verify_sample(workspace, name, sample, heal=heal, json=json)
        return
    healed: list[str] = []
    with progress("verifying") as tick:
        if heal:
            from mainspring.versioning.pull import verify_and_heal

            healed, damages = verify_and_heal(workspace, name, remote=remote, tick=tick)
        else:
            damages = data.verify(workspace, name, tick=tick)
    rows = [(damage.md5, damage.problem, "; ".join(damage.used_by[:3]) or "nothing") for damage in damages]
    fine = f"{len(healed)} objects were healed; " if healed else ""
    output.emit(
        {"healed": healed, "damages": damages} if heal else damages,
        json=json,
        show=lambda: (
            output.table(("object", "problem", "needed by"), rows) if rows else f"{fine}every object is what it was"
        ),
    )
    if damages:
        raise typer.Exit(1)


def _verify_sample(workspace: Workspace, name: str | None, sample: str, *, heal: bool, json: bool) -> None:
    from mainspring.base.errors import UsageError
    from mainspring.measures.intervals import clopper_pearson
    from mainspring.versioning import data

    if heal:
        raise UsageError("a sample finds too little to heal", hint="leave --sample or --heal out")
    count = datasets.sample_size(sample)
    with progress("verifying") as tick:
        found = data.verify_some(workspace, name, count, tick=tick)
    share = clopper_pearson(found.bad, found.read) if 0 < found.read < found.objects else None
    rows = [(damage.md5, damage.problem, "; ".join(damage.used_by[:3]) or "nothing") for damage in found.damages]
    said = f"{found.read} of {found.objects} objects were read, {found.bad} are bad"
    if share is not None:
        said += f"; of all, {share.low:.2%} to {share.high:.2%} may be (95% confidence)"
    interval = None if share is None else [share.low, share.high]
    record = {
        "damages": found.damages,
        "read": found.read,
        "bad": found.bad,
        "objects": found.objects,
        "share": interval,
    }
    output.emit(
        record,
        json=json,
        show=lambda: output.table(("object", "problem", "needed by"), rows, title=said) if rows else said,
    )
    if found.damages:
        raise typer.Exit(1)


@snapshot_app.command("show")
def snapshot_show(
    reference: str = typer.Argument(help="A run, a snapshot (a unique beginning is enough) or NAME@VERSION."),
    json: bool = _JSON,
) -> None:
    """Show what a run depended on: code, data, environment, randomness, configuration."""
    from mainspring.versioning import snapshot

    found = snapshot.load(context.workspace(), reference)
    output.emit(_snapshot_row(found), json=json, show=lambda: _text(_snapshot_text(found)))


def _snapshot_row(found: Snapshot) -> dict[str, Any]:
    import msgspec

    from mainspring.base.clock import iso

    return msgspec.structs.asdict(found) | {"created_at": iso(found.created_at)}


def _snapshot_text(found: Snapshot) -> str:
    from mainspring.base.clock import iso

    machine = found.environment
    lines = [f"snapshot {found.id}  {iso(found.created_at)}", ""]
    lines += [f"{'code' if number == 0 else '':<12} {line}" for number, line in enumerate(_code_lines(found.code))]
    lines += [f"data         {item['dataset']} version {item['number']} ({_read(item)})" for item in found.data]
    lines.append(f"environment  Python {machine['python']}, {len(machine['distributions'])} distributions")
    lines.append(f"             {machine['platform']}, {machine['cpu']['model']} × {machine['cpu']['usable']}")
    lines += [f"             {name}={value}" for name, value in machine["variables"].items()]
    seeded = ", ".join(found.randomness.get("libraries", ()))
    lines.append(f"randomness   seed {found.randomness['seed']} ({seeded})" if seeded else "randomness   not seeded")
    lines.append(f"config       overlay {found.config['environment'] or 'none'}")
    lines += [f"             {name} = {value}" for name, value in found.config["parameters"].items()]
    return "\n".join(lines)


_BESIDE = (
    ("diff", "diff"),
    ("untracked", "untracked files"),
    ("large", "large files by their hashes"),
    ("links", "links"),
)


def _code_lines(recorded: dict[str, Any], below: str = "") -> list[str]:
    beside = [word for kind, word in _BESIDE if recorded.get(kind)]
    at = f"{recorded['commit'] or 'no commit'} on {recorded['branch'] or 'no branch'}"
    lines = [" + ".join([f"{below}: {at}" if below else at, *beside])]
    inside = f"{below}/" if below else ""
    lines += [f"not kept: {inside}{name}" for name in recorded.get("skipped") or ()]
    for path, inner in (recorded.get("repositories") or {}).items():
        lines += _code_lines(inner, f"{inside}{path}")
    return lines


def _read(item: dict[str, Any]) -> str:
    table = item.get("table")
    return f"version {table['version']} of {table['uri']}" if table else str(item["md5"])


@snapshot_app.command("diff")
def snapshot_diff(
    before: str = typer.Argument(help="A run, a snapshot or NAME@VERSION."),
    after: str = typer.Argument(help="Another one."),
    json: bool = _JSON,
) -> None:
    """Name what differs between two runs."""
    from mainspring.versioning import snapshot

    workspace = context.workspace()
    found = snapshot.diff(snapshot.load(workspace, before), snapshot.load(workspace, after), workspace.objects)
    output.emit(found, json=json, show=lambda: _differences(found))


def _differences(found: list[Difference]) -> Any:
    if not found:
        return "nothing differs"
    rows: list[Sequence[object]] = []
    for part in dict.fromkeys(item.part for item in found):
        mine = [item for item in found if item.part == part]
        most = _MOST_OF_PART if len(found) > _MOST_LINES else len(mine)
        rows += [(part, item.name, _short(item.before), _short(item.after)) for item in mine[:most]]
        if len(mine) > most:
            rows.append((part, f"… and {len(mine) - most} more: --json shows all", "", ""))
    return output.table(("part", "what", "before", "after"), rows)


def _short(value: Any) -> str | None:
    text = None if value is None else str(value)
    return text if text is None or len(text) <= 60 else text[:59] + "…"


def _text(text: str) -> Text:
    """Return text in which nothing is markup."""
    from rich.text import Text

    return Text(text)
