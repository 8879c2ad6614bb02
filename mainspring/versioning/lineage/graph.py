"""Nodes, edges, and what lies before and after a node."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["dataset", "stage", "step", "run", "logged model", "model", "import", "release", "endpoint"]
KINDS: tuple[Kind, ...] = ("dataset", "stage", "step", "run", "logged model", "model", "import", "release", "endpoint")


class Key(NamedTuple):
    """What a node is: its kind, its name, and which one of that name (a content, a version, a name of a step)."""

    kind: Kind
    name: str
    which: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}{'@' if self.which else ''}{self.which}"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that has a history. ``state`` is one word on how it stands; ``facts`` depend on the kind."""

    id: str
    kind: Kind
    label: str
    state: str | None = None
    at: int | None = None
    facts: dict[str, Any] = {}


class Edge(msgspec.Struct, frozen=True, order=True):
    """``after`` came from ``before``; ``how`` says by what: read, step of, made, deployed as, serves."""

    before: str
    after: str
    how: str


class Graph(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The part of the lineage that was asked for; ``roots`` are the nodes that were asked about.

    One that is not ``is_whole`` ends at some distance from them, though the way goes on.
    """

    roots: list[str]
    nodes: dict[str, Node]
    edges: list[Edge]
    is_whole: bool = True

    @cached_property
    def before(self) -> dict[str, list[Edge]]:
        """The edges that lead to a node."""
        return _grouped((edge.after, edge) for edge in self.edges)

    @cached_property
    def after(self) -> dict[str, list[Edge]]:
        """The edges that lead away from a node."""
        return _grouped((edge.before, edge) for edge in self.edges)

    def of(self, kind: str) -> list[Node]:
        """Return the nodes of a kind, the oldest first."""
        found = [node for node in self.nodes.values() if node.kind == kind]
        return sorted(found, key=lambda node: (node.at or 0, node.id))


def _grouped(pairs: Iterable[tuple[str, Edge]]) -> dict[str, list[Edge]]:
    found: dict[str, list[Edge]] = {}
    for name, edge in pairs:
        found.setdefault(name, []).append(edge)
    return found
