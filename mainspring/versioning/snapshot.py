"""The five-part fingerprint of a run: code, data, environment, randomness, configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.base.clock import now
from mainspring.base.errors import NotFound, UsageError
from mainspring.base.hashing import md5_bytes
from mainspring.base.ids import new_id
from mainspring.versioning import code, config, environment
from mainspring.versioning.patches import changed_files
from mainspring.versioning.records import snapshots as snapshot_rows
from mainspring.versioning.records.rows import as_struct
from mainspring.versioning.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mainspring.base.randomness import Randomness
    from mainspring.store.objects import Objects
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.known import DatasetVersion

Part = Literal["code", "data", "environment", "randomness", "config"]
PARTS: tuple[Part, ...] = ("code", "data", "environment", "randomness", "config")
_IN_FILES = frozenset({"diff", "untracked", "exact", "links", "executables", "large", "repositories"})
"""What is recorded of code that is told file by file."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be the same for a run to come out the same."""

    id: str
    created_at: int
    code: dict[str, Any]
    data: list[dict[str, Any]]
    environment: dict[str, Any]
    randomness: dict[str, Any]
    config: dict[str, Any]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in which two snapshots differ; None where one does not have it."""

    part: Part
    name: str
    before: Any
    after: Any


def take(
    workspace: Workspace,
    *,
    datasets: Iterable[DatasetVersion] = (),
    randomness: Randomness | None = None,
    parameters: Mapping[str, Any] | None = None,
    argv: Sequence[str] | None = None,
) -> Snapshot:
    """Record what a run depends on, and return it. What it points at is stored first.

    Raises:
        ExternalToolError: git is missing, or failed.
    """
    snapshot = Snapshot(
        id=new_id(),
        created_at=now(),
        code=code.capture(workspace),
        data=[_named(found) for found in datasets],
        environment=_environment(workspace),
        randomness=msgspec.json.decode(msgspec.json.encode(randomness)) if randomness is not None else {},
        config=config.capture(workspace, parameters, argv),
    )
    snapshot_rows.insert_snapshot(workspace.database, msgspec.structs.asdict(snapshot))
    return snapshot


def _named(found: DatasetVersion) -> dict[str, Any]:
    named: dict[str, Any] = {"dataset": found.dataset, "number": found.number, "md5": found.md5, "path": found.path}
    if found.table_id is None:
        return named
    return named | {"table": {"uri": found.path, "id": found.table_id, "version": found.table_version}}


def _environment(workspace: Workspace) -> dict[str, Any]:
    """Return what the environment is, with its lock file stored: its hashes restore what was installed."""
    found = environment.capture(workspace.root)
    if lock := found["lock"]:
        lock["md5"] = workspace.objects.put_bytes((workspace.root / lock["path"]).read_bytes())
    return found


def load(workspace: Workspace, reference: str) -> Snapshot:
    """Return a snapshot by its id or a run's (a unique beginning is enough), or by ``model@version``.

    Raises:
        NotFound: there is none, or the run has none.
        UsageError: several begin like that.
    """
    if "@" in reference:
        version = resolve(workspace, reference)
        if version.run_id is None:
            raise NotFound(f"{reference} was registered outside of a run: it has no snapshot", reference=reference)
        reference = version.run_id
    rows = snapshot_rows.select_snapshots(workspace.database, reference) if reference else []
    if not rows:
        rows = snapshot_rows.select_run_snapshots(workspace.database, reference) if reference else []
    if len(rows) > 1:
        raise UsageError(f"several snapshots begin with '{reference}'", hint="give more of the id", reference=reference)
    if not rows:
        raise NotFound(
            f"no snapshot, and no run with one, begins with '{reference}'",
            hint="see `mainspring runs list`",
            reference=reference,
        )
    return as_struct(rows[0], Snapshot)


def diff(before: Snapshot, after: Snapshot, objects: Objects | None = None) -> list[Difference]:
    """Return everything in which two snapshots differ, part by part.

    With the store at hand, changes that were not committed, and files that git did not hold, are named one by one.
    """
    found: list[Difference] = []
    for part in PARTS:
        old, new = (_flat(part, getattr(one, part), objects) for one in (before, after))
        found += [
            Difference(part=part, name=name, before=old.get(name), after=new.get(name))
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ]
    return found


def _flat(part: Part, value: Any, objects: Objects | None) -> dict[str, Any]:
    if part == "code" and objects is not None:
        value = _code(value, objects)
    if part == "data":
        return {item["dataset"]: _shown(item) for item in value}
    flat: dict[str, Any] = {}
    _flatten(value, "", flat)
    return flat


def _shown(item: dict[str, Any]) -> str:
    content = f"table version {item['table']['version']}" if item.get("table") else item["md5"][:8]
    return f"version {item['number']} ({content})"


def _code(recorded: dict[str, Any], objects: Objects, below: str = "") -> dict[str, Any]:
    """Return what is recorded of code, with what was beside the commit file by file, and what its content begins to hash to."""
    found: dict[str, Any] = {f"{below}{name}": item for name, item in recorded.items() if name not in _IN_FILES}
    if address := recorded.get("diff"):
        for path, change in changed_files(objects.read_bytes(address)).items():
            found[f"changed {below}{path}"] = f"changed ({md5_bytes(change)[:8]})"
    for kind, name in (("untracked", "new file"), ("exact", "as on disk")):
        for entry in objects.listing(recorded[kind]) if recorded.get(kind) else ():
            found[f"{name} {below}{entry.relpath}"] = f"there ({entry.md5[:8]})"
    for item in recorded.get("large") or ():
        found[f"large file {below}{item['path']}"] = f"there ({item['md5'][:8]})"
    for name, target in (recorded.get("links") or {}).items():
        found[f"link {below}{name}"] = f"to {target}"
    for name in recorded.get("executables") or ():
        found[f"executable {below}{name}"] = "yes"
    for path, inner in (recorded.get("repositories") or {}).items():
        found |= _code(inner, objects, f"{below}{path}/")
    return found


def _flatten(value: Any, name: str, into: dict[str, Any]) -> None:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            _flatten(item, f"{name}.{key}" if name else str(key), into)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            _flatten(item, f"{name}[{index}]", into)
    else:
        into[name] = value
