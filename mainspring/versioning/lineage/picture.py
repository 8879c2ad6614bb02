"""The lineage as a picture in SVG."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from mainspring.base.clock import iso
from mainspring.base.errors import UsageError
from mainspring.base.files import write_atomic
from mainspring.versioning.lineage.graph import KINDS
from mainspring.versioning.lineage.layout import place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.versioning.lineage.graph import Graph, Node
    from mainspring.versioning.lineage.layout import Place

_COLOURS = {
    "dataset": "#0072b2",
    "stage": "#4d6b00",
    "step": "#7f7f7f",
    "run": "#b35900",
    "logged model": "#a3568a",
    "model": "#007a59",
    "import": "#7f7f7f",
    "release": "#8a6d00",
    "endpoint": "#b3261e",
}
_WIDTH, _LINE, _GAP, _BETWEEN, _MARGIN = 236, 17, 18, 84, 24
_HEAD, _FOOT = 46, 10
_LETTERS = 34
"""Letters that fit into a box."""
_MOST_STEPS = 8
_MOST_ALIKE = 6
_MOST_OF_A_KIND = 24


class _Box(NamedTuple):
    kind: str
    title: str
    lines: list[str]
    root: bool
    full: str

    @property
    def height(self) -> float:
        return _HEAD + _LINE * len(self.lines) + (_FOOT if self.lines else 0)


def draw(graph: Graph, target: Path, *, title: str) -> None:
    """Write a graph as an SVG file. The same graph gives the same file.

    Raises:
        UsageError: the file's name ends in something else.
    """
    if target.suffix.lower() != ".svg":
        raise UsageError(f"'{target.name}' is no picture that can be drawn", hint="end its name in .svg")
    write_atomic(target, svg(graph, title=title).encode())


def svg(graph: Graph, *, title: str) -> str:
    """Return a graph as an SVG picture: what came first on the left, steps inside of their run.

    Of more than six neighbours of one kind that lead no further, and of more than 24 of a kind, a box tells the number.
    """
    boxes, edges = _boxes(graph)
    places = place({name: box.height for name, box in boxes.items()}, edges, gap=_GAP)
    columns = max((spot.column for spot in places.values()), default=0) + 1
    bottom = max((places[name].top + box.height for name, box in boxes.items()), default=0.0)
    width = 2 * _MARGIN + columns * _WIDTH + (columns - 1) * _BETWEEN
    height = bottom + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" width="{width}" '
        f'height="{height:.0f}" role="img" aria-label="lineage of {_short(title, 500)}" '
        'font-family="system-ui,sans-serif" font-size="12">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0.5L8 4L0 7.5z" fill="#8a8a8a"/></marker></defs>',
        f'<rect width="{width}" height="{height:.0f}" fill="#fff"/>',
    ]
    parts += [_edge(places, boxes, left, right) for left, right in edges]
    for name, box in boxes.items():
        parts += _drawn(box, *_corner(places[name]))
    if not graph.is_whole:
        said = "… the way goes on from the outermost: mainspring lineage --json tells all of it"
        parts.append(f'<text x="{_MARGIN}" y="{height - 8:.0f}" fill="#666">{said}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _boxes(graph: Graph) -> tuple[dict[str, _Box], list[tuple[str, str]]]:
    folded = _folded(graph)
    boxes: dict[str, _Box] = {}
    edges: dict[tuple[str, str], None] = {}
    for node in graph.nodes.values():
        if node.kind != "step" and node.id not in folded:
            lines = _lines(graph, node)
            boxes[node.id] = _Box(node.kind, node.label, lines, node.id in graph.roots, f"{node.kind} {node.label}")
    for edge in graph.edges:
        if edge.how == "step of":
            continue
        left, right = folded.get(edge.before, edge.before), folded.get(edge.after, edge.after)
        edges.setdefault((left, right))
    for name, count in Counter(folded.values()).items():
        kind = graph.nodes[next(node for node, group in folded.items() if group == name)].kind
        boxes[name] = _Box(kind, f"{count} more {kind}s", [], False, f"{count} more {kind}s")
    return boxes, list(edges)


def _folded(graph: Graph) -> dict[str, str]:
    """Return the common boxes of nodes that are too many: of one kind beside one neighbour and leading no further, or of one
    kind at all."""
    groups: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        joined = [*graph.before.get(node.id, ()), *graph.after.get(node.id, ())]
        joined = [edge for edge in joined if edge.how != "step of"]
        if len(joined) == 1 and node.id not in graph.roots and node.kind != "step":
            other = joined[0].after if joined[0].before == node.id else joined[0].before
            groups.setdefault(f"more {node.kind} of {other}", []).append(node.id)
    folded = {
        node: name
        for name, alike in groups.items()
        if len(alike) > _MOST_ALIKE
        for node in _newest(graph, alike)[_MOST_ALIKE - 1 :]
    }
    for kind in KINDS:
        shown = [node.id for node in graph.nodes.values() if node.kind == kind and node.id not in folded]
        shown = [name for name in shown if name not in graph.roots and kind != "step"]
        folded |= dict.fromkeys(_newest(graph, shown)[_MOST_OF_A_KIND:], f"more {kind}")
    return folded


def _newest(graph: Graph, names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: (-(graph.nodes[name].at or 0), name))


def _lines(graph: Graph, node: Node) -> list[str]:
    found = [node.state] if node.state else []
    if node.kind == "dataset" and node.facts.get("versions"):
        found.append(node.facts["md5"][:24])
    if node.kind == "run" and node.facts.get("commit"):
        found.append(f"commit {node.facts['commit'][:12]}{' + changes' if node.facts['dirty'] else ''}")
    if node.kind == "release" and node.facts.get("reason"):
        found.append(node.facts["reason"])
    if node.at is not None and node.kind != "endpoint":
        found.append(iso(node.at)[:16].replace("T", " ") + " UTC")
    steps = [graph.nodes[edge.before] for edge in graph.before.get(node.id, ()) if edge.how == "step of"]
    steps.sort(key=lambda step: step.facts.get("position", 0))
    found += [f"· {step.label}{_step(step)}" for step in steps[:_MOST_STEPS]]
    if len(steps) > _MOST_STEPS:
        found.append(f"· and {len(steps) - _MOST_STEPS} more steps")
    return found


def _step(step: Node) -> str:
    if step.facts.get("made_by"):
        return " (remembered)"
    return f"  {step.facts['seconds']:.2g} s" if step.state == "finished" else f"  {step.state}"


def _corner(spot: Place) -> tuple[float, float]:
    return _MARGIN + spot.column * (_WIDTH + _BETWEEN), _MARGIN + spot.top


def _edge(places: dict[str, Place], boxes: dict[str, _Box], left: str, right: str) -> str:
    x, y = _corner(places[left])
    to_x, to_y = _corner(places[right])
    x, y, to_y = x + _WIDTH, y + boxes[left].height / 2, to_y + boxes[right].height / 2
    bend = max(_BETWEEN / 2, (to_x - x) / 2)
    return (
        f'<path d="M{x:.0f} {y:.1f}C{x + bend:.0f} {y:.1f} {to_x - bend:.0f} {to_y:.1f} {to_x - 1:.0f} {to_y:.1f}" '
        'fill="none" stroke="#8a8a8a" stroke-width="1.3" marker-end="url(#tip)"/>'
    )


def _drawn(box: _Box, x: float, y: float) -> Iterator[str]:
    colour = _COLOURS[box.kind]
    thick = "2.4" if box.root else "1"
    yield f"<g><title>{_short(box.full, 500)}</title>"
    yield (
        f'<rect x="{x:.0f}" y="{y:.1f}" width="{_WIDTH}" height="{box.height:.0f}" rx="6" fill="{colour}" '
        f'fill-opacity="0.06" stroke="{colour}" stroke-width="{thick}"/>'
    )
    yield f'<rect x="{x:.0f}" y="{y:.1f}" width="5" height="{box.height:.0f}" rx="2" fill="{colour}"/>'
    yield f'<text x="{x + 16:.0f}" y="{y + 17:.1f}" font-size="10" letter-spacing="0.6" fill="{colour}">{box.kind}</text>'
    yield f'<text x="{x + 16:.0f}" y="{y + 35:.1f}" font-weight="600" fill="#222">{_short(box.title, _LETTERS - 8)}</text>'
    for number, line in enumerate(box.lines):
        top = y + _HEAD + 8 + _LINE * number
        yield f'<text x="{x + 16:.0f}" y="{top:.1f}" fill="#555" font-size="11.5">{_short(line, _LETTERS)}</text>'
    yield "</g>"


def _short(text: str, most: int) -> str:
    """Return text as XML can hold it: one line, without characters that cannot be printed."""
    text = "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))
    return escape(text if len(text) <= most else text[: most - 1] + "…")
