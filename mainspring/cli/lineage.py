"""The command of lineage: what came from what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mainspring.cli import context, output

if TYPE_CHECKING:
    from mainspring.versioning.lineage import Node

_SHOWN_STEPS = 40
"""What people look at ends so far from what they asked about; everything else is told whole."""
_KINDS = ("dataset", "stage", "run", "model", "release", "endpoint")


def register(app: typer.Typer) -> None:
    """Add the command of lineage."""
    app.command("lineage")(lineage)


def lineage(
    asset: str = typer.Argument(
        help="A dataset NAME, NAME@VERSION or NAME@MD5, a path of data, a run's id, a model NAME@VERSION, an endpoint."
    ),
    up: bool = typer.Option(False, "--up", help="Only what it came from."),
    down: bool = typer.Option(False, "--down", help="Only what came of it."),
    only: str | None = typer.Option(
        None, "--only", help="List what is found of one kind: dataset, stage, run, model, release, endpoint."
    ),
    svg: Path | None = typer.Option(None, "--svg", metavar="FILE", help="Draw it into a file."),
    openlineage: Path | None = typer.Option(
        None, "--openlineage", metavar="FILE", help="Write the runs as OpenLineage events, one a line."
    ),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Follow an asset up to what it came from, and down to what came of it; both ways unless one is named."""
    from mainspring.base.errors import UsageError
    from mainspring.versioning.lineage import find, walk

    if only is not None and only not in _KINDS:
        raise UsageError(f"'{only}' is no kind of asset", hint=f"one of {', '.join(_KINDS)}")
    workspace = context.workspace()
    ways = {"up": up or not down, "down": down or not up}
    roots = find(workspace, asset)
    wrote = [file for file in (svg, openlineage) if file is not None]
    if svg is not None:
        from mainspring.versioning.lineage.picture import draw

        draw(walk(workspace, roots, **ways, steps=_SHOWN_STEPS), svg, title=asset)
    is_looked_at = not (json or only or openlineage)
    graph = walk(workspace, roots, **ways, steps=_SHOWN_STEPS if is_looked_at else None)
    if openlineage is not None:
        from mainspring.versioning.lineage.openlineage import export

        export(workspace, graph, openlineage)
    if wrote:
        output.console(stderr=True).print(f"wrote {', '.join(map(str, wrote))}", markup=False)
    if only is not None:
        found = [node for node in graph.of(only) if node.id not in graph.roots]
        output.emit(found, json=json, show=lambda: _table(found, only))
    elif json:
        output.print_json(graph)
    elif not wrote:
        from rich.text import Text

        from mainspring.versioning.lineage.text import tree

        output.console().print(Text(tree(graph, **ways)), soft_wrap=True)


def _table(found: list[Node], kind: str) -> Any:
    from mainspring.base.clock import iso

    if not found:
        return f"no {kind} is found"
    return output.table(
        (kind, "state", "since"), [(node.label, node.state, iso(node.at) if node.at else None) for node in found]
    )
