"""What each level of maturity asks for, answered from the checklist and from what has happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.audit.evidence import day, short
from mainspring.audit.maturity import Requirement
from mainspring.automation.execute import get_execution
from mainspring.base.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.audit.evidence import Evidence
    from mainspring.audit.finding import Item
    from mainspring.automation.events import Event
    from mainspring.versioning.models import ModelVersion

FROM_CHECKLIST = {
    1: ("data-versioned", "experiments-tracked", "model-registered"),
    2: ("tests-pass", "ci-cd-configured", "data-validation", "rollback-documented"),
    3: ("drift-monitoring", "retraining-triggers", "feedback-loop"),
}
"""Items of the checklist that a level stands on."""


def collect(evidence: Evidence, items: Sequence[Item]) -> list[Requirement]:
    """Return the requirements of the levels 1 to 3."""
    by_id = {item.id: item for item in items}
    seen = {1: [_trained_by_pipeline(evidence)], 2: [_deployed_by_gate(evidence)], 3: [_retrained_by_trigger(evidence)]}
    return [
        requirement
        for level, ids in FROM_CHECKLIST.items()
        for requirement in [*seen[level], *(_of_item(level, by_id[identifier]) for identifier in ids)]
    ]


def _of_item(level: int, item: Item) -> Requirement:
    return Requirement(
        level=level, title=item.title, met=item.status == "present", evidence=item.evidence, fix=item.fix
    )


def _trained_by_pipeline(evidence: Evidence) -> Requirement:
    title = "Training is automated: an execution of the pipeline made the version"
    execution = evidence.execution
    if execution is None or execution.status != "finished":
        how = (
            "came without a recorded execution"
            if execution is None
            else f"comes from an execution that {execution.status}"
        )
        said = f"{evidence.name} {how}" if evidence.subject else "there is no model version yet"
        return Requirement(level=1, title=title, met=False, evidence=said, fix="mainspring run")
    said = f"execution {short(execution.id)} of {execution.pipeline} made {evidence.name}, {day(execution.started_at)}"
    return Requirement(level=1, title=title, met=True, evidence=said)


def _deployed_by_gate(evidence: Evidence) -> Requirement:
    title = "Deployment is automated: a passing gate and the release policy brought the version to production"
    version, release, gate = evidence.production, evidence.release, evidence.gate
    problem = None
    if version is None:
        problem = "no version is in production"
    elif not evidence.settings.release.automatic:
        problem = "`release.automatic` is off: versions wait for somebody"
    elif release is None:
        problem = f"{version.reference} came to production without a release"
    elif release.override:
        problem = f"{version.reference} was forced past its gate: {release.override!r}"
    elif gate is None or gate.outcome != "pass":
        problem = f"the gate of {version.reference} came to {gate.outcome if gate else 'nothing'}"
    elif not any(_tells_of(event, version) for event in evidence.events):
        problem = f"{version.reference} passed its gate, and was deployed by hand by {release.actor}: {release.reason}"
    if problem is not None or release is None or gate is None:
        return Requirement(
            level=2,
            title=title,
            met=False,
            evidence=problem or "",
            fix="let `mainspring up` release what passes its gate",
        )
    said = f"{evidence.name}: gate {short(gate.id)} passed {day(gate.at)}, released {day(release.started_at)}"
    return Requirement(level=2, title=title, met=True, evidence=f"{said} by {release.actor}: {release.reason}")


def _started(evidence: Evidence, event: Event) -> bool:
    """Say whether an event of a trigger started an execution that finished (and was not answered by somebody's own)."""
    if event.kind == "manual" or event.execution_id is None:
        return False
    try:
        execution = get_execution(evidence.workspace, event.execution_id)
    except NotFound:
        return False
    return execution.event_id == event.id and execution.status == "finished"


def _tells_of(event: Event, version: ModelVersion) -> bool:
    """Say whether an event's story released a version."""
    told = event.payload
    return bool(told.get("release")) and (told.get("model"), told.get("version")) == (version.model, version.version)


def _retrained_by_trigger(evidence: Evidence) -> Requirement:
    title = "Retraining is automated: a trigger led to a finished execution without anyone asking"
    newest = next((event for event in evidence.events if _started(evidence, event)), None)
    if newest is None:
        said = "no event of a trigger has led to a finished execution"
        return Requirement(level=3, title=title, met=False, evidence=said, fix="keep `mainspring up` running")
    said = f"{newest.kind} event {short(newest.id)} ({newest.trigger}, {day(newest.at)}) led to execution"
    said = f"{said} {short(newest.execution_id)}: {newest.reason}"
    return Requirement(level=3, title=title, met=True, evidence=said)
