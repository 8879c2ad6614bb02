"""The five anti-patterns, as findings: what shows each of them, and what to do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mainspring.audit import notebook_to_production, replay
from mainspring.audit.evidence import day, short
from mainspring.audit.finding import (
    MANUAL_DEPLOYMENT,
    NO_MONITORING,
    NO_VERSIONING,
    RULES,
    TRAINING_SERVING_SKEW,
    Finding,
    Location,
    Severity,
)
from mainspring.base.errors import MainspringError
from mainspring.base.settings.checks import Skew
from mainspring.serving import publication, routes
from mainspring.versioning import data, environment
from mainspring.versioning.code import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.audit.evidence import Evidence
    from mainspring.testing.gate import Gate

SETTINGS = Location(path="mainspring.yaml")
_ORDER: tuple[Severity, ...] = ("error", "warning", "note")


def find(evidence: Evidence) -> list[Finding]:
    """Return the findings of all five, the worst first."""
    looks = (notebook_to_production.find, no_versioning, manual_deployment, no_monitoring, training_serving_skew)
    found = [finding for look in looks for finding in look(evidence)]
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))


# No versioning


def no_versioning(evidence: Evidence) -> Iterator[Finding]:
    """Code outside of git, changes that no snapshot holds, data that no version holds, a lost artifact."""
    if evidence.commit is None:
        said = "git knows no commit of this project; only snapshots of runs hold its code"
        yield _finding(NO_VERSIONING, "warning", "Code is not in git", said, fix="git init, git add, git commit")
    yield from _lost_code(evidence)
    yield from _loose_data(evidence)
    version = evidence.production
    if version is None:
        return
    if not evidence.has_object(version.artifact):
        said = f"object {version.artifact} of {version.reference} is not in the store"
        fix = "roll back to a version that is whole, then run the pipeline again"
        yield _finding(NO_VERSIONING, "error", "The production model's artifact is gone", said, fix=fix)
    if evidence.run is None:
        said = f"{version.reference} was registered {day(version.created_at)} by {version.actor} without a run"
        fix = "train it in a pipeline of this project"
        yield _finding(NO_VERSIONING, "warning", "Nobody can make the production model again", said, fix=fix)


def _lost_code(evidence: Evidence) -> Iterator[Finding]:
    if evidence.run is None:
        return
    if evidence.snapshot is None:
        said = f"run {short(evidence.run.id)} of {evidence.name} recorded neither code, data nor environment"
        yield _finding(NO_VERSIONING, "error", "A run without a snapshot", said, fix="run it again with a snapshot")
        return
    recorded = evidence.snapshot.code
    stored = kept(recorded)
    if recorded.get("dirty") and not stored and not recorded.get("links"):
        said = f"run {short(evidence.run.id)} of {evidence.name} ran changed code that was not kept"
        yield _finding(NO_VERSIONING, "error", "Changed code without a diff", said, fix="commit, and run again")
    for kind, address in stored.items():
        if not evidence.has_object(address):
            said = f"the {kind} object {short(address)} of run {short(evidence.run.id)} is not in the store"
            yield _finding(
                NO_VERSIONING, "error", "Code of the subject's run is gone", said, fix="commit, and run again"
            )


def _loose_data(evidence: Evidence) -> Iterator[Finding]:
    for status in data.status(evidence.workspace):
        if status.state not in {"not added", "modified"}:
            continue
        title, why = f"Dataset {status.dataset} is loose", "its present content is in no version"
        if status.remedy != "add":
            title, why = f"Dataset {status.dataset} is not what its pointer names", "git says another version"
        said, fix = f"{status.path} is {status.state}: {why}", status.command or "mainspring data status"
        yield _finding(NO_VERSIONING, "warning", title, said, fix=fix, place=SETTINGS)
    for row in evidence.inputs:
        if not evidence.has_object(row.md5):
            said = f"{row.dataset} ({short(row.md5)}), read by the run of {evidence.name}, is not in the store"
            fix = "mainspring data fetch --all-versions, or train again on data that is there"
            yield _finding(NO_VERSIONING, "error", "Training data are gone", said, fix=fix)


# Manual deployment


def manual_deployment(evidence: Evidence) -> Iterator[Finding]:
    """A production version that no gate let pass, or that is not what the endpoint answers with."""
    version = evidence.production
    if version is None:
        return
    yield from _ungated(evidence)
    yield from _other_route(evidence)
    past = [row for row in evidence.releases if row.override and row.version != version.version]
    if past:
        newest = past[0]
        said = f"{newest.version} went past its gate {day(newest.started_at)} by {newest.actor}: {newest.override!r}"
        ending = newest.evidence.get("ended", {}).get("reason", newest.reason)
        state = f"; it is {newest.state.replace('_', ' ')} now: {ending}"
        fix = "let gates decide; repair the check rather than going past it"
        yield _finding(MANUAL_DEPLOYMENT, "note", "A version was forced past its gate before", said + state, fix=fix)


def _ungated(evidence: Evidence) -> Iterator[Finding]:
    version, release = evidence.production, evidence.release
    assert version is not None
    fix = f"mainspring test {version.reference}"
    if release is not None and release.override:
        said = f"{version.reference} was released {day(release.started_at)} by {release.actor}: {release.override!r}"
        yield _finding(MANUAL_DEPLOYMENT, "error", "The production version was forced past its gate", said, fix=fix)
        return
    arrived = evidence.arrived
    passed = [gate for gate in evidence.gates if gate.outcome == "pass"]
    if not passed:
        said = f"no gate of {version.reference} came to pass"
        yield _finding(MANUAL_DEPLOYMENT, "error", "The production version has no passing gate", said, fix=fix)
    elif arrived is not None and passed[-1].at > arrived.at:
        said = f"it went to production {day(arrived.at)}, and its first gate passed only {day(passed[-1].at)}"
        yield _finding(MANUAL_DEPLOYMENT, "warning", "The production version was judged only afterwards", said, fix=fix)
    if arrived is not None and release is None:
        said = f"{version.reference} was moved by {arrived.actor} {day(arrived.at)} ({arrived.reason}); no release is recorded"
        fix = f"mainspring deploy {version.reference}"
        yield _finding(MANUAL_DEPLOYMENT, "warning", "The stage was changed by hand", said, fix=fix)


def _other_route(evidence: Evidence) -> Iterator[Finding]:
    version = evidence.production
    assert version is not None
    fix = f"mainspring deploy {version.reference}"
    try:
        table = routes.read(routes.path(evidence.workspace, version.model))
    except FileNotFoundError:
        return
    except MainspringError as error:
        yield _finding(
            MANUAL_DEPLOYMENT, "error", "The route table cannot be used", error.message, fix=error.hint or fix
        )
        return
    if not table.routes:
        return
    champion = table.route("champion")
    if champion is None or (champion.version, champion.artifact) != (version.version, version.artifact):
        served = f"{champion.version} (artifact {short(champion.artifact)})" if champion else "nothing"
        said = f"the endpoint answers with {served}, and {version.reference} (artifact {short(version.artifact)}) is the champion"
        yield _finding(MANUAL_DEPLOYMENT, "error", "What is served is not the champion", said, fix=fix)
    recorded = publication.current(evidence.workspace, version.model)
    if recorded is not None and recorded.generation < table.generation:
        said = f"the file holds generation {table.generation}, and the records end with {recorded.generation}"
        yield _finding(MANUAL_DEPLOYMENT, "error", "The route table was changed past the records", said, fix=fix)


# No monitoring


def no_monitoring(evidence: Evidence) -> Iterator[Finding]:
    """An endpoint that nobody watches, monitors that never look, alerts that reach nobody."""
    if evidence.production is None and evidence.traffic.is_empty():
        return
    monitors = evidence.settings.monitors
    if not monitors:
        said = f"{evidence.name} is in production, and mainspring.yaml declares no monitor"
        fix = "declare `{type: data_drift}`, `{type: performance, …}` and `{type: service}` under `monitors:`"
        yield _finding(NO_MONITORING, "error", "Nothing watches the endpoint", said, fix=fix, place=SETTINGS)
    elif not evidence.settings.channels:
        fix = "declare a webhook under `channels:`"
        said = f"{len(monitors)} monitors, no channel"
        yield _finding(NO_MONITORING, "warning", "Alerts reach nobody", said, fix=fix, place=SETTINGS)
    if not evidence.traffic.is_empty():
        yield from _unwatched_traffic(evidence)
    for name, row in evidence.observations.items():
        if row.status == "error":
            said = f"{name}, {day(row.at)}: {row.evidence.get('error', row.evidence)}"
            yield _finding(NO_MONITORING, "warning", f"Monitor {name} fails", said, fix="repair it", place=SETTINGS)
    lost = [notice for notice in evidence.notices if notice["error"] and not notice["delivered_at"]]
    if lost:
        said = f"{len(lost)} notices did not arrive, the newest ({lost[0]['channel']}): {lost[0]['error']}"
        yield _finding(NO_MONITORING, "warning", "Alerts did not arrive", said, fix="check the channel's address")


def _unwatched_traffic(evidence: Evidence) -> Iterator[Finding]:
    newest = int(evidence.traffic.get_column("at").max() or 0)  # type: ignore[arg-type]  # a column of whole numbers
    asleep = [name for name in evidence.settings.monitors if name not in evidence.observations]
    made = f"{len(evidence.traffic)} predictions, the newest of {day(newest)}"
    if asleep:
        fix = "mainspring up, or mainspring watch --once"
        said = f"{made}; {', '.join(asleep)} never looked"
        yield _finding(NO_MONITORING, "warning", "Traffic that monitors never looked at", said, fix=fix)
    last = max((row.at for row in evidence.observations.values()), default=newest)
    if last < newest and not evidence.is_recent(last):
        said = f"{made}; monitors looked last {day(last)}"
        yield _finding(NO_MONITORING, "warning", "Monitors fell asleep", said, fix="mainspring up")
    if not evidence.traffic.get_column("labelled").any():
        fix = "post the truth to /labels under its prediction_id"
        yield _finding(NO_MONITORING, "note", "No label ever arrived", f"{made}, none has a label", fix=fix)


# Training-serving skew


def training_serving_skew(evidence: Evidence) -> Iterator[Finding]:
    """The endpoint was never compared with training, answered otherwise, or runs on other libraries."""
    if evidence.production is None:
        return
    yield from _skew_verdict(evidence, evidence.gate)
    yield from _other_libraries(evidence)
    yield from replay.find(evidence)


def _skew_verdict(evidence: Evidence, gate: Gate | None) -> Iterator[Finding]:
    names = {check.name for check in evidence.settings.checks if isinstance(check, Skew) and check.name} | {"skew"}
    fix = "add `{type: skew}` to `checks:`, then mainspring test " + (
        evidence.production.reference if evidence.production else ""
    )
    verdicts = [verdict for verdict in (gate.verdicts if gate else []) if verdict.check.partition(":")[0] in names]
    if not verdicts:
        said = f"no gate of {evidence.name} replayed the holdout through the endpoint"
        yield _finding(TRAINING_SERVING_SKEW, "warning", "Serving was never compared with training", said, fix=fix)
    for verdict in verdicts:
        if verdict.status != "pass":
            assert gate is not None
            severity: Severity = "error" if verdict.status == "fail" else "warning"
            reason = verdict.reason or verdict.status
            said = f"gate {short(gate.id)}, {day(gate.at)}: {verdict.check} {verdict.status}: {reason}"
            yield _finding(TRAINING_SERVING_SKEW, severity, "The endpoint did not answer as in training", said, fix=fix)


def _other_libraries(evidence: Evidence) -> Iterator[Finding]:
    written = evidence.manifest_versions
    installed: dict[str, str] = environment.capture()["distributions"]
    here = {"python": ".".join(str(part) for part in sys.version_info[:3])} | installed
    changed = {name: (was, here.get(name.replace("sklearn", "scikit-learn"))) for name, was in written.items()}
    changed = {name: pair for name, pair in changed.items() if pair[0] != pair[1]}
    if not changed:
        return
    said = ", ".join(f"{name} {was} → {now or 'not installed'}" for name, (was, now) in sorted(changed.items()))
    minor = all(now is not None and _minor(was) == _minor(now) for was, now in changed.values())
    yield _finding(
        TRAINING_SERVING_SKEW,
        "note" if minor else "warning",
        "Libraries differ from those that wrote the model",
        f"{evidence.name}: {said}",
        fix="serve in the environment of the lock, or train again in this one",
    )


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _finding(
    rule: str, severity: Severity, title: str, evidence: str, *, fix: str, place: Location | None = None
) -> Finding:
    assert rule in RULES
    return Finding(rule=rule, severity=severity, title=title, evidence=evidence, fix=fix, location=place)
