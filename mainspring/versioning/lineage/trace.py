"""A model version with where it comes from and where it went: what is known of it, and the graph around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.base.clock import iso
from mainspring.versioning.described import describe
from mainspring.versioning.lineage.graph import Graph, Key
from mainspring.versioning.lineage.walk import walk

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace


_AROUND = 4
"""Edges from a version to what is told of it: its run and that run's data, its releases and their endpoint."""


def trace(workspace: Workspace, reference: str) -> dict[str, Any]:
    """Return what ``describe`` tells of a version, with its run and its deployments, newest first.

    Raises:
        NotFound, Corrupted: as ``describe``.
    """
    about = describe(workspace, reference)
    key = Key("model", about["model"], about["version"])
    graph = walk(workspace, [key], steps=_AROUND)
    return about | {"run": _run(graph, about["run_id"]), "deployments": _deployments(graph, about["version"])}


def _run(graph: Graph, run_id: str | None) -> dict[str, Any] | None:
    node = graph.nodes.get(str(Key("run", run_id or "")))
    if node is None or not node.facts:
        return None
    read = [graph.nodes[edge.before] for edge in graph.before.get(node.id, ()) if edge.how == "read by"]
    facts = {name: node.facts[name] for name in ("id", "name", "experiment", "parent")}
    inputs = [{name: item.facts[name] for name in ("dataset", "md5")} for item in read if item.kind == "dataset"]
    return facts | {"status": node.state, "inputs": inputs}


def _deployments(graph: Graph, version: str) -> list[dict[str, Any]]:
    roles = {route["version"]: route["role"] for endpoint in graph.of("endpoint") for route in endpoint.facts["routes"]}
    return [
        {
            "endpoint": release.facts["endpoint"],
            "state": release.state,
            "at": iso(release.at or 0),
            "actor": release.facts["actor"],
            "reason": release.facts["reason"],
            "role": roles.get(version) if release.id in graph.after else None,
        }
        for release in reversed(graph.of("release"))
    ]
