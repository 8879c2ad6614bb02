"""Commands of versioning: data, models, snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mainspring.cli import context, output

if TYPE_CHECKING:
    from rich.text import Text

    from mainspring.versioning.registry import ModelVersion, Transition
    from mainspring.versioning.snapshot import Difference, Snapshot

_MOST_LINES = 40
_JSON = typer.Option(False, "--json", help="Print JSON.")

data_app = typer.Typer(help="Versions of data.", no_args_is_help=True)
models_app = typer.Typer(help="Versions of models.", no_args_is_help=True)
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
    json: bool = _JSON,
) -> None:
    """Store data as its next version, and write its pointer (PATH.dvc) for git."""
    from mainspring.versioning import data

    workspace = context.workspace()
    versions = []
    for target in targets or sorted(workspace.settings.datasets):
        with _progress(f"adding {target}") as tick:
            versions.append(data.add(workspace, target, tick=tick))
    rows = [_dataset_row(version) for version in versions]
    columns = ("dataset", "number", "md5", "size", "files")
    shown = [(row["dataset"], row["number"], row["md5"][:12], _bytes(row["size"]), row["files"]) for row in rows]
    output.emit(rows, json=json, show=lambda: output.table(columns, shown))


@data_app.command("status")
def data_status(json: bool = _JSON) -> None:
    """Compare every dataset on disk with its version."""
    from mainspring.versioning import data

    workspace = context.workspace()
    with _progress("comparing") as tick:
        found = data.status(workspace, tick=tick)
    rows = [
        (
            item.dataset,
            item.path,
            item.number,
            item.state,
            f"+{item.added} ~{item.modified} -{item.deleted}" if item.state == "modified" else item.problem or "",
        )
        for item in found
    ]
    output.emit(found, json=json, show=lambda: output.table(("dataset", "path", "version", "state", "what"), rows))


@data_app.command("log")
def data_log(name: str = typer.Argument(help="Name or path of a dataset."), json: bool = _JSON) -> None:
    """List the versions of a dataset, newest first."""
    from mainspring.versioning import data

    workspace = context.workspace()
    dataset, _ = data.locate(workspace, name)
    rows = [_dataset_row(version) for version in reversed(data.log(workspace, dataset))]
    columns = ("version", "md5", "size", "files", "at", "actor")
    shown = [
        (row["number"], row["md5"][:12], _bytes(row["size"]), row["files"], row["created_at"], row["actor"])
        for row in rows
    ]
    output.emit(rows, json=json, show=lambda: output.table(columns, shown, title=dataset))


@data_app.command("checkout")
def data_checkout(
    name: str = typer.Argument(help="Name or path of a dataset."),
    version: str = typer.Argument(None, help="Number or md5 of a version; by default the one that its pointer names."),
    force: bool = typer.Option(False, "--force", help="Lose files on disk that no version holds."),
    json: bool = _JSON,
) -> None:
    """Make a dataset on disk exactly one of its versions."""
    from mainspring.versioning import data

    workspace = context.workspace()
    with _progress(f"restoring {name}") as tick:
        found = data.checkout(workspace, name, version, force=force, tick=tick)
    said = f"{found.path} is version {found.number} of {found.dataset} ({found.md5})"
    output.emit(_dataset_row(found), json=json, show=lambda: _text(said))


@data_app.command("verify")
def data_verify(
    name: str = typer.Argument(None, help="A dataset; by default everything that is stored."), json: bool = _JSON
) -> None:
    """Read stored objects again and compare them with their addresses; damaged ones go to quarantine (exit code 1)."""
    from mainspring.versioning import data

    workspace = context.workspace()
    with _progress("verifying") as tick:
        damages = data.verify(workspace, name, tick=tick)
    rows = [(damage.md5, damage.problem, "; ".join(damage.used_by[:3]) or "nothing") for damage in damages]
    output.emit(
        damages,
        json=json,
        show=lambda: output.table(("object", "problem", "needed by"), rows) if rows else "every object is what it was",
    )
    if damages:
        raise typer.Exit(1)


@models_app.command("list")
def models_list(name: str = typer.Argument(None, help="A model; by default all."), json: bool = _JSON) -> None:
    """Show the registry: every model with its versions and their stages."""
    from mainspring.base.clock import iso
    from mainspring.versioning import registry

    workspace = context.workspace()
    if name is not None:
        registry.resolve(workspace, name)
    versions = registry.versions(workspace, name)
    rows = [
        {
            "model": version.model,
            "version": version.version,
            "stage": version.stage,
            "run_id": version.run_id,
            "created_at": iso(version.created_at),
            "metrics": version.metrics,
        }
        for version in versions
    ]
    output.emit(rows, json=json, show=lambda: _text(_tree(versions)))


def _tree(versions: list[ModelVersion]) -> str:
    if not versions:
        return "no models yet: make one with `mainspring run`, or bring one with `mainspring models register`"
    lines: list[str] = []
    for model in sorted({version.model for version in versions}):
        mine = [version for version in versions if version.model == model]
        lines.append(f"{model}/")
        for version in mine:
            branch = "└──" if version is mine[-1] else "├──"
            lines.append(f"{branch} v{version.version}  ({version.stage})")
    return "\n".join(lines)


@models_app.command("show")
def models_show(reference: str = typer.Argument(help="NAME, NAME@VERSION or NAME@STAGE."), json: bool = _JSON) -> None:
    """Show a version: metrics with their intervals, signature, run, snapshot, data and addresses."""
    from mainspring.versioning.described import describe

    described = describe(context.workspace(), reference)
    output.emit(described, json=json, show=lambda: _text(_described_text(described)))


def _described_text(about: dict[str, Any]) -> str:
    lines = [f"{about['model']}@{about['version']}  ({about['stage']})", ""]
    fields = ("created_at", "actor", "run_id", "snapshot_id", "artifact", "evidence", "format")
    lines += [f"{field.replace('_', ' '):<12} {'—' if about[field] is None else about[field]}" for field in fields]
    if commit := about["commit"]:
        lines.append(f"{'commit':<12} {commit}{' + changes' if about['dirty'] else ''}")
    if again := about["also_made_by"]:
        shown = ", ".join(again[-3:]) + (f" and {len(again) - 3} before" if len(again) > 3 else "")
        lines.append(f"{'also made by':<12} {shown}")
    lines += [f"{'data':<12} {item['dataset']} version {item['number']} ({item['md5']})" for item in about["data"]]
    lines += ["", "metrics"] if about["metrics"] else []
    lines += [f"  {name:<20} {_metric(value)}" for name, value in about["metrics"].items()]
    target = about["signature"]["target"]
    classes = f", classes {target['classes']}" if target["classes"] is not None else ""
    lines += ["", f"predicts '{target['name']}' ({target['task']}{classes}) from"]
    for column in about["signature"]["inputs"]:
        lines.append(f"  {column['name']:<28} {column['dtype']}{', may be null' if column['nullable'] else ''}")
    return "\n".join(lines)


def _metric(value: Any) -> str:
    if not isinstance(value, dict):
        return f"{value:.6g}"
    low, high = (f"{value[side]:.4g}" if value.get(side) is not None else "?" for side in ("low", "high"))
    return f"{value['value']:.4g}  [{low}, {high}]  n={value['n']}"


@models_app.command("history")
def models_history(name: str = typer.Argument(help="A model."), json: bool = _JSON) -> None:
    """List every change of stage: when, by whom, and why."""
    from mainspring.versioning import registry

    rows = [_transition_row(item) for item in registry.history(context.workspace(), name)]
    columns = ("at", "version", "from", "to", "actor", "reason")
    output.emit(rows, json=json, show=lambda: output.table(columns, [[row[key] for key in columns] for row in rows]))


def _transition_row(item: Transition) -> dict[str, Any]:
    from mainspring.base.clock import iso

    return {
        "version": item.version,
        "from": item.from_stage,
        "to": item.to_stage,
        "at": iso(item.at),
        "actor": item.actor,
        "reason": item.reason,
        "evidence": item.evidence,
    }


@models_app.command("register")
def models_register(
    name: str = typer.Argument(help="Name of the model."),
    path: Path = typer.Argument(
        help="Model file: .skops, LightGBM .txt, XGBoost .ubj or .json, .onnx; .joblib if trusted."
    ),
    sample: Path = typer.Option(..., help="Table with rows as the model takes them."),
    version: str = typer.Option(
        None, help="MAJOR.MINOR.PATCH; by default the next one, or the one that this very model has already."
    ),
    target: str = typer.Option(None, help="Column of the sample, or of the holdout, that the model predicts."),
    holdout: Path = typer.Option(None, help="Table with rows that the model has never seen, to judge it on."),
    container: str = typer.Option(None, help="What the model was fitted with: polars, pandas or numpy."),
    trust_pickle: bool = typer.Option(False, "--trust-pickle", help="Read and store a pickle: runs the code in it."),
    json: bool = _JSON,
) -> None:
    """Register a model that was trained elsewhere."""
    from mainspring.base.errors import UsageError
    from mainspring.versioning import external
    from mainspring.versioning.tables import read_table

    if container not in (None, "polars", "pandas", "numpy"):
        raise UsageError(f"'{container}' is no container", hint="one of polars, pandas, numpy")
    if holdout is not None and target is None:
        raise UsageError("a holdout without a target judges nothing", hint="say which column is the truth: --target")
    workspace = context.workspace()
    found, existing = external.register_external(
        workspace,
        name,
        path,
        sample=read_table(sample),
        target=target,
        holdout=read_table(holdout) if holdout is not None else None,
        trust_pickle=trust_pickle,
        container=container,  # type: ignore[arg-type] # checked above
        version=version,
    )
    row = {"model": found.model, "version": found.version, "stage": found.stage, "artifact": found.artifact}
    said = f"registered {found.reference} ({found.stage})"
    if existing:
        said = f"{found.reference} ({found.stage}) is the same, to the byte: nothing new was registered"
    output.emit(row | {"existing": existing}, json=json, show=lambda: _text(said))


@models_app.command("promote")
def models_promote(
    reference: str = typer.Argument(help="NAME@VERSION."),
    stage: str = typer.Argument(help="development, staging or archived."),
    reason: str = typer.Option(..., help="Why."),
) -> None:
    """Move a version to another stage; to production only `mainspring deploy` brings one."""
    from mainspring.base.errors import UsageError
    from mainspring.versioning import registry

    if stage == "production":
        raise UsageError(
            "a version reaches production through its gate", hint=f"mainspring deploy {reference}", reference=reference
        )
    workspace = context.workspace()
    found = registry.resolve(workspace, reference)
    registry.transition(workspace, found.model, found.version, stage, reason=reason)
    output.console().print(f"{found.reference} is in {stage}")


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

    code, machine = found.code, found.environment
    changed = [word for word, there in (("diff", code["diff"]), ("untracked files", code["untracked"])) if there]
    changes = f" + {' + '.join(changed)}" if changed else ""
    lines = [f"snapshot {found.id}  {iso(found.created_at)}", ""]
    lines.append(f"code         {code['commit'] or 'no commit'} on {code['branch'] or 'no branch'}{changes}")
    lines += [f"data         {item['dataset']} version {item['number']} ({item['md5']})" for item in found.data]
    lines.append(f"environment  Python {machine['python']}, {len(machine['distributions'])} distributions")
    lines.append(f"             {machine['platform']}, {machine['cpu']['model']} × {machine['cpu']['usable']}")
    lines += [f"             {name}={value}" for name, value in machine["variables"].items()]
    seeded = ", ".join(found.randomness.get("libraries", ()))
    lines.append(f"randomness   seed {found.randomness['seed']} ({seeded})" if seeded else "randomness   not seeded")
    lines.append(f"config       overlay {found.config['environment'] or 'none'}")
    lines += [f"             {name} = {value}" for name, value in found.config["parameters"].items()]
    return "\n".join(lines)


@snapshot_app.command("diff")
def snapshot_diff(
    before: str = typer.Argument(help="A run, a snapshot or NAME@VERSION."),
    after: str = typer.Argument(help="Another one."),
    json: bool = _JSON,
) -> None:
    """Name what differs between two runs."""
    from mainspring.versioning import snapshot

    workspace = context.workspace()
    found = snapshot.diff(snapshot.load(workspace, before), snapshot.load(workspace, after))
    output.emit(found, json=json, show=lambda: _differences(found))


def _differences(found: list[Difference]) -> Any:
    if not found:
        return "nothing differs"
    rows: list[Sequence[object]] = [
        (item.part, item.name, _short(item.before), _short(item.after)) for item in found[:_MOST_LINES]
    ]
    if len(found) > _MOST_LINES:
        rows.append(("…", f"{len(found) - _MOST_LINES} more: --json shows all", "", ""))
    return output.table(("part", "what", "before", "after"), rows)


def _short(value: Any) -> str | None:
    text = None if value is None else str(value)
    return text if text is None or len(text) <= 60 else text[:59] + "…"


def _dataset_row(version: Any) -> dict[str, Any]:
    import msgspec

    from mainspring.base.clock import iso

    row: dict[str, Any] = msgspec.structs.asdict(version)
    return row | {"created_at": iso(version.created_at)}


def _text(text: str) -> Text:
    """Return text in which nothing is markup."""
    from rich.text import Text

    return Text(text)


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar on standard error while something long goes on, if a person is looking."""
    console = output.console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
