"""Continuous training: from an event to a version that is judged and, if it may, released; the whole story on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.automation import events, records
from mainspring.automation.events import Event
from mainspring.automation.execute import DataRefused, Execution, execute, get_execution
from mainspring.automation.sources import code_digest
from mainspring.base.errors import Conflict, MainspringError
from mainspring.base.ids import new_id
from mainspring.serving import releases
from mainspring.testing import gate as gates
from mainspring.versioning import models
from mainspring.versioning.registration import twins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.serving.releases import Release
    from mainspring.store.workspace import Workspace
    from mainspring.testing.gate import Gate
    from mainspring.versioning.models import ModelVersion


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What an event came to: its execution, the gate of the version it made, and the release of it."""

    event: Event
    execution: Execution | None = None
    gate: Gate | None = None
    release: Release | None = None


def deliver(workspace: Workspace, event: Event, *, progress: bool = True) -> Delivery:
    """Execute the pipeline for an event, judge what it makes, and release it where gate and settings allow.

    Never raises what a person has to repair: it becomes the event's status (failed, blocked) and reason. An event whose
    execution had finished before a crash goes on from there.
    """
    with workspace.database.write() as connection:
        if not records.claim_event(connection, event.id):
            return Delivery(event=events.get(workspace, event.id))
    event = msgspec.structs.replace(event, payload=event.payload | {"code": code_digest(workspace)})
    try:
        execution = _finished(workspace, event) or execute(workspace, event_id=event.id, progress=progress)
    except DataRefused as error:
        return Delivery(event=_concluded(workspace, event, "blocked", f"goes to a person: {error.message}"))
    except Conflict as error:
        return Delivery(event=events.conclude(workspace, event, "pending", f"waits: {error.message}"))
    except MainspringError as error:
        return Delivery(event=_concluded(workspace, event, "failed", error.message))
    event = events.conclude(workspace, event, "running", None, execution_id=execution.id)
    try:
        return judge_and_release(workspace, event, execution)
    except MainspringError as error:
        failed = events.conclude(workspace, event, "failed", f"{_reference(execution)}: {error.message}")
        return Delivery(event=failed, execution=execution)


def run_manually(
    workspace: Workspace,
    *,
    entrypoint: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    cache: bool = True,
    release: bool = False,
    progress: bool = True,
) -> Delivery:
    """Execute a pipeline because somebody asked; with ``release``, judge and release what it makes.

    Raises:
        MainspringError: as ``execute``, ``judge`` and ``release``; the event says so too.
    """
    payload = {"entrypoint": entrypoint, "actor": workspace.actor}
    if release:
        payload["code"] = code_digest(workspace)
    event = events.emit(workspace, "manual", "manual", f"manual:{new_id()}", payload, status="running")
    assert event is not None
    try:
        execution = execute(
            workspace,
            entrypoint=entrypoint,
            parameters=parameters,
            event_id=event.id,
            cache=cache,
            progress=progress,
        )
        if release:
            return judge_and_release(workspace, event, execution)
    except BaseException as error:
        told = error.message if isinstance(error, MainspringError) else "interrupted"
        _concluded(workspace, event, "blocked" if isinstance(error, DataRefused) else "failed", told)
        raise
    made = "ran"
    if execution.model_version:
        made = f"made {_reference(execution)}{' once more, to the byte' if execution.existing else ''}"
    done = events.conclude(workspace, event, "done", f"{made}; asked by hand", execution_id=execution.id)
    return Delivery(event=done, execution=execution)


def judge_and_release(workspace: Workspace, event: Event, execution: Execution) -> Delivery:
    """Judge the version that an execution made and, if the gate passes, release it as the settings say."""
    if execution.model is None or execution.model_version is None:
        done = events.conclude(
            workspace,
            event,
            "done",
            "the pipeline made no candidate",
            execution_id=execution.id,
            outcome="no candidate",
        )
        return Delivery(event=done, execution=execution)
    version = models.resolve(workspace, _reference(execution))
    settled = _settled(workspace, event, version)
    if settled is not None:
        done = events.conclude(
            workspace,
            event,
            "done",
            _because(event, settled),
            execution_id=execution.id,
            outcome="unchanged",
            model=version.model,
            version=version.version,
        )
        return Delivery(event=done, execution=execution)
    gate = gates.judge(workspace, version)
    release, outcome, reason = _decide(workspace, event, version, gate)
    story = {
        "outcome": outcome,
        "model": version.model,
        "version": version.version,
        "gate": {"id": gate.id, "outcome": gate.outcome, "champion": gate.champion},
        "release": None if release is None else {"id": release.id, "state": release.state},
    }
    done = events.conclude(workspace, event, "done", _because(event, reason), execution_id=execution.id, **story)
    return Delivery(event=done, execution=execution, gate=gate, release=release)


