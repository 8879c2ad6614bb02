"""The registry: models, their versions, and the stages that these go through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.base.errors import NotFound, UsageError, did_you_mean
from mainspring.versioning.records import models as model_rows
from mainspring.versioning.records import versions as version_rows
from mainspring.versioning.records.rows import as_struct
from mainspring.versioning.semver import parse_version

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mainspring.store.workspace import Workspace

Stage = Literal["development", "staging", "production", "archived"]
STAGES: tuple[Stage, ...] = ("development", "staging", "production", "archived")
_REACHED_FROM: dict[str, frozenset[str]] = {
    "development": frozenset({"staging", "archived"}),
    "staging": frozenset({"development", "production", "archived"}),
    "production": frozenset({"development", "staging", "archived"}),
    "archived": frozenset({"development", "staging", "production"}),
}


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a model; only its stage and its description ever change.

    ``number`` counts the versions of the model from 1, as MLflow's clients know them. ``artifact`` is empty where nothing
    is stored here: the bytes are at ``source``, if anywhere.
    """

    id: str
    model: str
    version: str
    number: int
    stage: Stage
    run_id: str | None
    artifact: str
    evidence: str | None
    metrics: dict[str, Any]
    created_at: int
    actor: str
    updated_at: int | None = None
    description: str | None = None
    source: str | None = None
    logged_model_id: str | None = None
    run_link: str | None = None

    @property
    def reference(self) -> str:
        """``name@version``."""
        return f"{self.model}@{self.version}"


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a version's stage; the last one of a version that was removed leads to ``deleted``."""

    id: str
    model: str
    version: str
    from_stage: Stage | None
    to_stage: Stage | Literal["deleted"]
    at: int
    actor: str
    reason: str
    evidence: Any = None


def versions(workspace: Workspace, name: str | None = None) -> list[ModelVersion]:
    """Return all versions of a model, or of all models, by name and oldest first."""
    return [as_struct(row, ModelVersion) for row in version_rows.select_versions(workspace.database, name)]


def names(workspace: Workspace) -> list[str]:
    """Return the names of all models."""
    return model_rows.select_names(workspace.database)


def champion(workspace: Workspace, name: str) -> ModelVersion | None:
    """Return the version in production, if there is one."""
    row = version_rows.select_version(workspace.database, name, stage="production")
    return None if row is None else as_struct(row, ModelVersion)


def resolve(workspace: Workspace, reference: str) -> ModelVersion:
    """Return the version that a reference names: ``name@1.2.0``, its number ``name@3``, ``name@production``, an alias
    ``name@best``, or ``name`` for the newest.

    Raises:
        NotFound: there is none; the hint names what is near.
    """
    name, at, wanted = reference.partition("@")
    row = version_rows.select_version(workspace.database, name, **_conditions(wanted)) if at else None
    if not at:
        row = version_rows.select_version(workspace.database, name)
    elif row is None and wanted not in STAGES:
        with workspace.database.read() as connection:
            named = model_rows.aliased(connection, name, wanted)
            row = None if named is None else version_rows.find(connection, name, version=named)
    if row is not None:
        return as_struct(row, ModelVersion)
    raise _not_found(workspace, name, wanted)


def _conditions(wanted: str) -> dict[str, object]:
    if wanted in STAGES:
        return {"stage": wanted}
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 10:
        return {"number": int(wanted)}
    return {"version": wanted.removeprefix("v")}


def _not_found(workspace: Workspace, name: str, wanted: str) -> NotFound:
    known = model_rows.select_names(workspace.database)
    if name not in known:
        hint = did_you_mean(name, known) or (
            f"known models: {', '.join(known[:10])}" if known else "none is registered"
        )
        return NotFound(f"there is no model '{name}'", hint=hint, model=name)
    held = [version.version for version in versions(workspace, name)]
    if not held:
        return NotFound(f"the model '{name}' has no version yet", hint="register one", model=name)
    if wanted in STAGES:
        hint = f"its versions: {', '.join(held[-10:])}"
        return NotFound(f"no version of '{name}' is in {wanted}", hint=hint, model=name, stage=wanted)
    hint = did_you_mean(wanted, [*held, *STAGES]) or f"its versions: {', '.join(held[-10:])}"
    return NotFound(f"'{name}' has no version '{wanted}'", hint=hint, model=name, version=wanted)


def history(workspace: Workspace, name: str) -> list[Transition]:
    """Return every change of stage of a model's versions, oldest first.

    Raises:
        NotFound: there is no such model.
    """
    rows = version_rows.select_transitions(workspace.database, name)
    if not rows:
        resolve(workspace, name)
    return [as_struct(row, Transition) for row in rows]


def history_of(workspace: Workspace, version: ModelVersion) -> list[Transition]:
    """Return the changes of stage of one version; the first tells why it has the number that it has."""
    return [item for item in history(workspace, version.model) if item.version == version.version]


def transition(
    workspace: Workspace,
    name: str,
    version: str,
    to_stage: str,
    *,
    reason: str,
    actor: str | None = None,
    evidence: Any = None,
    demote_to: str = "archived",
    alone: bool = False,
) -> None:
    """Move a version to a stage and record it; whoever is in production leaves it in the same transaction.

    With ``alone``, others leave any stage that the version comes to. Whoever races, at every moment at most one version
    of a model is in production, and the history says so.

    Raises:
        NotFound: there is no such version.
        UsageError: there is no such stage, or no reason.
        Conflict: it is there already, or cannot go there from where it is.
    """
    for stage in (to_stage, demote_to):
        if stage not in STAGES:
            hint = did_you_mean(stage, STAGES) or f"stages: {', '.join(STAGES)}"
            raise UsageError(f"there is no stage '{stage}'", hint=hint, stage=stage)
    if demote_to == "production":
        raise UsageError("the version that leaves production cannot stay there", hint="name another stage")
    if not reason.strip():
        raise UsageError("a change of stage needs a reason", hint='say why: --reason "…"')
    found = resolve(workspace, f"{name}@{parse_version(version)}")
    who = actor or workspace.actor
    with workspace.database.write() as connection:
        move(
            connection,
            name,
            found.version,
            to_stage,
            reason=reason,
            actor=who,
            evidence=evidence,
            demote_to=demote_to,
            alone=alone,
        )


def move(
    connection: Connection,
    name: str,
    version: str,
    to_stage: str,
    *,
    reason: str,
    actor: str,
    evidence: Any = None,
    demote_to: str = "archived",
    alone: bool = False,
) -> None:
    """Do what ``transition`` does, of what was checked already, inside the caller's transaction.

    Raises:
        Conflict: as ``transition``, or the version was deleted meanwhile.
    """
    version_rows.move(
        connection,
        name,
        version,
        to_stage,
        actor=actor,
        reason=reason,
        evidence=msgspec.to_builtins(evidence),
        demote_to=demote_to,
        alone=alone,
        allowed=_REACHED_FROM[to_stage],
    )


def stages(connection: Connection, name: str) -> dict[str, str]:
    """Return the stage of every version of a model, inside the caller's transaction."""
    return version_rows.stages(connection, name)
