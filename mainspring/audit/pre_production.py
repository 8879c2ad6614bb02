"""The checklist before production: data, experiments, registry, tests, documentation, reproduction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.audit.documents import MIN_WORDS, read_document
from mainspring.audit.evidence import RECENT, day, short
from mainspring.audit.finding import Observed, missing, present, stale
from mainspring.audit.notebook_to_production import unknown_to_tests
from mainspring.base.settings.checks import Baseline, MetricThreshold, NoRegression
from mainspring.reproducibility.reproduce import latest as latest_reproduction
from mainspring.versioning import data

if TYPE_CHECKING:
    from mainspring.audit.evidence import Evidence
    from mainspring.testing.suite import SuitePass

_OF_QUALITY = (MetricThreshold, NoRegression, Baseline)
LAYERS = ("unit", "integration", "model")
"""Layers of the testing pyramid that have to pass before production."""


def data_versioned(evidence: Evidence) -> Observed:
    """Every dataset on disk equals a recorded version, and the subject's run recorded which it read."""
    declared = evidence.settings.datasets
    if not declared:
        return missing("no dataset is declared in mainspring.yaml", fix="declare it under `datasets:`")
    found = [status for status in data.status(evidence.workspace) if status.dataset in declared]
    off = [status for status in found if status.state not in {"up to date", "modified"}]
    unseen = sorted(declared.keys() - {status.dataset for status in found})
    if off or unseen:
        said = [f"{status.dataset} is {status.state}" for status in off] + [
            f"{name} was never added" for name in unseen
        ]
        fix = (off[0].command or "mainspring data status") if off else f"mainspring data add {unseen[0]}"
        return missing("; ".join(said), fix=fix)
    read = evidence.inputs
    held = [versions[-1] for name in declared if (versions := data.log(evidence.workspace, name))]
    at = max((row.created_at for row in held), default=None)
    shown = ", ".join(f"{row.dataset} version {row.number} of {day(row.created_at)} ({short(row.md5)})" for row in held)
    contents = {(row.dataset, row.md5) for row in held} | {(row.dataset, row.md5) for row in read}
    if gone := sorted(f"{name} {short(md5)}" for name, md5 in contents if not evidence.has_object(md5)):
        lacking = f"{shown}; but the content of {', '.join(gone)} is not in the store"
        return missing(lacking, fix="mainspring data fetch --all-versions", at=at)
    if changed := [status for status in found if status.state == "modified"]:
        names = ", ".join(status.dataset for status in changed)
        fix = changed[0].command or "mainspring data status"
        return stale(f"{names} differs from the version that its pointer names; {shown}", fix=fix, at=at)
    if evidence.run is not None and not read:
        fix = "take datasets as parameters of the pipeline, or call run.log_input"
        return missing(
            f"{shown}; but run {short(evidence.run.id)} of {evidence.name} recorded no inputs", fix=fix, at=at
        )
    used = f"; run {short(evidence.run.id)} of {evidence.name} read {len(read)}" if evidence.run else ""
    return present(shown + used, at=at)


def experiments_tracked(evidence: Evidence) -> Observed:
    """The subject's run recorded params, metrics and a snapshot."""
    fix = "train with `mainspring run`, or inside `with mainspring.start_run():`"
    if evidence.run is None:
        why = "its model came without a run" if evidence.subject else "there is no model version yet"
        return missing(f"{evidence.name}: {why}", fix=fix)
    run = evidence.run
    logged = f"{len(run.params)} params, {len(run.metrics)} metrics"
    said = f"run {short(run.id)} of {evidence.name}, {day(run.started_at)}: {logged}"
    wanted = (
        ("params", run.params),
        ("metrics", run.metrics),
        ("a snapshot", run.snapshot_id),
        ("an end: it is " + run.status, run.status == "finished"),
    )
    lacks = [name for name, held in wanted if not held]
    if lacks:
        return missing(f"{said}; it lacks {', '.join(lacks)}", fix=fix, at=run.started_at)
    return present(f"{said}, snapshot {short(run.snapshot_id)}", at=run.started_at)


def model_registered(evidence: Evidence) -> Observed:
    """The subject is in the registry, and its artifact is there."""
    version = evidence.subject
    if version is None:
        return missing("no model version is registered", fix="mainspring run")
    said = (
        f"{evidence.name}, registered {day(version.created_at)} by {version.actor}, artifact {short(version.artifact)}"
    )
    if not evidence.has_object(version.artifact):
        return missing(
            f"{said}: the artifact's object is gone", fix="restore it, or run the pipeline again", at=version.created_at
        )
    return present(said, at=version.created_at)