def _decide(workspace: Workspace, event: Event, version: ModelVersion, gate: Gate) -> tuple[Release | None, str, str]:
    """Release a version that passed its gate, or let it wait, as the settings say; return what came of it, and why.

    An endpoint that was ended comes back only when a person asks.
    """
    against = f" against {gate.champion}" if gate.champion else ""
    if gate.outcome != "pass":
        said = f"{version.version} not released: gate {gate.outcome}{against}: {why(gate)}"
        return None, "not released", said
    table = releases.current(workspace, version.model)
    taken_down = event.kind != "manual" and table is not None and not table.routes
    if workspace.settings.release.automatic and not taken_down:
        told = f"gate passed{against}; {_cause(event)}"
        release = releases.release(workspace, version.model, version.version, reason=told)
        return release, "released", f"{version.version} passed its gate{against}: {release.state}"
    if version.stage == "development":
        models.transition(
            workspace,
            version.model,
            version.version,
            "staging",
            reason=f"gate passed{against}",
            evidence={"gate": gate.id},
        )
    said = f"{version.version} passed its gate{against}, waits in staging for `mainspring deploy {version.reference}`"
    return None, "waits", f"{said}: the endpoint was undeployed, a person deploys again" if taken_down else said


def _settled(workspace: Workspace, event: Event, version: ModelVersion) -> str | None:
    """Say why a candidate is not judged: it is the version in production, or one to the byte was taken back before.

    What was taken back is released again only when a person asks.
    """
    if version.stage == "production":
        return f"{version.version} is in production already, and the pipeline made the same, to the byte"
    if event.kind == "manual":
        return None
    alike = {held.version for held in twins(workspace, version.model, version.artifact, version.evidence)}
    latest: dict[str, Release] = {}
    for release in releases.list_releases(workspace, version.model):
        latest.setdefault(release.version, release)
    taken_back = [name for name in alike if name in latest and latest[name].state == "rolled_back"]
    if not taken_back:
        return None
    return (
        f"{version.version} is {taken_back[0]} to the byte, which was rolled back: goes to a person, who may say "
        f"`mainspring deploy {version.reference}`"
    )


def why(gate: Gate) -> str:
    """Return which required verdicts stand in the way, each with the number of rows that would decide it."""
    parts = []
    for verdict in gate.verdicts:
        if verdict.required and verdict.status in ("fail", "inconclusive"):
            needs = f", needs n≈{verdict.n_needed:,}" if verdict.n_needed else ""
            n = f" (n={verdict.n:,}{needs})" if verdict.n else needs
            parts.append(f"{verdict.check} {verdict.status}{n}")
    return "; ".join(parts) or gate.reason


def _finished(workspace: Workspace, event: Event) -> Execution | None:
    with workspace.database.read() as connection:
        found = records.finished_execution_of(connection, event.id)
    return None if found is None else get_execution(workspace, found)


def _concluded(workspace: Workspace, event: Event, status: str, reason: str) -> Event:
    """Record how an event ended whose execution did not finish, with the execution if there was one."""
    with workspace.database.read() as connection:
        execution = records.execution_of(connection, event.id)
    return events.conclude(workspace, event, status, reason, execution_id=execution)


def _reference(execution: Execution) -> str:
    return f"{execution.model}@{execution.model_version}"


def _cause(event: Event) -> str:
    said = event.payload.get("summary")
    return f"{event.kind} event of trigger '{event.trigger}'" + (f": {said}" if said else "")


def _because(event: Event, reason: str) -> str:
    said = event.payload.get("because")
    return f"asked again ({said}): {reason}" if said else reason
