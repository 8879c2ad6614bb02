"""Putting versions into the registry: bytes first, then the row that points at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from mainspring.base.clock import now
from mainspring.base.errors import Conflict
from mainspring.base.ids import new_id
from mainspring.store.objects import walk
from mainspring.versioning import records
from mainspring.versioning.artifact import pack
from mainspring.versioning.evaluation import holdout_metrics
from mainspring.versioning.evidence import write_evidence
from mainspring.versioning.materials import policy
from mainspring.versioning.registry import ModelVersion, resolve
from mainspring.versioning.scratch import scratch
from mainspring.versioning.semver import Bump, Version, check_name, parse_version
from mainspring.versioning.signature import Signature

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.candidate import Candidate


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What a new version consists of, stored already."""

    artifact: str
    evidence: str | None
    signature: Signature
    metrics: dict[str, Any]


class Registered(NamedTuple):
    """A version that stands for what was registered; ``existing`` says that it did before."""

    version: ModelVersion
    existing: bool


def register(
    workspace: Workspace,
    name: str,
    candidate: Candidate,
    *,
    run_id: str | None = None,
    version: str | None = None,
    bump: Bump | None = None,
    profile: bytes | None = None,
    actor: str | None = None,
    reason: str = "registered",
) -> ModelVersion:
    """Store a candidate and record it as a model's next version, in development.

    The first is 1.0.0; then the minor number grows, the major one when inputs or target changed; or as ``bump`` or
    ``version`` say. A candidate whose bytes (model, signature, profile, training and holdout rows) a version has already is
    that version, whichever run made it: the version is returned and nothing is written. Archived versions do not count, for
    their way has ended, and ``bump`` or another ``version`` ask for a new number. When it returns, everything is durable; on
    failure no row was written.

    Raises:
        Refused: storing the model needs trust that the settings do not give.
        InvalidData: model and tables do not fit together.
        Conflict: ``version`` is taken.
    """
    check_name(name)
    if version is not None:
        parse_version(version)
    trust_pickle, trusted_types = policy(workspace)
    with scratch(workspace) as folder:
        artifact = pack(
            candidate,
            folder / "artifact",
            trust_pickle=trust_pickle,
            trusted_types=trusted_types,
            profile=profile,
            code_root=workspace.root,
        )
        scores = write_evidence(candidate, artifact, folder / "evidence")
        truth = artifact.signature.encode(candidate.holdout.get_column(candidate.target))
        prepared = Prepared(
            artifact=workspace.objects.put_folder(walk(folder / "artifact")).md5,
            evidence=workspace.objects.put_folder(walk(folder / "evidence")).md5,
            signature=artifact.signature,
            metrics={**holdout_metrics(artifact.signature, scores, truth), **candidate.metrics},
        )
    return record(
        workspace,
        name,
        prepared,
        run_id=run_id,
        version=version,
        bump=bump,
        actor=actor or workspace.actor,
        reason=reason,
    ).version


def record(
    workspace: Workspace,
    name: str,
    prepared: Prepared,
    *,
    run_id: str | None,
    version: str | None,
    bump: Bump | None,
    actor: str,
    reason: str,
) -> Registered:
    """Write the row of a version whose objects are stored, unless there is one that it equals.

    Whoever races, every version gets a number of its own, and the same bytes get one.
    """
    while True:
        newest = records.select_version(workspace.database, name)
        alike = twins(workspace, name, prepared.artifact, prepared.evidence)
        same = next((held for held in alike if _stands_for(held, run_id, version, bump)), None)
        if same is not None:
            return Registered(same, existing=True)
        number = parse_version(version) if version else _next(workspace, newest, prepared.signature, bump)
        row = {
            "id": new_id(),
            "model": name,
            "version": str(number),
            **number._asdict(),
            "stage": "development",
            "run_id": run_id,
            "artifact": prepared.artifact,
            "evidence": prepared.evidence,
            "metrics": prepared.metrics,
            "created_at": now(),
            "actor": actor,
        }
        seen = None if newest is None else newest.id
        told = f"{reason}; the bytes are those of {alike[0].version} ({alike[0].stage})" if alike else reason
        try:
            written = records.insert_version(workspace.database, row, newest=seen, reason=told)
        except Conflict:
            if any(held.version == str(number) for held in twins(workspace, name, row["artifact"], row["evidence"])):
                continue  # who was quicker registered the same
            raise
        if written:
            return Registered(resolve(workspace, f"{name}@{number}"), existing=False)


def twins(workspace: Workspace, name: str, artifact: str, evidence: str | None) -> list[ModelVersion]:
    """Return the versions of a model with these bytes, the newest first."""
    rows = records.select_versions(workspace.database, name, artifact=artifact, evidence=evidence)
    return [records.as_struct(row, ModelVersion) for row in reversed(rows)]


def _stands_for(held: ModelVersion, run_id: str | None, version: str | None, bump: Bump | None) -> bool:
    """Say whether a version of the same bytes is the one that registering them again means."""
    if version is not None:
        return held.version == str(parse_version(version))
    if run_id is not None and held.run_id == run_id:
        return True
    return bump is None and held.stage != "archived"


def _next(workspace: Workspace, newest: Any, signature: Signature, bump: Bump | None) -> Version:
    if newest is None:
        return Version(1, 0, 0)
    present = Version(newest.major, newest.minor, newest.patch)
    if bump is None:
        before = stored_signature(workspace, newest.artifact)
        bump = "minor" if interface(before) == interface(signature) else "major"
    return present.next(bump)


def stored_signature(workspace: Workspace, artifact: str) -> Signature:
    """Return the signature of a stored artifact without loading its model."""
    for entry in workspace.objects.listing(artifact):
        if entry.relpath == "signature.json":
            return msgspec.json.decode(workspace.objects.read_bytes(entry.md5), type=Signature)
    raise AssertionError("every artifact that was packed has a signature")


def interface(signature: Signature) -> Any:
    """Return what callers of a model depend on: names and types of the inputs in order, and the target."""
    return [(column.name, column.dtype) for column in signature.inputs], signature.target