def tests_pass(evidence: Evidence) -> Observed:
    """Every layer passed at the present commit or lately, the tests know the pipeline's code, and the subject's gate, which
    asked how well it predicts, passed without an override."""
    passes = {layer: evidence.suite_passes.get(layer) for layer in LAYERS}
    bad = [f"{layer}: {problem}" for layer, row in passes.items() if (problem := _suite_problem(row))]
    held = [row for row in passes.values() if row is not None]
    at = min((row.at for row in held), default=None)
    said = ", ".join(f"{row.layer} {row.passed} passed" for row in held)
    if bad:
        return missing("; ".join(bad), fix="pytest (in the project's folder)", at=at)
    if strange := unknown_to_tests(evidence):
        return missing(f"{said}; but no test imports {', '.join(strange)}", fix="write tests that import it", at=at)
    gate = _gate_problem(evidence)
    if gate:
        subject = evidence.subject.reference if evidence.subject else ""
        return missing(f"{said}; {gate}", fix=f"mainspring test {subject}".rstrip(), at=at)
    assert evidence.gate is not None
    old = [row.layer for row in held if row.commit != evidence.commit and evidence.at - row.at > RECENT]
    elsewhere = "" if held[0].commit == evidence.commit else f" (the present one is {short(evidence.commit)})"
    when = f"{said} at {day(at or 0)}, commit {short(held[0].commit)}{elsewhere}"
    said = f"{when}; gate {short(evidence.gate.id)} of {evidence.name} passed {day(evidence.gate.at)}"
    if old:
        return stale(f"{said}; {', '.join(old)} ran on another commit and over a week ago", fix="pytest", at=at)
    return present(said, at=at)


def _suite_problem(row: SuitePass | None) -> str | None:
    if row is None:
        return "no pass is recorded"
    if row.failed:
        return f"{row.failed} of {row.passed + row.failed} failed {day(row.at)}"
    return None if row.passed else f"nothing ran ({row.skipped} skipped) {day(row.at)}"


def _gate_problem(evidence: Evidence) -> str | None:
    if evidence.subject is None:
        return "no model version was judged"
    if evidence.gate is None:
        return f"no gate judged {evidence.name}"
    if evidence.gate.outcome != "pass":
        return (
            f"gate {short(evidence.gate.id)} of {evidence.name} came to {evidence.gate.outcome} {day(evidence.gate.at)}"
        )
    if not any(isinstance(check, _OF_QUALITY) for check in evidence.settings.checks):
        return f"gate {short(evidence.gate.id)} passed, and no check asks how well the model predicts"
    if evidence.release is not None and evidence.release.override:
        return f"{evidence.name} was released past its gate: {evidence.release.override!r}"
    return None


def documentation_complete(evidence: Evidence) -> Observed:
    """The files of ``documentation`` say something, each of them something else, and nothing is still to be written."""
    names = evidence.settings.documentation
    if not names:
        return missing("no documentation is named in mainspring.yaml", fix="name files under `documentation:`")
    problems, said, at = [], [], []
    told: dict[str, str] = {}
    for name in names:
        document = read_document(evidence.workspace.path(name))
        if document is None:
            problems.append(f"{name} is not there")
        elif document.placeholders:
            lines = ", ".join(str(line) for line in document.placeholders[:5])
            problems.append(f"{name} is still to be written (line {lines})")
        elif document.words < MIN_WORDS:
            problems.append(f"{name} says too little ({document.words} words)")
        elif document.empty:
            problems.append(f"{name} says nothing under '{document.empty[0]}'")
        elif document.prose in told:
            problems.append(f"{name} says what {told[document.prose]} says")
        else:
            told[document.prose] = name
            changed, how = evidence.changed(name)
            at.append(changed)
            said.append(f"{name} ({document.words} words, {how})")
    if problems:
        return missing(
            "; ".join(problems), fix="write what the model is for, what it must not be used for, and its limits"
        )
    return present(", ".join(said), at=min(at))


def reproducibility_verified(evidence: Evidence) -> Observed:
    """The subject was made again, at least to metrics within their intervals."""
    version = evidence.subject
    if version is None:
        return missing("there is no model version to make again", fix="mainspring run")
    fix = f"mainspring reproduce {version.reference}"
    found = latest_reproduction(evidence.workspace, version.model, version.version)
    if found is None:
        return missing(f"{evidence.name} was never made again", fix=fix)
    said = f"{evidence.name} was made again {day(found.at)} and reached level L{found.level} (reproduction {short(found.id)})"
    return present(said, at=found.at) if found.level >= 1 else missing(said, fix=fix, at=found.at)
