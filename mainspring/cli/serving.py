"""Commands of serving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from mainspring.cli import context, output

if TYPE_CHECKING:
    from mainspring.serving.records import Release
    from mainspring.store.workspace import Workspace

releases_app = typer.Typer(help="Releases: versions on their way behind an endpoint.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of serving."""
    app.command()(serve)
    app.command()(deploy)
    app.command()(rollback)
    app.command()(undeploy)
    app.add_typer(releases_app, name="releases")


def serve(
    host: str = typer.Option(
        "127.0.0.1", help="Address to listen on; others than this machine's own need MAINSPRING_TOKEN."
    ),
    port: int = typer.Option(8080, min=0, max=65535, help="Port to listen on; 0 takes any free one."),
    workers: int = typer.Option(None, min=1, help="Worker processes; by default one a processor, at most 8."),
    guard: bool = typer.Option(True, help="Watch releases and roll bad ones back while serving."),
) -> None:
    """Answer predictions over HTTP for every endpoint, until stopped."""
    from mainspring.base import logs
    from mainspring.serving.supervisor import serve as run

    logs.configure()
    run(context.workspace(), host=host, port=port, workers=workers, guard=guard)


def deploy(
    reference: str = typer.Argument(metavar="NAME@VERSION", help="The version to release."),
    override: str = typer.Option(None, help="Release it without a passing gate; say why, it is recorded."),
    reason: str = typer.Option("deployed by hand", help="Why, for the records."),
    immediate: bool = typer.Option(False, help="Make it champion at once, without shadow or canary."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Put a version behind its endpoint."""
    from mainspring.serving import releases
    from mainspring.versioning import registry

    workspace = context.workspace()
    found = registry.resolve(workspace, reference)
    made = releases.release(
        workspace, found.model, found.version, reason=reason, override=override, immediate=immediate
    )
    reached = _reached(workspace, made.endpoint)
    output.emit(_shown(made) | reached, json=json, show=lambda: f"{_next(workspace, made)}\n{_told(reached)}")


def rollback(
    name: str = typer.Argument(metavar="NAME", help="The endpoint."),
    to: str = typer.Option(None, help="Version to go back to; by default the champion before this one."),
    reason: str = typer.Option("rolled back by hand", help="Why, for the records."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Take back what was released last: cancel a canary, or return to the version before."""
    from mainspring.serving import releases

    workspace = context.workspace()
    taken = releases.rollback(workspace, name, reason=reason, to=to)
    reached = _reached(workspace, name)
    shown = _shown(taken) | reached
    said = f"{name}@{taken.version} was taken back; {reached['champion']} answers everything"
    output.emit(shown, json=json, show=lambda: f"{said}\n{_told(reached)}")


def undeploy(
    name: str = typer.Argument(metavar="NAME", help="The endpoint."),
    reason: str = typer.Option(..., help="Why, for the records."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """End an endpoint: nobody answers there, and its champion goes to the archive."""
    from mainspring.serving import releases

    workspace = context.workspace()
    ended = releases.undeploy(workspace, name, reason=reason)
    reached = _reached(workspace, name)
    versions = ", ".join(release.version for release in ended)
    said = f"{name} was undeployed ({versions}); `mainspring deploy {name}@VERSION` deploys it again"
    record = {"endpoint": name, "ended": [_shown(release) for release in ended]} | reached
    output.emit(record, json=json, show=lambda: f"{said}\n{_told(reached)}")


@releases_app.command("list")
def list_releases(
    endpoint: str = typer.Option(None, help="Only of this endpoint."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List releases, newest first."""
    from mainspring.serving import releases

    found = releases.list_releases(context.workspace(), endpoint)
    output.emit([_shown(release) for release in found], json=json, show=lambda: _listed(found))


def _listed(found: list[Release]) -> Any:
    from mainspring.base.clock import iso

    columns = ("endpoint", "version", "state", "started", "actor", "reason")
    rows = [(r.endpoint, r.version, r.state, iso(r.started_at)[:19], r.actor, _why(r)) for r in found]
    drawn = output.table(columns, rows)
    for column in drawn.columns[:4]:
        column.no_wrap = True
    for column in drawn.columns:
        column.overflow = "fold"
    return drawn


def _why(release: Release) -> str:
    ended = release.evidence.get("ended") or release.evidence.get("phases", [{}])[-1].get("undecided")
    return f"{release.reason}; {ended['reason']}" if ended else release.reason


def _shown(release: Release) -> dict[str, Any]:
    import msgspec

    from mainspring.base.clock import iso

    shown: dict[str, Any] = msgspec.to_builtins(release)
    return shown | {name: iso(shown[name]) for name in ("started_at", "updated_at")}


def _reached(workspace: Workspace, endpoint: str) -> dict[str, Any]:
    """Wait for the workers that run now, and say how many use the routes."""
    from mainspring.serving import releases, servers

    table = releases.current(workspace, endpoint)
    if table is None:
        return {"generation": None, "champion": None, "workers": 0, "reached": 0}
    there, everybody = servers.wait_for(workspace, endpoint, table.generation)
    champion = table.route("champion")
    return {
        "generation": table.generation,
        "champion": champion.version if champion else None,
        "workers": everybody,
        "reached": there,
    }


def _told(reached: dict[str, Any]) -> str:
    if not reached["workers"]:
        return "no server runs here now; the next `mainspring serve` uses these routes"
    return f"{reached['reached']} of {reached['workers']} workers use them"


def _next(workspace: Workspace, release: Release) -> str:
    reference = f"{release.endpoint}@{release.version}"
    settings = workspace.settings.release
    if release.state == "shadow" and settings.shadow is not None:
        return (
            f"{reference} is shadow: it answers copies, unseen. After {settings.shadow.min_predictions} predictions "
            f"without too many errors it goes on; see `mainspring releases list`"
        )
    if release.state == "canary" and settings.canary is not None:
        labels = (
            f", {settings.canary.min_labels} labels and these show it no worse" if settings.canary.min_labels else ""
        )
        return (
            f"{reference} is canary: it answers {settings.canary.share:.0%} of the requests. After "
            f"{settings.canary.min_predictions} predictions{labels} it is promoted, unless "
            f"errors, latency or labels show it worse, then it is rolled back; see `mainspring releases list`"
        )
    return f"{reference} is in production: it answers every request"
