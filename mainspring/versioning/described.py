"""All that is known of a model version, in one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.clock import iso
from mainspring.base.errors import NotFound
from mainspring.versioning import records, snapshot
from mainspring.versioning.artifact import MANIFEST, Manifest
from mainspring.versioning.registration import stored_signature
from mainspring.versioning.registry import resolve

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.snapshot import Snapshot


def describe(workspace: Workspace, reference: str) -> dict[str, Any]:
    """Return a version with its metrics, signature, run, snapshot, commit, data and addresses; the model is not loaded.

    Raises:
        NotFound: no such version, or its objects are gone.
        Corrupted: its objects are damaged.
    """
    found = resolve(workspace, reference)
    taken = _snapshot(workspace, found.run_id)
    manifest = _manifest(workspace, found.artifact)
    makers = records.select_makers(workspace.database, found.model, found.version)
    return {
        "model": found.model,
        "version": found.version,
        "stage": found.stage,
        "created_at": iso(found.created_at),
        "actor": found.actor,
        "run_id": found.run_id,
        "also_made_by": [run for run in makers if run != found.run_id],
        "snapshot_id": taken.id if taken else None,
        "commit": taken.code["commit"] if taken else None,
        "dirty": taken.code["dirty"] if taken else None,
        "data": taken.data if taken else [],
        "metrics": found.metrics,
        "signature": msgspec.to_builtins(stored_signature(workspace, found.artifact)),
        "artifact": found.artifact,
        "evidence": found.evidence,
        "format": manifest.format,
        "versions": manifest.versions,
        "files": manifest.files,
    }


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
