"""Whether an event may start an execution now: not too soon, not too often, and never on data that is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.automation import records
from mainspring.base.clock import iso, milliseconds, now
from mainspring.base.errors import NotFound

if TYPE_CHECKING:
    from mainspring.base.settings.triggers import TriggerSettings
    from mainspring.store.workspace import Workspace


def admit(workspace: Workspace, name: str, trigger: TriggerSettings) -> tuple[str, str]:
    """Return the status that a new event of a trigger gets, and why if it has to wait.

    A clock that was wrong and was put right holds nothing up: what seems to lie further ahead than the time to wait is past.
    """
    broken = broken_data(workspace)
    if broken:
        return "blocked", f"data failed validation: goes to a person ({'; '.join(broken)})"
    at = now()
    period = milliseconds(trigger.budget_period)
    with workspace.database.read() as connection:
        counted = records.find_events(connection, trigger=name, since=at - period)
        last = records.last_execution_of(connection, name)
    begun = [event for event in counted if event.execution_id or event.status in ("pending", "running")]
    started = [event for event in begun if event.at < at + period]
    if last is not None and abs(at - last) < milliseconds(trigger.cooldown):
        until = iso(last + milliseconds(trigger.cooldown))
        return "suppressed", f"cooldown of {trigger.cooldown} since the last execution, until {until}"
    if len(started) >= trigger.budget:
        return "suppressed", f"budget of {trigger.budget} executions in {trigger.budget_period} is used up"
    return "pending", ""


def broken_data(workspace: Workspace) -> list[str]:
    """Return what is wrong with datasets whose validation alert fires, looking at them again first."""
    with workspace.database.read() as connection:
        firing = [alert for alert in records.firing_alerts(connection) if alert.kind == "validation"]
    problems = []
    if firing:
        from mainspring.monitoring.data_gate import check_dataset  # late: what reads data
    for alert in firing:
        dataset = alert.evidence.get("dataset") if isinstance(alert.evidence, dict) else None
        if dataset not in workspace.settings.datasets:
            continue
        try:
            result = check_dataset(workspace, dataset)
        except NotFound:
            result = None
        if result is None or not result.success:
            problems.append(alert.summary)
    return problems
