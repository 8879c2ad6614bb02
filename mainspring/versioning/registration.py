"""Putting versions into the registry: bytes first, then the row that points at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from mainspring.base.clock import now
from mainspring.base.errors import Conflict, UsageError
from mainspring.base.ids import new_id
from mainspring.store.objects import walk
from mainspring.versioning import webhooks
from mainspring.versioning.artifact import pack
from mainspring.versioning.bumps import Proposal, propose
from mainspring.versioning.evaluation import holdout_metrics
from mainspring.versioning.evidence import write_evidence
from mainspring.versioning.labels import checked_key, checked_text, no_model
from mainspring.versioning.materials import policy, stored_signature
from mainspring.versioning.records import models as model_rows
from mainspring.versioning.records import versions as version_rows
from mainspring.versioning.records.rows import as_struct
from mainspring.versioning.records.search import VERSION_TAG
from mainspring.versioning.registry import ModelVersion, resolve
from mainspring.versioning.scratch import scratch
from mainspring.versioning.semver import Bump, Version, check_name, parse_version
from mainspring.versioning.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from mainspring.store.listings import Entry
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.candidate import Candidate


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What a new version consists of, stored already."""

    artifact: str
    evidence: str | None
    signature: Signature
    metrics: dict[str, Any]


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A version that has its number from elsewhere; what it consists of is stored already.

    ``history`` is kept with its first stage: what is known of it from before it came here from ``source``.
    """

    model: str
    version: str
    artifact: str
    evidence: str | None
    metrics: dict[str, Any]
    source: str
    history: Any
    description: str | None = None


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

    The first is 1.0.0; then the number grows that ``propose`` names, or as ``bump`` or ``version`` say; the history keeps
    which and why. A candidate whose bytes (model, signature, profile, training and holdout rows) a version has already is
    that version, whichever run made it: the version is returned and nothing is written. Archived versions do not count, for
    their way has ended, and ``bump`` or another ``version`` ask for a new number. When it returns, everything is durable; on
    failure no row was written.

    Raises:
        Refused: storing the model needs trust that the settings do not give.
        InvalidData: model and tables do not fit together.
        Conflict: ``version`` is taken.
        UsageError: both ``version`` and ``bump`` are given.
    """
    check_number(name, version, bump)
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


def check_number(name: str, version: str | None, bump: Bump | None) -> None:
    """Look at what somebody asks for before anything is done.

    Raises:
        UsageError: that is no name or no version, or a version is asked for in two ways.
    """
    check_name(name)
    if version is not None:
        parse_version(version)
        if bump is not None:
            raise UsageError(
                f"a version of '{name}' was asked for by its number, {version}, and by a bump, {bump}",
                hint="leave one of them out",
            )


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
        newest, removed = version_rows.highest(workspace.database, name)
        alike = twins(workspace, name, prepared.artifact, prepared.evidence)
        same = next((held for held in alike if _stands_for(held, run_id, version, bump)), None)
        if same is not None:
            return Registered(same, existing=True)
        proposal = _proposal(workspace, newest, prepared.signature, run_id, bump)
        number = parse_version(version) if version else _next(newest, removed, proposal.bump)
        contents = {"run_id": run_id, "artifact": prepared.artifact, "evidence": prepared.evidence}
        row = new_row(name, number, actor) | contents | {"metrics": prepared.metrics}
        told = _alike(reason, alike)
        if newest is not None and version is None:
            told = f"{told}; {proposal.bump}: {proposal.because}"
        try:
            with workspace.database.write() as connection:
                written = _add(connection, row, newest=None if newest is None else newest.id, reason=told)
        except Conflict:
            if any(held.version == str(number) for held in twins(workspace, name, row["artifact"], row["evidence"])):
                continue  # who was quicker registered the same
            raise
        if written:
            return Registered(resolve(workspace, f"{name}@{number}"), existing=False)


def record_arrivals(workspace: Workspace, arrivals: Sequence[Arrival]) -> list[Registered]:
    """Write the rows of versions from elsewhere, in development: all of them in this order, or none.

    One whose bytes are here under its number is that version, and one of which only the number was here, as git's tag says it,
    gets its bytes.

    Raises:
        Conflict: a number is taken by other bytes, or was.
    """
    answers = []
    alike = [twins(workspace, arrival.model, arrival.artifact, arrival.evidence) for arrival in arrivals]
    with workspace.database.write() as connection:
        for arrival, others in zip(arrivals, alike, strict=True):
            number = parse_version(arrival.version)
            held = version_rows.find(connection, arrival.model, version=str(number))
            is_here = held is not None and held.artifact == arrival.artifact
            if not is_here:
                contents = {"artifact": arrival.artifact, "evidence": arrival.evidence, "metrics": arrival.metrics}
                told = {"source": arrival.source, "description": arrival.description}
                why = _alike(f"imported from {arrival.source}", others)
                if held is not None and not held.artifact:
                    version_rows.supply(connection, held, actor=workspace.actor, reason=why, **contents)
                else:
                    row = new_row(arrival.model, number, workspace.actor) | contents | told
                    newest = version_rows.find(connection, arrival.model)
                    _add(connection, row, newest=newest and newest.id, reason=why, history=arrival.history)
            answers.append((f"{arrival.model}@{number}", is_here))
    return [Registered(resolve(workspace, reference), existing=is_here) for reference, is_here in answers]


