"""Commands of models: the registry, what is written on it, and what leaves it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mainspring.cli import context, output

if TYPE_CHECKING:
    from rich.text import Text

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.catalogue import ModelEntry, VersionEntry
    from mainspring.versioning.registry import Transition

_JSON = typer.Option(False, "--json", help="Print JSON.")
_REFERENCE = typer.Argument(help="NAME@VERSION; the version's number, a stage or an alias do as well.")
_EITHER = typer.Argument(help="NAME for the model, or NAME@VERSION for one version.")
_BUMP = typer.Option(None, help="major, minor or patch: the number that grows; by default what changed decides.")
_PAGE = 1000

_NO_MODELS = "no models yet: make one with `mainspring run`, or bring one with `mainspring models register`"

models_app = typer.Typer(help="Versions of models.", no_args_is_help=True)
alias_app = typer.Typer(help="Names for versions that can be moved.", no_args_is_help=True)
models_app.add_typer(alias_app, name="alias")


@models_app.command("list")
def models_list(
    name: str = typer.Argument(None, help="A model; by default all."),
    filter: str = typer.Option(
        "", "--filter", help="Only versions such as \"name LIKE 'fraud%' AND tags.team = 'risk'\"."
    ),
    json: bool = _JSON,
) -> None:
    """Show the registry: every model with its versions, their stages, numbers and aliases."""
    from mainspring.base.clock import iso
    from mainspring.versioning import registry

    workspace = context.workspace()
    if name is not None:
        registry.resolve(workspace, name)
    entries = [entry for entry in _found(workspace, filter) if name in (None, entry.version.model)]
    empty = [] if name or filter else [model for model in _models(workspace) if not model.latest]
    rows = [
        {
            "model": entry.version.model,
            "version": entry.version.version,
            "number": entry.version.number,
            "stage": entry.version.stage,
            "aliases": entry.aliases,
            "tags": entry.tags,
            "run_id": entry.version.run_id,
            "created_at": iso(entry.version.created_at),
            "metrics": entry.version.metrics,
        }
        for entry in entries
    ]
    none = "no version meets the filter" if filter else _NO_MODELS
    output.emit(rows, json=json, show=lambda: _text(_tree(entries, [model.name for model in empty]) or none))


def _found(workspace: Workspace, filter: str) -> list[VersionEntry]:
    from mainspring.versioning.catalogue import search_versions

    found: list[VersionEntry] = []
    token: str | None = None
    while True:
        page = search_versions(workspace, filter, most=_PAGE, token=token)
        found += page.entries
        if (token := page.token) is None:
            versions = ((entry, [int(part) for part in entry.version.version.split(".")]) for entry in found)
            return [entry for entry, _ in sorted(versions, key=lambda pair: (pair[0].version.model, pair[1]))]


def _models(workspace: Workspace) -> list[ModelEntry]:
    from mainspring.versioning.catalogue import search_models

    found: list[ModelEntry] = []
    token: str | None = None
    while True:
        page = search_models(workspace, most=_PAGE, token=token)
        found += page.entries
        if (token := page.token) is None:
            return found


def _tree(entries: list[VersionEntry], empty: list[str]) -> str:
    lines: list[str] = []
    for model in sorted({entry.version.model for entry in entries} | set(empty)):
        mine = [entry for entry in entries if entry.version.model == model]
        lines.append(f"{model}/" if mine else f"{model}/  (no version yet)")
        for entry in mine:
            branch = "└──" if entry is mine[-1] else "├──"
            names = "".join(f"  @{alias}" for alias in entry.aliases)
            lines.append(f"{branch} v{entry.version.version}  ({entry.version.stage})  #{entry.version.number}{names}")
    return "\n".join(lines)


@models_app.command("show")
def models_show(reference: str = _REFERENCE, json: bool = _JSON) -> None:
    """Show a version: metrics with their intervals, signature, where it comes from, and where it is deployed."""
    from mainspring.versioning.lineage.trace import trace

    described = trace(context.workspace(), reference)
    output.emit(described, json=json, show=lambda: _text(_described_text(described)))


def _described_text(about: dict[str, Any]) -> str:
    lines = [f"{about['model']}@{about['version']}  ({about['stage']})  #{about['number']}", ""]
    fields = ("description", "created_at", "actor", "source", "artifact", "evidence", "format")
    lines += [f"{field.replace('_', ' '):<12} {about[field]}" for field in fields if about[field] is not None]
    for field in ("aliases", "tags"):
        if about[field]:
            said = about[field] if field == "aliases" else [f"{key}={value}" for key, value in about[field].items()]
            lines.append(f"{field:<12} {', '.join(said)}")
    if again := about["also_made_by"]:
        shown = ", ".join(again[-3:]) + (f" and {len(again) - 3} before" if len(again) > 3 else "")
        lines.append(f"{'also made by':<12} {shown}")
    lines += ["", *_lineage_lines(about)]
    lines += ["", "metrics"] if about["metrics"] else []
    lines += [f"  {name:<20} {_metric(value)}" for name, value in about["metrics"].items()]
    if about["signature"] is None:
        held = f"another tool's files: {', '.join(list(about['files'])[:10])}" if about["files"] else "no files"
        return "\n".join([*lines, "", f"holds {held}; it is not served here"])
    target = about["signature"]["target"]
    classes = f", classes {target['classes']}" if target["classes"] is not None else ""
    lines += ["", f"predicts '{target['name']}' ({target['task']}{classes}) from"]
    for column in about["signature"]["inputs"]:
        lines.append(f"  {column['name']:<28} {column['dtype']}{', may be null' if column['nullable'] else ''}")
    return "\n".join(lines)


def _lineage_lines(about: dict[str, Any]) -> list[str]:
    lines = [f"{'run':<12} {about['run_id'] or '—'}"]
    if run := about["run"]:
        lines[0] += f"  ({run['name']}, experiment {run['experiment']}, {run['status']})"
        lines += [f"{'  part of':<12} {run['parent']}"] if run["parent"] else []
        lines += [f"{'  read':<12} {item['dataset']} ({item['md5']})" for item in run["inputs"]]
    lines.append(f"{'snapshot':<12} {about['snapshot_id'] or '—'}")
    if commit := about["commit"]:
        lines.append(f"{'  commit':<12} {commit}{' + changes' if about['dirty'] else ''}")
    for item in about["data"]:
        after = f", after version {item['parent']}" if item["parent"] else ""
        lines.append(f"{'  data':<12} {item['dataset']} version {item['number']} ({item['md5']}){after}")
    lines += [f"{'after':<12} {about['parent']}"] if about["parent"] else []
    for held in about["deployments"]:
        role = f", {held['role']} now" if held["role"] else ""
        lines.append(f"{'deployed':<12} {held['at']}  {held['state']}{role}: {held['reason']} ({held['actor']})")
    return lines


def _metric(value: Any) -> str:
    if not isinstance(value, dict):
        return _number(value, 6)
    return f"{_number(value['value'])}  [{_number(value.get('low'))}, {_number(value.get('high'))}]  n={value.get('n')}"


def _number(value: float | None, digits: int = 4) -> str:
    return "?" if value is None else f"{value:.{digits}g}"


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
    bump: str | None = _BUMP,
    target: str = typer.Option(None, help="Column of the sample, or of the holdout, that the model predicts."),
    holdout: Path = typer.Option(None, help="Table with rows that the model has never seen, to judge it on."),
    container: str = typer.Option(None, help="What the model was fitted with: polars, pandas or numpy."),
    trust_pickle: bool = typer.Option(False, "--trust-pickle", help="Read and store a pickle: runs the code in it."),
    json: bool = _JSON,
) -> None:
    """Register a model that was trained elsewhere."""
    from mainspring.base.errors import UsageError
    from mainspring.versioning import external, registry
    from mainspring.versioning.semver import parse_bump
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
        bump=parse_bump(bump),
    )
    why = registry.history_of(workspace, found)[0].reason
    row = {name: getattr(found, name) for name in ("model", "version", "number", "stage", "artifact")} | {"reason": why}
    said = f"registered {found.reference} ({found.stage}): {why}"
    if existing:
        said = f"{found.reference} ({found.stage}) is the same, to the byte: nothing new was registered"
    output.emit(row | {"existing": existing}, json=json, show=lambda: _text(said))


@models_app.command("promote")
def models_promote(
    reference: str = typer.Argument(help="NAME@VERSION."),
    stage: str = typer.Argument(help="development, staging or archived."),
    reason: str = typer.Option(..., help="Why."),
    bump: str | None = typer.Option(
        None, help="major, minor or patch: give it a new number first; the same bytes then have both."
    ),
) -> None:
    """Move a version to another stage; to production only `mainspring deploy` brings one."""
    from mainspring.base.errors import UsageError
    from mainspring.serving.gating import check_move
    from mainspring.versioning import registration, registry
    from mainspring.versioning.semver import parse_bump

    if stage == "production":
        raise UsageError(
            "a version reaches production through its gate", hint=f"mainspring deploy {reference}", reference=reference
        )
    workspace = context.workspace()
    grows = parse_bump(bump)
    found = registry.resolve(workspace, reference)
    check_move(workspace, found, stage)
    if grows is not None:
        found = registration.renumber(workspace, found, grows, reason=reason)
    registry.transition(workspace, found.model, found.version, stage, reason=reason)
    output.console().print(f"{found.reference} is in {stage}")


@alias_app.command("set")
def alias_set(
    reference: str = _REFERENCE, alias: str = typer.Argument(help="Letters, digits, dashes and underscores.")
) -> None:
    """Let an alias name a version: NAME@ALIAS finds it, as models:/NAME@ALIAS does for MLflow's clients."""
    from mainspring.versioning import labels, registry

    workspace = context.workspace()
    found = registry.resolve(workspace, reference)
    labels.set_alias(workspace, found.model, alias, found.version)
    output.console().print(f"{found.model}@{alias} is {found.version}")


