"""The lineage as OpenLineage run events (https://openlineage.io), one JSON document a line."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.clock import iso
from mainspring.base.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.lineage.graph import Graph, Node

_PRODUCER = "urn:mainspring"
_SPEC = "https://openlineage.io/spec/"
_EVENT = f"{_SPEC}2-0-2/OpenLineage.json#/$defs/RunEvent"
_JOB_EVENT = f"{_SPEC}2-0-2/OpenLineage.json#/$defs/JobEvent"
_FACETS = {
    "parent": "facets/1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet",
    "errorMessage": "facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
    "sourceCodeLocation": "facets/1-1-0/SourceCodeLocationJobFacet.json#/$defs/SourceCodeLocationJobFacet",
    "jobType": "facets/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
    "version": "facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet",
    "datasetType": "facets/1-0-1/DatasetTypeDatasetFacet.json#/$defs/DatasetTypeDatasetFacet",
}
_RUN_ENDS = {"finished": "COMPLETE", "deleted": "COMPLETE", "failed": "FAIL", "killed": "ABORT"}
_RELEASES_ON_THEIR_WAY = ("shadow", "canary")


def export(workspace: Workspace, graph: Graph, target: Path) -> int:
    """Write runs, their steps and releases of a graph as events, the oldest first; return how many events they are."""
    found = sorted(events(graph, namespace=f"mainspring:{workspace.settings.project}"), key=_moment)
    write_atomic(target, b"".join(msgspec.json.encode(event) + b"\n" for event in found))
    return len(found)


def events(graph: Graph, *, namespace: str) -> Iterator[dict[str, Any]]:
    """Return a START event of every run, step and release, and the event of its end where it ended; of a stage a job event.

    A run is a run of the job of its experiment, its steps are jobs below it, and a release is a run of the job
    ``deploy.ENDPOINT``. Versions of datasets and models are datasets with a version facet; ``NAME`` of a model is
    ``models/NAME``, an endpoint is ``endpoints/NAME``.
    """
    for node in graph.nodes.values():
        if node.kind == "run" and node.facts:
            yield from _run(graph, node, namespace)
        elif node.kind == "stage":
            yield _stage(graph, node, namespace)
        elif node.kind == "step" and node.facts:
            yield from _step(graph, node, namespace)
        elif node.kind == "release" and node.facts:
            yield from _release(graph, node, namespace)


def _run(graph: Graph, node: Node, namespace: str) -> Iterator[dict[str, Any]]:
    facts = node.facts
    run_facets = {} if not facts["error"] else _error(facts["error"])
    if parent := facts["parent"]:
        run_facets |= _parent(parent, facts["experiment"], namespace)
    job_facets = _kind_of_job("RUN")
    if facts["commit"] and facts["remote"]:
        place = {"type": "git", "url": facts["remote"], "repoUrl": facts["remote"], "version": facts["commit"]}
        job_facets |= _facet("sourceCodeLocation", **place, **({"branch": facts["branch"]} if facts["branch"] else {}))
    read = [graph.nodes[edge.before] for edge in graph.before.get(node.id, ()) if edge.how == "read by"]
    made = [graph.nodes[edge.after] for edge in graph.after.get(node.id, ()) if edge.how == "made"]
    job = {"namespace": namespace, "name": facts["experiment"], "facets": job_facets}
    ended = _RUN_ENDS.get(node.state or "") if facts["ended_at"] else None
    yield from _events(facts["id"], job, run_facets, node.at, facts["ended_at"], ended, read, made, namespace)


def _stage(graph: Graph, node: Node, namespace: str) -> dict[str, Any]:
    """Return what is known of a job without a run of it: ``dvc.lock`` does not say when it ran."""
    read = [graph.nodes[edge.before] for edge in graph.before.get(node.id, ())]
    made = [graph.nodes[edge.after] for edge in graph.after.get(node.id, ())]
    return {
        "eventTime": iso(node.at or 0),
        "job": {"namespace": namespace, "name": node.facts["name"], "facets": _kind_of_job("STAGE")},
        "inputs": [_dataset(item, namespace) for item in read],
        "outputs": [_dataset(item, namespace) for item in made],
        "producer": _PRODUCER,
        "schemaURL": _JOB_EVENT,
    }


def _step(graph: Graph, node: Node, namespace: str) -> Iterator[dict[str, Any]]:
    run = graph.nodes.get(f"run:{node.facts['run']}")
    above = run.facts["experiment"] if run is not None and run.facts else "run"
    run_facets = _parent(node.facts["run"], above, namespace)
    if node.facts["error"]:
        run_facets |= _error(node.facts["error"])
    job = {"namespace": namespace, "name": f"{above}.{node.facts['name']}", "facets": _kind_of_job("TASK")}
    identifier = uuid.uuid5(uuid.NAMESPACE_URL, f"{_PRODUCER}:{node.id}").hex
    end = (node.at or 0) + round(node.facts["seconds"] * 1000)
    kind = "FAIL" if node.facts["error"] else "COMPLETE"
    yield from _events(identifier, job, run_facets, node.at, end, kind, [], [], namespace)


def _release(graph: Graph, node: Node, namespace: str) -> Iterator[dict[str, Any]]:
    before = [graph.nodes[edge.before] for edge in graph.before.get(node.id, ())]
    after = [graph.nodes[edge.after] for edge in graph.after.get(node.id, ())]
    job = {"namespace": namespace, "name": f"deploy.{node.facts['endpoint']}", "facets": _kind_of_job("RELEASE")}
    ended = "ABORT" if node.state == "rolled_back" else "COMPLETE"
    done = None if node.state in _RELEASES_ON_THEIR_WAY else ended
    yield from _events(node.facts["id"], job, {}, node.at, node.facts["updated_at"], done, before, after, namespace)


def _events(
    identifier: str,
    job: dict[str, Any],
    run_facets: dict[str, Any],
    started_at: int | None,
    ended_at: int | None,
    ended: str | None,
    read: list[Node],
    made: list[Node],
    namespace: str,
) -> Iterator[dict[str, Any]]:
    shared = {
        "run": {"runId": str(uuid.UUID(identifier)), "facets": run_facets},
        "job": job,
        "inputs": [_dataset(node, namespace) for node in read],
        "producer": _PRODUCER,
        "schemaURL": _EVENT,
    }
    yield {"eventType": "START", "eventTime": iso(started_at or 0), **shared, "outputs": []}
    if ended is not None and ended_at is not None:
        outputs = [_dataset(node, namespace) for node in made]
        yield {"eventType": ended, "eventTime": iso(max(ended_at, started_at or 0)), **shared, "outputs": outputs}


def _dataset(node: Node, namespace: str) -> dict[str, Any]:
    facts = node.facts
    if node.kind == "dataset":
        name, version, kind = facts["dataset"], facts["md5"], "FILE"
    elif node.kind == "model":
        name, version, kind = f"models/{facts.get('model', node.label)}", facts.get("version", ""), "MODEL"
    elif node.kind == "endpoint":
        name, version, kind = (
            f"endpoints/{facts.get('endpoint', node.label)}",
            str(facts.get("generation", "")),
            "ENDPOINT",
        )
    else:
        name, version, kind = f"logged-models/{facts.get('id', node.label)}", "", "MODEL"
    facets = _facet("datasetType", datasetType=kind)
    if version:
        facets |= _facet("version", datasetVersion=version)
    return {"namespace": namespace, "name": name, "facets": facets}


def _parent(identifier: str, job: str, namespace: str) -> dict[str, Any]:
    try:
        run = str(uuid.UUID(identifier))
    except ValueError:  # a tag may say anything
        return {}
    return _facet("parent", run={"runId": run}, job={"namespace": namespace, "name": job})


def _error(message: str) -> dict[str, Any]:
    return _facet("errorMessage", message=message, programmingLanguage="Python")


def _kind_of_job(kind: str) -> dict[str, Any]:
    return _facet("jobType", processingType="BATCH", integration="MAINSPRING", jobType=kind)


def _facet(name: str, **fields: Any) -> dict[str, Any]:
    return {name: {"_producer": _PRODUCER, "_schemaURL": _SPEC + _FACETS[name], **fields}}


def _moment(event: dict[str, Any]) -> tuple[str, bool]:
    return event["eventTime"], event.get("eventType") != "START"
