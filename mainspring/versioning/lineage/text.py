"""The lineage as lines of text: one tree upwards and one downwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.base.clock import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mainspring.versioning.lineage.graph import Graph, Node

MOST_ALIKE = 12
"""Leaves of one kind that are written out below one node; of the others only the number is told."""


def tree(graph: Graph, *, up: bool = True, down: bool = True) -> str:
    """Return what the roots came from and what came of them; a node that is there already is named and not repeated."""
    lines: list[str] = []
    for root in graph.roots:
        lines.append(line(graph.nodes[root]))
        ways: list[tuple[str, bool, Callable[[str], list[str]]]] = [
            ("came from", up, lambda name: [edge.before for edge in graph.before.get(name, ())]),
            ("led to", down, lambda name: [edge.after for edge in graph.after.get(name, ())]),
        ]
        shown = [way for way in ways if way[1]]
        for number, (title, _, following) in enumerate(shown):
            last = number == len(shown) - 1
            lines.append(f"{'└' if last else '├'}─ {title}{'' if following(root) else ' nothing that is recorded'}")
            seen = {root}
            lines += _branches(graph, root, following, "   " if last else "│  ", seen)
    if not graph.is_whole:
        lines.append("… the way goes on from there: --json tells all of it")
    return "\n".join(lines)


def line(node: Node) -> str:
    """Return a node in one line."""
    said = [node.state] if node.state else []
    if node.kind == "step" and node.facts.get("made_by"):
        said = [f"remembered from run {', '.join(run[:12] for run in node.facts['made_by'][:3])}"]
    elif node.kind == "step" and node.facts:
        said.append(f"{node.facts['seconds']:.3g} s")
    if node.kind == "dataset" and node.facts.get("versions"):
        said.append(node.facts["md5"][:12])
        if len(node.facts["versions"]) > 1:
            said.append(f"also version {', '.join(map(str, node.facts['versions'][:-1]))}")
    if node.kind in ("run", "import") and node.facts.get("commit"):
        said.append(f"commit {node.facts['commit'][:8]}{' + changes' if node.facts['dirty'] else ''}")
    if node.kind in ("model", "release", "run") and node.at is not None:
        said.append(iso(node.at)[:16] + "Z")
    told = ", ".join(said)
    label = " ".join(node.label.split())
    return f"{node.kind} {label}  ({told})" if told else f"{node.kind} {label}"


def _branches(
    graph: Graph, name: str, following: Callable[[str], list[str]], indent: str, seen: set[str]
) -> Iterator[str]:
    children = sorted((graph.nodes[other] for other in following(name)), key=_order)
    rows = list(_folded(children, following))
    for number, row in enumerate(rows):
        last = number == len(rows) - 1
        branch, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
        if isinstance(row, str):
            yield f"{indent}{branch}{row}"
            continue
        again = row.id in seen and bool(following(row.id))
        yield f"{indent}{branch}{line(row)}{'  …as above' if again else ''}"
        if not again:
            seen.add(row.id)
            yield from _branches(graph, row.id, following, indent + below, seen)


def _folded(children: list[Node], following: Callable[[str], list[str]]) -> Iterator[Node | str]:
    """Name what leads on, and of each kind some of what does not."""
    ends: dict[str, list[Node]] = {}
    for child in children:
        if following(child.id):
            yield child
        else:
            ends.setdefault(child.kind, []).append(child)
    for kind, alike in ends.items():
        yield from alike[:MOST_ALIKE]
        if len(alike) > MOST_ALIKE:
            yield f"… and {len(alike) - MOST_ALIKE} more {kind}s that lead no further"


def _order(node: Node) -> tuple[str, int, int, str]:
    return node.kind, node.facts.get("position", 0), -(node.at or 0), node.id
