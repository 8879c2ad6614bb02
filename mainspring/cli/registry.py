"""Commands by which models leave and reach the registry: GTO's tags in git, folders that were exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mainspring.cli import context, output
from mainspring.cli.models import models_app

if TYPE_CHECKING:
    from mainspring.versioning.git_registry import Planned
    from mainspring.versioning.registration import Registered

_JSON = typer.Option(False, "--json", help="Print JSON.")
_NAME = typer.Argument(None, help="A model; by default all.")

git_app = typer.Typer(help="The registry as GTO's tags in git; nothing is ever pushed.", no_args_is_help=True)
models_app.add_typer(git_app, name="git")


def register(app: typer.Typer) -> None:
    """Do nothing: these are commands of ``models``, which is there already."""
    del app


@git_app.command("tag")
def git_tag(
    name: str = _NAME,
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say which tags would be written."),
    json: bool = _JSON,
) -> None:
    """Write the versions and stages that git does not know yet as tags: NAME@v1.2.0, NAME#prod#1.

    A tag that is there is never overwritten. Exits with 1 if a version could not be tagged.
    """
    from mainspring.versioning import git_registry

    plans = git_registry.tag(context.workspace(), name, write=not dry_run)
    output.emit(plans, json=json, show=lambda: _planned(plans))
    if any(plan.problem for plan in plans):
        raise typer.Exit(1)


def _planned(plans: list[Planned]) -> Any:
    if not plans:
        return "git says what the registry says"
    rows = [
        (plan.tag, plan.commit and plan.commit[:12], plan.problem or ("written" if plan.written else "not written yet"))
        for plan in plans
    ]
    if any(plan.written for plan in plans):
        output.console(stderr=True).print("push them yourself: git push --tags", style="dim")
    return output.table(("tag", "commit", "state"), rows)


@git_app.command("diff")
def git_diff(name: str = _NAME, json: bool = _JSON) -> None:
    """Say where git's tags and the registry differ. Exits with 1 if they do."""
    from mainspring.versioning import git_registry

    found = git_registry.compare(context.workspace(), name)
    rows = [(item.model, item.what, item.registry, item.git) for item in found]
    columns = ("model", "what", "registry", "git")
    same = "git says what the registry says"
    output.emit(found, json=json, show=lambda: output.table(columns, rows) if rows else same)
    if found:
        raise typer.Exit(1)


@git_app.command("register")
def git_register(name: str = _NAME, json: bool = _JSON) -> None:
    """Register the versions that only git's tags know, in development; stages stay as they are."""
    from mainspring.versioning import git_registry

    made = git_registry.register(context.workspace(), name)
    rows = [
        {"model": one.model, "version": one.version, "artifact": one.artifact, "source": one.source} for one in made
    ]
    shown = [(one.reference, "its file" if one.artifact else "no file", one.source) for one in made]
    none = "the registry has every version that git has"
    columns = ("version", "holds", "from")
    output.emit(rows, json=json, show=lambda: output.table(columns, shown) if shown else none)


@models_app.command("export")
def models_export(
    reference: str = typer.Argument(help="NAME for every version of a model, or NAME@VERSION for one."),
    folder: Path = typer.Argument(metavar="DIR", help="Where models/NAME/vX.Y.Z/ is written."),
    with_rows: bool = typer.Option(False, "--with-rows", help="Take along the rows it was trained and judged on."),
    sign: Path | None = typer.Option(
        None, "--sign", metavar="KEY", help="Sign them with this elliptic-curve key (PEM), in OpenSSF's format."
    ),
    json: bool = _JSON,
) -> None:
    """Write versions as folders: model, manifest, model card, signature, SHA256SUMS."""
    from mainspring.versioning.export import export

    found = export(context.workspace(), reference, folder, with_rows=with_rows, sign=sign)
    written = [str(path) for path in found]
    output.emit({"folders": written}, json=json, show=lambda: "\n".join(f"wrote {path}" for path in written))


@models_app.command("import")
def models_import(
    folder: Path = typer.Argument(metavar="DIR", help="An exported version, or a folder that holds models/."),
    trust_pickle: bool = typer.Option(False, "--trust-pickle", help="Take a pickle: loading it runs the code in it."),
    verify: Path | None = typer.Option(
        None, "--verify", metavar="PUBLIC", help="Take only what the owner of this public key (PEM) signed."
    ),
    json: bool = _JSON,
) -> None:
    """Register versions that were exported elsewhere, after checking every file of them."""
    from mainspring.versioning.arrival import receive, signed

    found = receive(context.workspace(), folder, trust_pickle=trust_pickle, verify=verify)
    if verify is None and signed(folder):
        output.console(stderr=True).print("the signature was not checked: --verify PUBLIC does", style="dim")
    rows = [
        {
            "model": one.version.model,
            "version": one.version.version,
            "existing": one.existing,
            "source": one.version.source,
            "verified": verify is not None,
        }
        for one in found
    ]
    output.emit(rows, json=json, show=lambda: "\n".join(_arrived(one, verify is not None) for one in found))


def _arrived(one: Registered, verified: bool) -> str:
    said = f"registered {one.version.reference} ({one.version.stage}), imported from {one.version.source}"
    if one.existing:
        said = f"{one.version.reference} is here already, to the byte"
    return f"{said}; the signature is good" if verified else said
