"""What turns facts into events: a schedule that is due, a new dataset version, an alert that fires, a commit."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cronsim import CronSim

from mainspring.automation import records
from mainspring.automation.admission import admit
from mainspring.automation.events import Event, conclude, emit
from mainspring.automation.news import NOTHING, news
from mainspring.base.clock import iso, milliseconds, now
from mainspring.base.errors import ExternalToolError
from mainspring.base.settings.triggers import AlertTrigger, CommitTrigger, DataTrigger, ScheduleTrigger
from mainspring.serving import releases
from mainspring.versioning import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.base.settings.triggers import Trigger
    from mainspring.store.workspace import Workspace

_KINDS = {"drift": "drift", "validation": "drift"}


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that happened, as a trigger sees it; the same fact has the same key at every look.

    ``settled`` says why nothing has to be done about it, ``refused`` why nothing may be done.
    """

    kind: str
    key: str
    payload: dict[str, Any] = field(default_factory=dict)
    settled: str | None = None
    refused: str | None = None
    lasting: bool = True
    """It still holds at the next look, so what was suppressed can be taken up again."""
    idle: str | None = None
    """Why nothing is done again about what was answered before."""


def collect(workspace: Workspace) -> list[Event]:
    """Look at everything that triggers watch, and return the events that are new or due again.

    Every fact becomes one event, whoever looks and however often. What a trigger sees first is where it counts from; only
    data starts a pipeline at once as long as no version is in production. Cooldown and budget suppress an event, data that
    fails its validation blocks it; both are taken up again when the reason is gone and the fact still holds. An alert that
    still fires is another event once there is something new to learn from; until then its last event says that there is not.
    """
    found: list[Event] = []
    for name, trigger in workspace.settings.triggers.items():
        with workspace.database.read() as connection:
            seen = {event.dedup_key: event for event in records.find_events(connection, trigger=name)}
        for fact in facts(trigger, Look(workspace=workspace, name=name, seen=seen)):
            event = _take(workspace, name, trigger, fact, seen.get(fact.key))
            if event is not None:
                found.append(event)
    return found


def _take(workspace: Workspace, name: str, trigger: Trigger, fact: Fact, held: Event | None) -> Event | None:
    if held is not None and fact.idle is not None:
        told = held.reason or ""
        return None if fact.idle in told else conclude(workspace, held, held.status, f"{told}; {fact.idle}")
    if held is not None and not (fact.lasting and held.status in ("suppressed", "blocked") and not fact.refused):
        return None
    if fact.settled is not None:
        status, reason = "done", fact.settled
    elif fact.refused is not None:
        status, reason = "blocked", fact.refused
    else:
        status, reason = admit(workspace, name, trigger)
        because = fact.payload.get("because")
        if because is not None:
            reason = f"asks again ({because})" + (f": {reason}" if reason else "")
    if held is None:
        return emit(workspace, fact.kind, name, fact.key, fact.payload, status=status, reason=reason or None)
    if status == held.status:
        return None
    told = f"{reason}; before: {held.reason}" if reason else f"taken up again; before: {held.reason}"
    return conclude(workspace, held, status, told)


@dataclass(frozen=True, kw_only=True)
class Look:
    """Where a trigger looks; ``seen`` are its events so far, newest first, by key."""

    workspace: Workspace
    name: str
    seen: dict[str, Event]


def facts(trigger: Trigger, look: Look) -> Iterator[Fact]:
    """Give what a trigger sees now."""
    if isinstance(trigger, ScheduleTrigger):
        return _schedule(trigger, look)
    if isinstance(trigger, DataTrigger):
        return _data(trigger, look)
    return _alert(trigger, look) if isinstance(trigger, AlertTrigger) else _commit(trigger, look)


