"""What is known of the nodes, read once for all nodes of a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.base import owner
from mainspring.versioning.lineage.graph import Key, Node
from mainspring.versioning.records import lineage as rows
from mainspring.versioning.records.versions import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import Connection

NOT_HERE = "not here"
"""State of a content that no version of a dataset has here."""
GONE = "gone"
"""State of what is named somewhere and is not in the records any more."""
_SHORT = 12


def describe(connection: Connection, keys: Iterable[Key]) -> dict[str, Node]:
    """Return the nodes of keys by their ids; of what is gone a node says so."""
    held = sorted(keys)
    found: dict[str, Node] = {}
    for kind, reader in _READERS.items():
        mine = [key for key in held if key.kind == kind]
        if mine:
            found |= {node.id: node for node in reader(connection, mine)}
    for key in held:
        if str(key) not in found:
            label = f"{key.name}@{key.which}" if key.which else key.name
            found[str(key)] = Node(id=str(key), kind=key.kind, label=label, state=GONE)
    return found


def _datasets(connection: Connection, keys: Sequence[Key]) -> Iterator[Node]:
    for name in sorted({key.name for key in keys}):
        md5s = [key.which for key in keys if key.name == name]
        held: dict[str, list[Any]] = {}
        for row in rows.dataset_contents(connection, name, md5s):
            held.setdefault(row.md5, []).append(row)
        unknown = [md5 for md5 in md5s if md5 not in held]
        told = {row.md5: row for row in rows.described_sources(connection, name, unknown)}
        for md5 in md5s:
            if found := held.get(md5):
                numbers = [row.number for row in found]
                facts = {"dataset": name, "md5": md5, "versions": numbers, "path": found[-1].path}
                label = f"{name}@{numbers[-1]}"
                yield Node(
                    id=str(Key("dataset", name, md5)), kind="dataset", label=label, at=found[0].created_at, facts=facts
                )
            else:
                said = told.get(md5)
                source = {"path": said.path, "source_type": said.source_type} if said is not None else {}
                facts = {"dataset": name, "md5": md5, "versions": [], **source}
                state = "elsewhere" if source.get("source_type") else NOT_HERE
                label = f"{name} ({md5[:_SHORT]})"
                yield Node(id=str(Key("dataset", name, md5)), kind="dataset", label=label, state=state, facts=facts)


def _runs(connection: Connection, keys: Sequence[Key]) -> Iterator[Node]:
    found = rows.runs_by_id(connection, [key.name for key in keys])
    told: dict[str, dict[str, str]] = {}
    for tag in rows.run_tags(connection, [row.id for row in found], (rows.PARENT_TAG, owner.TAG)):
        told.setdefault(tag.run_id, {})[tag.key] = tag.value
    taken = [row.snapshot_id for row in found if row.snapshot_id is not None]
    code = {row.id: row.code for row in rows.snapshots_by_id(connection, taken)}
    for row in found:
        tags, recorded = told.get(row.id, {}), code.get(row.snapshot_id, {})
        facts = {
            "id": row.id,
            "name": row.name,
            "experiment": row.experiment,
            "parent": tags.get(rows.PARENT_TAG),
            "actor": row.actor,
            "ended_at": row.ended_at,
            "execution_id": row.execution_id,
            "snapshot_id": row.snapshot_id,
            "error": row.error,
            **{name: recorded.get(name) for name in ("commit", "dirty", "remote", "branch")},
        }
        lost = row.status == "running" and owner.is_gone(tags.get(owner.TAG))
        state = row.lifecycle if row.lifecycle != "active" else "lost" if lost else row.status
        label = f"{row.name} ({row.id[:_SHORT]})"
        yield Node(id=str(Key("run", row.id)), kind="run", label=label, state=state, at=row.started_at, facts=facts)


def _steps(connection: Connection, keys: Sequence[Key]) -> Iterator[Node]:
    wanted = set(keys)
    held: dict[Key, list[Any]] = {}
    for row in rows.steps_of_runs(connection, sorted({key.name for key in keys})):
        key = Key("step", row.run_id, row.name)
        if key in wanted:
            held.setdefault(key, []).append(row)
    for key, calls in held.items():
        remembered = [row for row in calls if row.status == "cached"]
        others = {row.maker for row in remembered if row.maker is not None} - {key.name}
        facts = {
            "run": key.name,
            "name": key.which,
            "position": calls[0].position,
            "calls": len(calls),
            "remembered": len(remembered),
            "made_by": sorted(others),
            "seconds": round(sum(row.seconds for row in calls), 3),
            "error": next((row.error for row in calls if row.error), None),
        }
        statuses = {row.status for row in calls}
        state = statuses.pop() if len(statuses) == 1 else "mixed"
        label = f"{key.which} ×{len(calls)}" if len(calls) > 1 else key.which
        yield Node(id=str(key), kind="step", label=label, state=state, at=calls[0].started_at, facts=facts)


def _logged(connection: Connection, keys: Sequence[Key]) -> Iterator[Node]:
    for row in rows.logged_by_id(connection, [key.name for key in keys]):
        facts = {"id": row.id, "name": row.name, "type": row.type, "run": row.run_id}
        state = "deleted" if row.deleted_at is not None else row.status.lower()
        label = f"{row.name} ({row.id})"
        key = Key("logged model", row.id)
        yield Node(id=str(key), kind="logged model", label=label, state=state, at=row.created_at, facts=facts)


def _models(connection: Connection, keys: Sequence[Key]) -> Iterator[Node]:
    for row in rows.versions_of(connection, [(key.name, key.which) for key in keys]):
        facts = {
            "model": row.model,
            "version": row.version,
            "number": row.number,
            "artifact": row.artifact or None,
            "actor": row.actor,
            "source": row.source,
        }
        key = Key("model", row.model, row.version)
        label = f"{row.model}@{row.version}"
        yield Node(id=str(key), kind="model", label=label, state=row.stage, at=row.created_at, facts=facts)


def imported(connection: Connection, models: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    """Return the first transitions of those of the versions that came from elsewhere."""
    wanted = set(models)
    return {
        (row.model, row.version): row
        for row in rows.first_transitions(connection, [model for model, _ in models])
        if (row.model, row.version) in wanted and isinstance(row.evidence, dict) and IMPORTED in row.evidence
    }


def data_of(evidence: Any) -> list[Key]:
    """Return the dataset versions that a version's history from elsewhere names."""
    facts = evidence.get(IMPORTED) if isinstance(evidence, dict) else None
    data = facts.get("data") if isinstance(facts, dict) else None
    return [Key("dataset", item["dataset"], item["md5"]) for item in data or ()]


