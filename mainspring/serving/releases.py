"""Releases: how a version that may serve comes to serve, and how it goes again.

A release goes shadow → canary → promoted as ``release`` in the settings says, or ends as rolled_back, superseded or, with
its endpoint, undeployed. Every change is one transaction that writes the release and a route table of a new generation;
files and stages follow, and are healed if something crashes in between. Whoever races, the outcome is that of some order
of the calls.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.clock import now
from mainspring.base.errors import MainspringError, NotFound, Refused, UsageError
from mainspring.base.ids import new_id
from mainspring.serving import records, routes, servers
from mainspring.serving.changes import champion as champion_of
from mainspring.serving.changes import champion_route, end, insert_table
from mainspring.serving.gating import check_gate
from mainspring.serving.publication import align, current, publish, reconcile, table_of
from mainspring.serving.records import Release
from mainspring.serving.routes import Role, Route
from mainspring.versioning import registry

if TYPE_CHECKING:
    from mainspring.serving.canary import Judgement
    from mainspring.serving.records import Transaction
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.registry import ModelVersion

__all__ = ["Release", "advance", "current", "list_releases", "reconcile", "release", "rollback", "undeploy"]

log = logging.getLogger(__name__)


def release(
    workspace: Workspace,
    name: str,
    version: str,
    *,
    reason: str,
    override: str | None = None,
    actor: str | None = None,
    immediate: bool = False,
) -> Release:
    """Put a version behind its endpoint, and return where the release stands.

    The first version of an endpoint becomes champion at once, and so does any with ``immediate``; others begin as shadow
    or canary as the settings say, and ``advance`` moves them on. A release already under way is superseded. Releasing
    what is being released, or is champion, changes nothing.

    Raises:
        Refused: no gate lets it, and no ``override`` says why it may all the same.
        NotFound, Corrupted, InvalidData: there is no such version, or it cannot be loaded; nothing was changed.
    """
    if override is not None and not override.strip():
        raise UsageError("an override needs a reason", hint='say why: --override "…"')
    found = registry.resolve(workspace, f"{name}@{version}")
    routes.path(workspace, name)
    with workspace.database.read() as connection:
        champion = champion_of(records.latest_routes(connection, name))
        if champion != found.version:
            check_gate(connection, name, found.version, champion, override)
    _check_loads(workspace, found)
    who = actor or workspace.actor
    with workspace.database.write() as connection:
        records.lock(connection, name)
        if found.version not in registry.stages(connection, name):
            raise NotFound(f"{found.reference} was deleted meanwhile", model=name, version=found.version)
        made = _begin(connection, workspace, found, reason=reason, override=override, actor=who, immediate=immediate)
    publish(workspace, name)
    align(workspace, name, actor=who, evidence=made.evidence)
    return made


def _begin(
    connection: Transaction,
    workspace: Workspace,
    found: ModelVersion,
    *,
    reason: str,
    override: str | None,
    actor: str,
    immediate: bool,
) -> Release:
    name, version = found.model, found.version
    row = records.latest_routes(connection, name)
    champion = champion_of(row)
    under_way = records.select_releases(connection, name, states=records.OPEN)
    same = [held for held in under_way if held.version == version]
    if same and not immediate:
        return same[0]
    others = [held for held in under_way if held.version != version]
    at = now()
    settled = records.select_releases(connection, name, version=version, states=("promoted",))
    if champion == version and settled:
        for other in others:
            _route(connection, workspace, end(connection, other, "superseded", f"{version} stays", at), row, "", reason)
        return settled[0]
    evidence = check_gate(connection, name, version, champion, override)
    for other in others:
        end(connection, other, "superseded", f"{version} is released instead", at)
    state = "promoted" if champion is None or immediate else _next_state(workspace, None)
    fresh = Release(
        id=same[0].id if same else new_id(),
        endpoint=name,
        version=version,
        previous=champion,
        state=state,
        started_at=same[0].started_at if same else at,
        updated_at=at,
        actor=actor,
        reason=reason,
        override=override,
        evidence=evidence | {"phases": [{"state": state, "at": at}]},
    )
    (records.update_release if same else records.insert_release)(connection, fresh)
    _route(connection, workspace, fresh, row, found.artifact, _told(fresh))
    return fresh


def advance(workspace: Workspace) -> list[Release]:
    """Look at every release under way, move it on or roll it back, and return those that changed.

    Also heals what a crash left behind. A release that cannot be judged does not keep the others from it; it is logged.
    """
    reconcile(workspace)
    with workspace.database.read() as connection:
        under_way = records.select_releases(connection, states=records.OPEN)
    moved = []
    for held in under_way:
        try:
            changed = _advance(workspace, held)
        except MainspringError as error:
            log.error("the release of %s@%s cannot be judged: %s", held.endpoint, held.version, error.message)
            continue
        if changed is not None:
            moved.append(changed)
    return moved


def _advance(workspace: Workspace, held: Release) -> Release | None:
    judgement = _judge(workspace, held)
    if judgement.decision == "wait":
        return _note_undecided(workspace, held, judgement) if judgement.undecided else None
    with workspace.database.write() as connection:
        records.lock(connection, held.endpoint)
        now_held = records.select_releases(connection, held.endpoint, version=held.version, states=(held.state,))
        row = records.latest_routes(connection, held.endpoint)
        if not now_held or now_held[0].id != held.id or row is None:
            return None
        if judgement.decision == "roll back":
            changed = end(connection, held, "rolled_back", judgement.reason, now(), judgement=judgement)
        else:
            changed = _step(connection, workspace, held, judgement)
        artifact = (
            next((route.artifact for route in table_of(row).routes if route.version == held.version), None)
            or registry.resolve(workspace, f"{held.endpoint}@{held.version}").artifact
        )
        _route(connection, workspace, changed, row, artifact, f"{_told(changed)}: {judgement.reason}")
    publish(workspace, held.endpoint)
    align(workspace, held.endpoint, evidence=changed.evidence)
    log.warning("%s@%s: %s (%s)", held.endpoint, held.version, changed.state, judgement.reason)
    return changed


def _note_undecided(workspace: Workspace, held: Release, judgement: Judgement) -> Release | None:
    """Record, once a phase, that patience ran out without an answer; the release goes on."""
    *before, phase = held.evidence["phases"]
    if "undecided" in phase:
        return None
    phases = [*before, phase | {"undecided": msgspec.to_builtins(judgement)}]
    changed = msgspec.structs.replace(held, updated_at=now(), evidence=held.evidence | {"phases": phases})
    with workspace.database.write() as connection:
        records.lock(connection, held.endpoint)
        if not any(
            row.id == held.id for row in records.select_releases(connection, held.endpoint, states=(held.state,))
        ):
            return None
        records.update_release(connection, changed)
    log.warning("%s@%s: %s (%s)", held.endpoint, held.version, held.state, judgement.reason)
    return changed


def _check_loads(workspace: Workspace, version: ModelVersion) -> None:
    from mainspring.versioning.materials import load  # late: only who releases needs what loads models

    load(workspace, version)


def _judge(workspace: Workspace, held: Release) -> Judgement:
    from mainspring.serving import canary  # late: only a release under way needs what judges it

    table = current(workspace, held.endpoint)
    settings = workspace.settings.release
    since = held.evidence["phases"][-1]["at"]
    if table is None or (champion := table.route("champion")) is None:
        return canary.Judgement(decision="wait", reason="there are no routes", predictions=0, labels=0, harms=[])
    broken = servers.problems(workspace, held.endpoint, table.generation)
    if broken:
        reason = f"a worker cannot load it: {broken[0]}"
        return canary.Judgement(decision="roll back", reason=reason, predictions=0, labels=0, harms=[])
    if held.state == "shadow":
        if settings.shadow is None:
            reason = "shadowing is off in the settings"
            return canary.Judgement(decision="promote", reason=reason, predictions=0, labels=0, harms=[])
        return canary.judge_shadow(workspace, held.endpoint, settings.shadow, shadow=held.version, since=since)
    if settings.canary is None:
        reason = "canaries are off in the settings"
        return canary.Judgement(decision="promote", reason=reason, predictions=0, labels=0, harms=[])
    return canary.judge_canary(
        workspace, held.endpoint, settings.canary, canary=held.version, champion=champion.version, since=since
    )


def _next_state(workspace: Workspace, state: str | None) -> str:
    settings = workspace.settings.release
    if state is None and settings.shadow is not None:
        return "shadow"
    if state in (None, "shadow") and settings.canary is not None:
        return "canary"
    return "promoted"


def _step(connection: Transaction, workspace: Workspace, held: Release, judgement: Judgement) -> Release:
    at = now()
    state = _next_state(workspace, held.state)
    *before, phase = held.evidence["phases"]
    finished = phase | {"until": at, "judgement": msgspec.to_builtins(judgement)}
    evidence = held.evidence | {"phases": [*before, finished, {"state": state, "at": at}]}
    changed = msgspec.structs.replace(held, state=state, updated_at=at, evidence=evidence)
    records.update_release(connection, changed)
    return changed


def rollback(
    workspace: Workspace, name: str, *, reason: str, to: str | None = None, actor: str | None = None
) -> Release:
    """Take back what was released last, and return the release that was taken back.

    A release under way (shadow, canary) is cancelled: the champion answers everything again. Otherwise the version that
    was champion before returns; with ``to``, that one, whatever is under way.

    Raises:
        Refused: there is nothing to go back to, or ``to`` was never in production.
    """
    if not reason.strip():
        raise UsageError("a rollback needs a reason", hint='say why: --reason "…"')
    who = actor or workspace.actor
    registry.resolve(workspace, name)
    target = None if to is None else registry.resolve(workspace, f"{name}@{to}")
    if target is not None and not _was_champion(workspace, target):
        hint = f"release it with `mainspring deploy {target.reference}`"
        raise Refused(f"{target.reference} was never in production, so there is no going back to it", hint=hint)
    with workspace.database.write() as connection:
        records.lock(connection, name)
        taken = _take_back(connection, workspace, name, target, reason=reason, actor=who)
    publish(workspace, name)
    align(workspace, name, actor=who, evidence={"rollback": reason})
    return taken


def _was_champion(workspace: Workspace, version: ModelVersion) -> bool:
    moves = registry.history(workspace, version.model)
    return any(move.version == version.version and move.to_stage == "production" for move in moves)


def _take_back(
    connection: Transaction, workspace: Workspace, name: str, target: ModelVersion | None, *, reason: str, actor: str
) -> Release:
    row = records.latest_routes(connection, name)
    champion = champion_of(row)
    if row is None or champion is None:
        raise _nothing_released(name)
    at = now()
    cancelled = [
        end(connection, held, "rolled_back", reason, at, actor=actor)
        for held in records.select_releases(connection, name, states=records.OPEN)
    ]
    if cancelled and target is None:
        _route(connection, workspace, cancelled[0], row, "", f"rolled back: {reason}")
        return cancelled[0]
    promoted = records.select_releases(connection, name, version=champion, states=("promoted",))
    back = target.version if target is not None else promoted[0].previous if promoted else None
    if not promoted or back is None or back == champion:
        if cancelled:
            _route(connection, workspace, cancelled[0], row, "", f"rolled back: {reason}")
            return cancelled[0]
        raise Refused(
            f"{name}@{champion} is champion already" if back else f"there is no version before {name}@{champion}",
            hint="name one that was in production before with --to, or release another with `mainspring deploy`",
        )
    found = target or registry.resolve(workspace, f"{name}@{back}")
    taken = end(connection, promoted[0], "rolled_back", reason, at, actor=actor, to=back)
    _reinstate(connection, name, back, reason=f"{champion} was rolled back: {reason}", actor=actor)
    told = f"rolled back from {champion} to {back}: {reason}"
    insert_table(connection, row, [champion_route(back, found.artifact)], told)
    return taken


def undeploy(workspace: Workspace, name: str, *, reason: str, actor: str | None = None) -> list[Release]:
    """End an endpoint, and return the releases that ended with it: one under way, and the champion's.

    From then on nobody answers there. Who was in production goes to the archive, in the same transaction. The releases
    stay in the records; the model may be deleted, and any version may be released again.

    Raises:
        NotFound: there is no such model.
        Refused: nothing is released there.
        UsageError: no reason is given.
    """
    if not reason.strip():
        raise UsageError("to end an endpoint needs a reason", hint='say why: --reason "…"')
    registry.resolve(workspace, name)
    with workspace.database.write() as connection:
        records.lock(connection, name)
        ended = _take_down(connection, name, reason=reason, actor=actor or workspace.actor)
    publish(workspace, name)
    return ended


def _take_down(connection: Transaction, name: str, *, reason: str, actor: str) -> list[Release]:
    row = records.latest_routes(connection, name)
    champion = champion_of(row)
    if row is None or champion is None:
        raise _nothing_released(name)
    at = now()
    promoted = records.select_releases(connection, name, version=champion, states=("promoted",))
    serving = [*records.select_releases(connection, name, states=records.OPEN), *promoted[:1]]
    ended = [end(connection, held, "undeployed", reason, at, actor=actor) for held in serving]
    told = f"undeployed: {reason}"
    insert_table(connection, row, [], told)
    released = {held.version for held in serving}
    for version, stage in registry.stages(connection, name).items():
        if stage == "production" or (stage == "staging" and version in released):
            registry.move(connection, name, version, "archived", reason=told, actor=actor)
    return ended


def _nothing_released(name: str) -> Refused:
    return Refused(f"nothing is released at '{name}'", hint="see `mainspring releases list`", model=name)


def _reinstate(connection: Transaction, name: str, version: str, *, reason: str, actor: str) -> None:
    """See to it that the version a rollback leads to has a promoted release of its own."""
    held = records.select_releases(connection, name, version=version)
    if not held or held[0].state == "promoted":
        return
    at = now()
    fresh = msgspec.structs.replace(
        held[0], id=new_id(), state="promoted", started_at=at, updated_at=at, reason=reason, actor=actor,
        evidence={"phases": [{"state": "promoted", "at": at}]},
    )  # fmt: skip
    records.insert_release(connection, fresh)


def _told(held: Release) -> str:
    said = f"{held.version} {held.state.replace('_', ' ')}: {held.reason}"
    return f"{said} (override: {held.override})" if held.override else said


def _route(
    connection: Transaction,
    workspace: Workspace,
    held: Release,
    row: records.RouteRow | None,
    artifact: str,
    reason: str,
) -> None:
    """Record the route table that a release in its present state asks for."""
    champion = None if row is None else table_of(row).route("champion")
    if held.state == "promoted" or champion is None:
        chosen = [champion_route(held.version, artifact)]
    elif not held.open:
        chosen = [champion_route(champion.version, champion.artifact)]
    else:
        role: Role = "shadow" if held.state == "shadow" else "canary"
        settings = workspace.settings.release.canary
        share = settings.share if role == "canary" and settings is not None else 0.0
        chosen = [
            champion_route(champion.version, champion.artifact, 1.0 - share),
            Route(version=held.version, role=role, weight=share if role == "canary" else 1.0, artifact=artifact),
        ]
    insert_table(connection, row, chosen, reason, override=held.override, endpoint=held.endpoint)


def list_releases(workspace: Workspace, endpoint: str | None = None) -> list[Release]:
    """Return releases, newest first."""
    with workspace.database.read() as connection:
        return records.select_releases(connection, endpoint)