def _schedule(trigger: ScheduleTrigger, look: Look) -> Iterator[Fact]:
    marks = [event.payload["due"] for event in look.seen.values() if event.payload.get("cron") == trigger.cron]
    if not marks:
        at = now()
        payload = {"cron": trigger.cron, "due": at}
        yield Fact(
            kind="schedule", key=f"{look.name}:from:{at}", payload=payload, settled="first look: it counts from here"
        )
        return
    due = int(
        next(CronSim(trigger.cron, datetime.fromtimestamp(now() / 1000 + 60, UTC), reverse=True)).timestamp() * 1000
    )
    if due > now():
        due = int(next(CronSim(trigger.cron, datetime.fromtimestamp(due / 1000, UTC), reverse=True)).timestamp() * 1000)
    if due > max(marks):
        payload = {"cron": trigger.cron, "due": due, "time": iso(due)}
        yield Fact(kind="schedule", key=f"{look.name}:due:{due}", payload=payload, lasting=False)


def _data(trigger: DataTrigger, look: Look) -> Iterator[Fact]:
    with look.workspace.database.read() as connection:
        newest = records.newest_dataset_version(connection, trigger.dataset)
        used = None if newest is None else records.execution_on(connection, trigger.dataset, newest.md5)
    if newest is None:
        return
    settled = None
    if used is not None:
        settled = f"version {newest.number} was trained on already, by execution {used}"
    elif not look.seen and _has_champion(look.workspace):
        settled = "first look: it counts from here"
    payload = {"dataset": trigger.dataset, "number": newest.number, "md5": newest.md5}
    key = f"{look.name}:{trigger.dataset}:{newest.id}"
    yield Fact(kind="data", key=key, payload=payload, settled=settled)


def _alert(trigger: AlertTrigger, look: Look) -> Iterator[Fact]:
    with look.workspace.database.read() as connection:
        firing = records.firing_alerts(connection)
    for alert in firing:
        if alert.monitor not in trigger.monitors:
            continue
        refused = "data failed validation: goes to a person" if alert.kind == "validation" else None
        payload = {"alert": alert.id, "monitor": alert.monitor, "alert_kind": alert.kind, "summary": alert.summary}
        fact = Fact(
            kind=_KINDS.get(alert.kind, "metric"), key=f"{look.name}:{alert.id}", payload=payload, refused=refused
        )
        asked = [event for event in look.seen.values() if event.payload.get("alert") == alert.id]
        yield _again(trigger, look, fact, asked) if asked else fact


def _again(trigger: AlertTrigger, look: Look, fact: Fact, asked: list[Event]) -> Fact:
    """Return the fact that an alert fires which was answered before: to be asked again, to be left, or still to be asked.

    ``asked`` are the events it led to, newest first.
    """
    last = asked[0]
    same = replace(fact, key=last.dedup_key, payload=last.payload)
    if last.status not in ("done", "failed") or _is_releasing(look.workspace):
        return same
    because = news(look.workspace, last)
    if not because and last.status == "failed" and milliseconds(trigger.cooldown):
        because = ["the last execution failed"]
    if not because:
        return replace(same, idle=NOTHING)
    number = len(asked) + 1
    payload = fact.payload | {"because": ", ".join(because), "number": number}
    return replace(fact, key=f"{fact.key}:{number}", payload=payload)


def _commit(trigger: CommitTrigger, look: Look) -> Iterator[Fact]:
    commit = _head(look.workspace, trigger.branch)
    if commit is None:
        return
    key = f"{look.name}:{trigger.branch}:{commit}"
    started = any(event.payload.get("branch") == trigger.branch for event in look.seen.values())
    settled = None if started else "first look: it counts from here"
    yield Fact(kind="commit", key=key, payload={"branch": trigger.branch, "commit": commit}, settled=settled)


def _has_champion(workspace: Workspace) -> bool:
    model = workspace.settings.model
    return model is not None and registry.champion(workspace, model.name) is not None


def _is_releasing(workspace: Workspace) -> bool:
    model = workspace.settings.model
    return model is not None and any(held.open for held in releases.list_releases(workspace, model.name))


def _head(workspace: Workspace, branch: str) -> str | None:
    command = ["git", "-C", str(workspace.root), "rev-parse", "--verify", "--quiet", f"{branch}^{{commit}}", "--"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    except FileNotFoundError:
        raise ExternalToolError("git is not installed", hint="install git, or remove the commit trigger") from None
    return done.stdout.strip() or None if done.returncode == 0 else None