@alias_app.command("delete")
def alias_delete(
    name: str = typer.Argument(help="A model."), alias: str = typer.Argument(help="One of its aliases.")
) -> None:
    """Remove an alias; the version stays."""
    from mainspring.base.errors import NotFound
    from mainspring.versioning import labels

    if not labels.delete_alias(context.workspace(), name, alias):
        raise NotFound(f"'{name}' has no alias '{alias}'", hint=f"see `mainspring models list {name}`")
    output.console().print(f"{name} has no alias '{alias}' any more")


@models_app.command("tag")
def models_tag(
    reference: str = _EITHER,
    tags: list[str] = typer.Argument(help="KEY=VALUE sets a tag, KEY= removes it."),
) -> None:
    """Set and remove tags of a model or of a version."""
    from mainspring.base.errors import UsageError
    from mainspring.versioning import labels

    workspace = context.workspace()
    name, version = _model_or_version(workspace, reference)
    for text in tags:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"'{text}' is no tag", hint="write KEY=VALUE, or KEY= to remove it")
        if version is None:
            labels.set_model_tags(workspace, name, {key: value}) if value else labels.delete_model_tag(
                workspace, name, key
            )
        elif value:
            labels.set_version_tags(workspace, name, version, {key: value})
        else:
            labels.delete_version_tag(workspace, name, version, key)
    output.console().print(f"{reference}: {', '.join(tags)}", markup=False)


