"""One look at everything that goes on by itself: monitors, releases, triggers, and what they start."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from mainspring.automation import events, leases, records
from mainspring.automation.events import Event
from mainspring.base.clock import now
from mainspring.base.errors import Conflict, MainspringError
from mainspring.monitoring.watch import watch
from mainspring.serving import releases
from mainspring.serving.releases import Release
from mainspring.versioning import delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.monitoring.watch import Observation
    from mainspring.store.workspace import Workspace


class TickReport(msgspec.Struct, kw_only=True):
    """What a look found and did, with a line for people on everything."""

    at: int
    skipped: bool = False
    observations: list[Observation] = []
    releases: list[Release] = []
    events: list[Event] = []
    errors: list[str] = []
    lines: list[str] = []


def tick(
    workspace: Workspace, *, progress: bool = True, act: Callable[[Workspace, Event], Event] | None = None
) -> TickReport:
    """Watch, move releases on, collect events, and act on those that are due; one process at a time.

    ``act`` acts on an event and returns what became of it; ``deliver``, in this process, if there is none.
    The same for the command line, the daemon and CI. A part that fails is reported and does not keep the others from
    happening; the report says ``skipped`` when another process is at it.
    """
    report = TickReport(at=now())
    try:
        lease = leases.acquire(workspace, "tick")
    except Conflict as error:
        report.skipped = True
        report.lines.append(error.message)
        return report
    with lease:
        for part in (_watch, _advance, _collect, _tell):
            try:
                part(workspace, report)
            except MainspringError as error:
                _told(report, error)
        _act(workspace, report, act or partial(_deliver, progress=progress))
    if not report.lines:
        report.lines.append("nothing to do")
    return report


def _deliver(workspace: Workspace, event: Event, *, progress: bool) -> Event:
    from mainspring.automation.continuous import deliver  # late: all that executions need

    return deliver(workspace, event, progress=progress).event


def _watch(workspace: Workspace, report: TickReport) -> None:
    report.observations = watch(workspace)
    for seen in report.observations:
        if seen.status != "ok":
            report.lines.append(f"monitor {seen.monitor}: {seen.status.replace('_', ' ')}: {seen.summary}")


def _advance(workspace: Workspace, report: TickReport) -> None:
    report.releases = releases.advance(workspace)
    for moved in report.releases:
        evidence = moved.evidence if isinstance(moved.evidence, dict) else {}
        reason = (evidence.get("ended") or {}).get("reason") or moved.reason
        report.lines.append(f"release {moved.endpoint}@{moved.version}: {moved.state.replace('_', ' ')}: {reason}")


def _tell(workspace: Workspace, report: TickReport) -> None:
    told = delivery.deliver(workspace) if workspace.settings.tracking.webhook_hosts else 0
    if told:
        report.lines.append(f"webhooks: {told} {'event' if told == 1 else 'events'} delivered")


def _collect(workspace: Workspace, report: TickReport) -> None:
    with workspace.database.write() as connection:
        records.take_up_events(connection)
    if workspace.settings.triggers:
        from mainspring.automation.triggers import collect  # late: what reads data

        report.events = collect(workspace)
    for event in report.events:
        if event.status != "pending":
            report.lines.append(_line(event))


def _act(workspace: Workspace, report: TickReport, act: Callable[[Workspace, Event], Event]) -> None:
    """Act on all pending events with one execution: it uses the newest data and code, so it answers them all."""
    waiting = events.pending(workspace)
    if not waiting:
        return
    first, *others = waiting
    report.lines.append(f"event {first.kind} of '{first.trigger}': executes the pipeline")
    try:
        done = act(workspace, first)
    except MainspringError as error:
        _told(report, error)
        return
    answered = [done]
    if done.status != "pending":
        for event in others:
            reason = f"answered together with event {done.id[-8:]}: {done.reason}"
            answered.append(
                events.conclude(
                    workspace, event, done.status, reason, execution_id=done.execution_id, answered_with=done.id
                )
            )
    known = {event.id: event for event in answered}
    report.events = [known.pop(event.id, event) for event in report.events] + list(known.values())
    report.lines += [_line(event) for event in answered]


def _told(report: TickReport, error: MainspringError) -> None:
    report.errors.append(error.message)
    report.lines.append(f"error: {error.message}" + (f" ({error.hint})" if error.hint else ""))


def _line(event: Event) -> str:
    return f"event {event.kind} of '{event.trigger}': {event.status}" + (f": {event.reason}" if event.reason else "")