def renumber(workspace: Workspace, version: ModelVersion, bump: Bump, *, reason: str) -> ModelVersion:
    """Record a version's bytes as the next version that ``bump`` asks for, in development; the version itself stays.

    Raises:
        Conflict: somebody took the number meanwhile.
    """
    newest, removed = version_rows.highest(workspace.database, version.model)
    prepared = Prepared(
        artifact=version.artifact,
        evidence=version.evidence,
        signature=stored_signature(workspace, version.artifact),
        metrics=version.metrics,
    )
    return record(
        workspace,
        version.model,
        prepared,
        run_id=version.run_id,
        version=str(_next(newest, removed, bump)),
        bump=None,
        actor=workspace.actor,
        reason=f"{bump}, as was asked for: {reason}",
    ).version


def _add(connection: Connection, row: dict[str, Any], *, newest: str | None, reason: str, history: Any = None) -> bool:
    """Write a version and, if it is the first, its model; not if ``newest`` is not the id of the newest version any more."""
    at = row["created_at"]
    if model_rows.add(connection, {"name": row["model"], "created_at": at, "updated_at": at}):
        webhooks.announce_model(connection, row["model"])
    if version_rows.add(connection, row, newest=newest, reason=reason, evidence=history) is None:
        return False
    webhooks.announce_version(connection, row["id"])
    return True


def twins(workspace: Workspace, name: str, artifact: str, evidence: str | None) -> list[ModelVersion]:
    """Return the versions of a model with these bytes, the newest first."""
    rows = version_rows.select_versions(workspace.database, name, artifact=artifact, evidence=evidence)
    return [as_struct(row, ModelVersion) for row in reversed(rows)]


def _alike(reason: str, versions: list[ModelVersion]) -> str:
    return f"{reason}; the bytes are those of {versions[0].version} ({versions[0].stage})" if versions else reason


def _stands_for(held: ModelVersion, run_id: str | None, version: str | None, bump: Bump | None) -> bool:
    """Say whether a version of the same bytes is the one that registering them again means."""
    if version is not None:
        return held.version == str(parse_version(version))
    if run_id is not None and held.run_id == run_id:
        return True
    return bump is None and held.stage != "archived"


def record_files(
    workspace: Workspace,
    name: str,
    files: Iterable[Entry],
    *,
    source: str,
    size: int = 0,
    run_id: str | None = None,
    logged_model_id: str | None = None,
    run_link: str | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    actor: str | None = None,
    number: int | None = None,
    created_at: int | None = None,
    version: str | None = None,
) -> ModelVersion:
    """Record stored files as the next version of a model that is there, in development; the minor number grows, or it is
    ``version``.

    ``number`` and ``created_at`` are for a version that had them elsewhere; the number has to be higher than any before.

    The version holds the files from now on, whatever becomes of where they were. Without files nothing is stored: the
    version says only where its bytes are.

    Raises:
        NotFound: there is no such model.
        InvalidData: a tag or the description cannot be recorded.
    """
    given = {key: value for key, value in (tags or {}).items() if key != VERSION_TAG}  # a copy brings the original's
    labels = {checked_key(key): checked_text(key, value) for key, value in given.items()}
    entries = list(files)
    artifact = workspace.objects.put_listing(entries, size).md5 if entries else ""
    known = {"number": number, "created_at": created_at}
    while True:
        newest, removed = version_rows.highest(workspace.database, name)
        chosen = parse_version(version) if version else _next(newest, removed, "minor")
        row = new_row(name, chosen, actor or workspace.actor) | {
            "run_id": run_id,
            "artifact": artifact,
            "metrics": {},
            "source": source,
            "logged_model_id": logged_model_id,
            "run_link": run_link,
            "description": description,
        }
        row |= {key: value for key, value in known.items() if value is not None}
        with workspace.database.write() as connection:
            if version_rows.lock(connection, name) is None:
                raise no_model(name)
            seen = None if newest is None else newest.id
            told = f"registered from {source}"
            if version_rows.add(connection, row, newest=seen, reason=told) is not None:
                model_rows.put_version_tags(connection, name, str(chosen), labels)
                webhooks.announce_version(connection, row["id"])
                break
    return resolve(workspace, f"{name}@{chosen}")


def supply_files(workspace: Workspace, version: ModelVersion, files: Iterable[Entry], size: int) -> bool:
    """Give a version that holds nothing the files that it should have come with; say whether it held nothing."""
    artifact = workspace.objects.put_listing(list(files), size).md5
    with workspace.database.write() as connection:
        version_rows.lock(connection, version.model)
        held = version_rows.find(connection, version.model, id=version.id)
        if held is None or held.artifact:
            return False
        model_rows.change_version(connection, version.id, artifact=artifact)
        return True


def new_row(name: str, number: Version, actor: str) -> dict[str, Any]:
    """Return what every new version's row begins with."""
    return {
        "id": new_id(),
        "model": name,
        "version": str(number),
        **number._asdict(),
        "stage": "development",
        "created_at": now(),
        "actor": actor,
    }


def _next(newest: Any, removed: Sequence[str], bump: Bump) -> Version:
    """Return the version after the highest that there is or ever was."""
    held = [parse_version(text) for text in removed]
    if newest is not None:
        held.append(Version(newest.major, newest.minor, newest.patch))
    return max(held).next(bump) if held else Version(1, 0, 0)


def _proposal(
    workspace: Workspace, newest: Any, signature: Signature, run_id: str | None, bump: Bump | None
) -> Proposal:
    if bump is not None:
        return Proposal(bump=bump, because="as was asked for")
    if newest is None:
        return Proposal(bump="minor", because="it is the first")
    return propose(workspace, newest, signature, run_id)