@models_app.command("describe")
def models_describe(reference: str = _EITHER, text: str = typer.Argument(help="What it is for.")) -> None:
    """Write a description on a model or on a version."""
    from mainspring.versioning import labels

    workspace = context.workspace()
    name, version = _model_or_version(workspace, reference)
    if version is None:
        labels.describe_model(workspace, name, text)
    else:
        labels.describe_version(workspace, name, version, text)
    output.console().print(f"{reference}: {text}", markup=False)


@models_app.command("rename")
def models_rename(
    name: str = typer.Argument(help="A model."), new_name: str = typer.Argument(help="Its new name.")
) -> None:
    """Give a model another name; versions, labels, history and gates come along."""
    from mainspring.versioning import labels

    labels.rename_model(context.workspace(), name, new_name)
    output.console().print(f"{name} is {new_name} now", markup=False)


def _confirm_removal(what: str) -> None:
    from mainspring.base.errors import Refused

    try:
        sure = typer.confirm(f"delete {what} for good?")
    except typer.Abort:  # nobody is there to answer
        sure = False
    if not sure:
        raise Refused(f"{what} was not deleted", hint="answer y, or give --yes")


@models_app.command("delete")
def models_delete(
    reference: str = _EITHER,
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
    reason: str = typer.Option("deleted", help="Why; the history of a version keeps it."),
) -> None:
    """Remove a version, or a model with all that is recorded of it, for good; collecting garbage frees the bytes."""
    from mainspring.versioning import removal

    workspace = context.workspace()
    name, version = _model_or_version(workspace, reference)
    what = f"{name}@{version}" if version else f"{name} with all of its versions and its history"
    if not yes:
        _confirm_removal(what)
    if version is None:
        removal.delete_model(workspace, name)
    else:
        removal.delete_version(workspace, name, version, reason=reason)
    output.console().print(f"{what} is deleted", markup=False)


def _model_or_version(workspace: Workspace, reference: str) -> tuple[str, str | None]:
    from mainspring.versioning import registry

    name, at, _ = reference.partition("@")
    return (name, registry.resolve(workspace, reference).version) if at else (name, None)


def _text(text: str) -> Text:
    from rich.text import Text

    return Text(text)
