"""All that is known of a model version, in one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.clock import iso
from mainspring.base.errors import NotFound
from mainspring.versioning import snapshot
from mainspring.versioning.artifact import MANIFEST, Manifest
from mainspring.versioning.catalogue import get_version
from mainspring.versioning.materials import is_packed, stored_signature
from mainspring.versioning.records import versions as version_rows
from mainspring.versioning.records.search import VERSION_TAG
from mainspring.versioning.registry import resolve, versions
from mainspring.versioning.trees import list_files

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.registry import ModelVersion
    from mainspring.versioning.snapshot import Snapshot


def describe(workspace: Workspace, reference: str) -> dict[str, Any]:
    """Return a version with its labels, metrics, signature, run, snapshot, commit, data and addresses; the model is not
    loaded.

    ``data`` names with each dataset version the one before it, and ``parent`` is the model's version before this one.
    Without files of ours there are no ``signature``, ``format`` and ``versions``.

    Raises:
        NotFound: no such version, or its objects are gone.
        Corrupted: its objects are damaged.
    """
    found = resolve(workspace, reference)
    entry = get_version(workspace, found.model, found.version)
    taken = _snapshot(workspace, found.run_id)
    makers = version_rows.select_makers(workspace.database, found.model, found.version)
    about = {
        "model": found.model,
        "version": found.version,
        "number": found.number,
        "stage": found.stage,
        "description": found.description,
        "aliases": entry.aliases,
        "tags": {key: value for key, value in entry.tags.items() if key != VERSION_TAG},
        "created_at": iso(found.created_at),
        "actor": found.actor,
        "source": found.source,
        "run_id": found.run_id,
        "logged_model_id": found.logged_model_id,
        "parent": _parent(workspace, found),
        "also_made_by": [run for run in makers if run != found.run_id],
        "snapshot_id": taken.id if taken else None,
        "commit": taken.code["commit"] if taken else None,
        "dirty": taken.code["dirty"] if taken else None,
        "remote": taken.code["remote"] if taken else None,
        "data": [{"parent": item["number"] - 1 or None} | item for item in taken.data] if taken else [],
        "metrics": found.metrics,
        "signature": None,
        "artifact": found.artifact or None,
        "evidence": found.evidence,
        "format": None,
        "versions": {},
        "files": {file.path: file.md5 for file in list_files(workspace, found)},
    }
    if not is_packed(workspace, found.artifact):
        return about
    manifest = _manifest(workspace, found.artifact)
    return about | {
        "signature": msgspec.to_builtins(stored_signature(workspace, found.artifact)),
        "format": manifest.format,
        "versions": manifest.versions,
        "files": manifest.files,
    }


def _parent(workspace: Workspace, found: ModelVersion) -> str | None:
    before = [held for held in versions(workspace, found.model) if held.number < found.number]
    return max(before, key=lambda held: held.number).version if before else None


def _snapshot(workspace: Workspace, run_id: str | None) -> Snapshot | None:
    if run_id is None:
        return None
    try:
        return snapshot.load(workspace, run_id)
    except NotFound:
        return None


def _manifest(workspace: Workspace, artifact: str) -> Manifest:
    for entry in workspace.objects.listing(artifact):
        if entry.relpath == MANIFEST:
            return msgspec.json.decode(workspace.objects.read_bytes(entry.md5), type=Manifest)
    raise NotFound(f"the artifact {artifact} has no manifest", artifact=artifact)
