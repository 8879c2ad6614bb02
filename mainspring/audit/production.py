"""The checklist of production: CI/CD, dashboards, alerts, rollback, shadow and canary, data validation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mainspring.audit.documents import has_placeholder, read_document
from mainspring.audit.evidence import day, short
from mainspring.audit.finding import Observed, missing, present, stale
from mainspring.audit.workflow import TASKS, Workflow, read_workflows
from mainspring.base.errors import MainspringError
from mainspring.base.settings.monitors import Validation
from mainspring.monitoring.channels.delivery import key_of
from mainspring.monitoring.suite import load_suite

if TYPE_CHECKING:
    from mainspring.audit.evidence import Evidence
    from mainspring.base.settings.schema import Channel
    from mainspring.serving.releases import Release


def ci_configured(evidence: Evidence) -> Observed:
    """A committed workflow starts by itself and runs tests, pipeline and gate."""
    fix = "mainspring ci init, then commit the file"
    workflows = read_workflows(evidence.top)
    if not workflows:
        return missing("there is no CI workflow in the project", fix=fix)
    best = max(workflows, key=lambda item: (item.automatic, len(item.runs)))
    if problem := _workflow_problem(best, evidence):
        return missing(f"{best.path}: {problem}", fix=fix)
    at = int((evidence.git("log", "-1", "--format=%ct", "--", best.path) or "").strip() or 0) * 1000
    said = f"{best.path} runs {', '.join(best.runs)} on every push"
    if evidence.git("status", "--porcelain", "--", best.path):
        return stale(f"{said}; it was changed since its commit of {day(at)}", fix="commit it", at=at)
    return present(f"{said}; committed {day(at)}", at=at)


def _workflow_problem(workflow: Workflow, evidence: Evidence) -> str | None:
    if workflow.error:
        return workflow.error
    if not workflow.automatic:
        return "it starts by hand only, not on push or pull request"
    if lacking := [task for task in TASKS if task not in workflow.runs]:
        return f"it does not run {', '.join(lacking)}"
    if not (evidence.git("log", "-1", "--format=%ct", "--", workflow.path) or "").strip():
        return "it was never committed"
    return None


def dashboards_live(evidence: Evidence) -> Observed:
    """The control server that shows monitors and releases runs, and every monitor has looked, some lately."""
    fix = "mainspring up"
    control = evidence.control
    if control is None:
        return missing("`mainspring up` has never run", fix=fix)
    seen = control.heard_at
    looked = list(evidence.observations.values())
    said = "`mainspring up` runs, last heartbeat" if control.running else "`mainspring up` ended; it ran"
    said = f"{said} {day(seen)}"
    if not looked:
        return missing(
            f"{said}, and no monitor has looked: there is nothing to show", fix="mainspring watch --once", at=seen
        )
    last = max(row.at for row in looked)
    said += f"; {len(looked)} of {len(evidence.settings.monitors)} monitors have looked, last {day(last)}"
    if blind := [name for name in evidence.settings.monitors if name not in evidence.observations]:
        return missing(f"{said}; never {', '.join(blind)}", fix="mainspring watch --once", at=seen)
    if not control.running or not evidence.is_recent(last):
        return stale(said, fix=fix, at=seen)
    return present(said, at=seen)


def alerts_configured(evidence: Evidence) -> Observed:
    """Monitors are declared, each has somewhere to send alerts, and the newest notice to every channel arrived."""
    monitors, channels = evidence.settings.monitors, evidence.settings.channels
    if not monitors:
        return missing("no monitor is declared", fix="declare some under `monitors:` in mainspring.yaml")
    deaf = [name for name in monitors if not any(_covers(channel, name) for channel in channels)]
    if deaf:
        said = f"alerts of {', '.join(deaf)} go nowhere" if channels else f"{len(monitors)} monitors, and no channel"
        return missing(said, fix="declare a channel under `channels:` in mainspring.yaml")
    said = f"{len(monitors)} monitors, channels {', '.join(channel.type for channel in channels)}"
    fix = "mainspring alerts test, and see it arrive"
    newest = {key_of(channel): _newest(evidence, key_of(channel)) for channel in channels}
    at = min((notice["delivered_at"] or 0 for notice in newest.values() if notice), default=0) or None
    if untried := [key for key, notice in newest.items() if notice is None]:
        return missing(f"{said}; nothing was ever sent to {', '.join(untried)}", fix=fix, at=at)
    told = {key: notice for key, notice in newest.items() if notice is not None}
    if lost := [f"{key}: {notice['error']}" for key, notice in told.items() if notice["delivered_at"] is None]:
        return missing(f"{said}; the newest notice did not arrive at {'; '.join(lost)}", fix=fix, at=at)
    delivered = ", ".join(f"{key} at {day(notice['delivered_at'])}" for key, notice in sorted(told.items()))
    return present(f"{said}; the newest notices arrived: {delivered}", at=at)


def _newest(evidence: Evidence, channel: str) -> dict[str, Any] | None:
    """Return the newest notice that was tried on a channel."""
    tried = [notice for notice in evidence.notices if notice["channel"] == channel and notice["attempts"]]
    return next(iter(tried), None)


def _covers(channel: Channel, monitor: str) -> bool:
    return not channel.monitors or monitor in channel.monitors


def rollback_documented(evidence: Evidence) -> Observed:
    """The runbook has a section on rolling back with the command, for this endpoint."""
    name = evidence.settings.runbook
    fix = f"write a section 'Roll back' into {name} with `mainspring rollback {evidence.model or 'MODEL'}`"
    document = read_document(evidence.workspace.path(name))
    if document is None:
        return missing(f"{name} is not there", fix=fix)
    text = "\n".join(body for heading, body in document.sections.items() if re.search(r"roll(ing)? ?back", heading))
    if not text:
        return missing(f"{name} has no section on rolling back", fix=fix)
    command = re.search(
        rf"mainspring\b[^\n]*\brollback\b[^\n]*(?<![\w.-]){re.escape(evidence.model or '')}(?![\w-])", text
    )
    if evidence.model is None or command is None:
        return missing(f"the section on rolling back in {name} does not say the command for this endpoint", fix=fix)
    if has_placeholder(text):
        return missing(f"the section on rolling back in {name} is still to be written", fix=fix)
    changed, how = evidence.changed(name)
    drill = next((row for row in evidence.releases if row.state == "rolled_back"), None)
    done = (
        f"last roll back: {drill.endpoint} {drill.version} at {day(drill.updated_at)}, {_ending(drill)}"
        if drill is not None
        else "it was never exercised"
    )
    return present(f"{name}, section on rolling back, {how}; {done}", at=changed)


def _ending(release: Release) -> str:
    return str(release.evidence.get("ended", {}).get("reason") or release.reason)


_PHASES = frozenset({"shadow", "canary"})


def shadow_or_canary_ready(evidence: Evidence) -> Observed:
    """The release policy sends a new version through shadow or canary first, and there is traffic to send it."""
    policy = evidence.settings.release
    parts = []
    if policy.shadow is not None:
        parts.append(f"shadow of {policy.shadow.min_predictions} predictions")
    if policy.canary is not None:
        parts.append(f"canary of {policy.canary.share:.0%} and {policy.canary.min_predictions} predictions")
    if not parts:
        fix = "declare `release: {canary: {share: 0.1}}` in mainspring.yaml"
        return missing("the release policy has neither shadow nor canary", fix=fix)
    said = f"release policy: {', then '.join(parts)}"
    if evidence.production is None or evidence.traffic.is_empty():
        lacking = "nothing is in production" if evidence.production is None else "the endpoint has answered nothing"
        return missing(
            f"{said}; but {lacking}, so there is nothing to compare with", fix="mainspring serve, and send it requests"
        )
    said = f"{said}; {len(evidence.traffic)} answers of {evidence.production.reference} and before to compare with"
    used = next((row for row in evidence.releases if _PHASES & {phase["state"] for phase in _phases(row)}), None)
    if used is None:
        at = int(evidence.traffic.get_column("at").max())  # type: ignore[arg-type]  # a column of whole numbers
        return present(f"{said}, the newest {day(at)}; no version has gone through it yet", at=at)
    return present(
        f"{said}; last gone through by {used.version} ({used.state}, {day(used.updated_at)}, release {short(used.id)})",
        at=used.updated_at,
    )


def _phases(release: Release) -> list[dict[str, Any]]:
    return list(release.evidence.get("phases") or [])


def data_validated(evidence: Evidence) -> Observed:
    """Every dataset that the subject's run read has a suite that can fail, and a validation against it was recorded."""
    declared = evidence.settings.datasets
    read = {row.dataset for row in evidence.inputs}
    names = sorted(read & declared.keys()) or sorted(declared)
    if not names:
        return missing("no dataset is declared in mainspring.yaml", fix="declare it under `datasets:`")
    said = []
    for name in names:
        suite = declared[name].suite
        if suite is None:
            return missing(
                f"dataset '{name}' has no suite",
                fix=f"mainspring profile {declared[name].path} --suite-out FILE, look at it, and name it as `suite:`",
            )
        try:
            expectations = load_suite(evidence.workspace.path(suite)).expectations
        except MainspringError as error:
            return missing(error.message, fix=f"repair {suite}")
        binding = sum(each.severity == "critical" for each in expectations)
        if not binding:
            lacking = "no expectation" if not expectations else "warnings only: no data can fail it"
            return missing(f"{suite} holds {lacking}", fix=f"add expectations to {suite}")
        said.append(f"{name}: {len(expectations)} expectations, {binding} of them critical")
    seen = _validations(evidence, names)
    text = "; ".join(said)
    if not seen:
        return missing(f"{text}; no validation is recorded yet", fix="mainspring run")
    at, what = max(seen)
    return present(f"{text}; last {what} {day(at)}", at=at)


def _validations(evidence: Evidence, names: list[str]) -> list[tuple[int, str]]:
    """Return when these datasets were validated: before executions, by monitors, or with an alert for an outcome."""
    found = [
        (alert.resolved_at or alert.at, f"alert {alert.monitor} ({alert.status})")
        for alert in evidence.alerts
        if alert.kind == "validation" and alert.evidence.get("dataset") in names
    ]
    for name, monitor in evidence.settings.monitors.items():
        row = evidence.observations.get(name)
        watches = isinstance(monitor, Validation) and monitor.dataset in names
        if watches and row is not None and row.status in ("ok", "firing"):
            found.append((row.at, f"monitor {name} ({row.status}, {row.n} rows)"))
    if evidence.execution is not None and evidence.execution.status == "finished" and _had_suites(evidence, names):
        found.append((evidence.execution.started_at, f"before execution {short(evidence.execution.id)}"))
    return found


def _had_suites(evidence: Evidence, names: list[str]) -> bool:
    """Say whether the settings named the suites already when the subject was made."""
    if evidence.snapshot is None:
        return False
    declared = (evidence.snapshot.config.get("settings") or {}).get("datasets") or {}
    return all((declared.get(name) or {}).get("suite") for name in names)