def _imports(connection: Connection, keys: Sequence[Key]) -> Iterator[Node]:
    for (model, version), row in imported(connection, [(key.name, key.which) for key in keys]).items():
        facts = row.evidence[IMPORTED]
        key = Key("import", model, version)
        label = f"project {facts['project']}" + (f", run {str(facts['run'])[:_SHORT]}" if facts["run"] else "")
        yield Node(id=str(key), kind="import", label=label, at=row.at, facts=facts)


def _releases(connection: Connection, keys: Sequence[Key]) -> Iterator[Node]:
    wanted = {key.which for key in keys}
    for row in rows.releases_of(connection, [key.name for key in keys]):
        if row.id in wanted:
            names = ("id", "endpoint", "version", "previous", "actor", "reason", "override", "updated_at")
            facts = {name: getattr(row, name) for name in names}
            key = Key("release", row.endpoint, row.id)
            label = f"{row.endpoint}@{row.version} ({row.id[:_SHORT]})"
            yield Node(id=str(key), kind="release", label=label, state=row.state, at=row.started_at, facts=facts)


def _endpoints(connection: Connection, keys: Sequence[Key]) -> Iterator[Node]:
    for name, row in rows.routes_of(connection, [key.name for key in keys]).items():
        routes = [{part: route.get(part) for part in ("version", "role", "weight")} for route in row.routes["routes"]]
        facts = {"endpoint": name, "generation": row.generation, "routes": routes, "reason": row.reason}
        state = ", ".join(f"{route['role']} {route['version']}" for route in routes) or "serves nothing"
        label = name
        yield Node(id=str(Key("endpoint", name)), kind="endpoint", label=label, state=state, at=row.at, facts=facts)


_READERS: dict[str, Callable[[Connection, Sequence[Key]], Iterator[Node]]] = {
    "dataset": _datasets,
    "run": _runs,
    "step": _steps,
    "logged model": _logged,
    "model": _models,
    "import": _imports,
    "release": _releases,
    "endpoint": _endpoints,
}
