"""The checklist after production: drift, retraining, baselines, feedback, runbooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from mainspring.audit.documents import (
    MIN_SECTION_WORDS,
    count_words,
    has_placeholder,
    read_document,
    simplify,
    words_of,
)
from mainspring.audit.evidence import day, short
from mainspring.audit.finding import Observed, missing, present, stale
from mainspring.base.settings.monitors import DataDrift, LabelDrift, Performance, PredictionDrift
from mainspring.measures.intervals import wilson

if TYPE_CHECKING:
    from mainspring.audit.evidence import Evidence

DRIFT = (DataDrift, PredictionDrift, LabelDrift)
_HISTORY = 1000
_DECIDED = frozenset({"ok", "firing"})


def drift_watched(evidence: Evidence) -> Observed:
    """Drift monitors looked at real traffic lately, and had enough of it to decide."""
    names = [name for name, monitor in evidence.settings.monitors.items() if isinstance(monitor, DRIFT)]
    if not names:
        return missing("no drift monitor is declared", fix="declare `{type: data_drift}` under `monitors:`")
    seen = [evidence.observations[name] for name in names if name in evidence.observations]
    fix = "serve predictions, and let `mainspring up` or `mainspring watch --once` look"
    if not seen:
        return missing(f"{', '.join(names)}: never looked", fix=fix)
    at = max(row.at for row in seen)
    said = ", ".join(f"{row.monitor} {row.status} (n={row.n})" for row in seen)
    if not any(row.status in _DECIDED for row in seen):
        decided = [(name, count) for name in names if (count := _decided(evidence, name))]
        if not decided:
            return missing(f"{said}, {day(at)}: none ever had enough to decide", fix=fix, at=at)
        earlier = ", ".join(f"{name} decided {count} times before" for name, count in decided)
        return stale(f"{said}, {day(at)}; {earlier}", fix=fix, at=at)
    at = max(row.at for row in seen if row.status in _DECIDED)
    said = f"{said}, decided {day(at)}"
    return present(said, at=at) if evidence.is_recent(at) else stale(said, fix=fix, at=at)


def _decided(evidence: Evidence, monitor: str) -> int:
    return sum(seen.status in _DECIDED for seen in evidence.looks(monitor, limit=_HISTORY))


def retraining_triggered(evidence: Evidence) -> Observed:
    """Triggers are declared, and one of them asked for an execution: more than a first look, which only counts from there."""
    triggers = evidence.settings.triggers
    if not triggers:
        return missing("no trigger is declared", fix="declare some under `triggers:` in mainspring.yaml")
    declared = ", ".join(f"{name} ({trigger.__struct_config__.tag})" for name, trigger in triggers.items())
    events = [event for event in evidence.events if event.trigger in triggers]
    if not events:
        return missing(f"{declared}; none has ever made an event", fix="keep `mainspring up` running")
    asked = [event for event in events if event.execution_id is not None or event.status != "done"]
    if not asked:
        return missing(
            f"{declared}; {len(events)} events, of which none asked for anything yet",
            fix="keep `mainspring up` running",
        )
    last = max(asked, key=lambda row: row.at)
    return present(
        f"{declared}; newest event {short(last.id)}: {last.trigger} {last.status} {day(last.at)}", at=last.at
    )


def baselines_established(evidence: Evidence) -> Observed:
    """The version in production has holdout metrics with intervals, and its holdout is kept."""
    version = evidence.production
    if version is None:
        return missing("no version is in production", fix="mainspring deploy MODEL@VERSION")
    known = version.metrics.items()
    with_interval = {name: value for name, value in known if isinstance(value, dict) and value.get("low") is not None}
    fix = "make candidates in a pipeline, or register with `--target COLUMN --holdout FILE`"
    if not with_interval:
        return missing(f"{evidence.name} has no metric with an interval", fix=fix, at=version.created_at)
    shown = ", ".join(f"{name} {_interval(value)}" for name, value in list(with_interval.items())[:4])
    if version.evidence is None or not evidence.has_object(version.evidence):
        return missing(f"{evidence.name}: {shown}; its holdout is not kept", fix=fix, at=version.created_at)
    return present(f"{evidence.name}: {shown}; holdout {short(version.evidence)}", at=version.created_at)


def _interval(value: dict[str, Any]) -> str:
    return f"{value['value']:.4g} [{value['low']:.4g}, {value['high']:.4g}] n={value.get('n')}"


def feedback_joined(evidence: Evidence) -> Observed:
    """Labels arrive for predictions of the endpoint, and were enough for a monitor of performance to decide."""
    fix = "post the truth to /labels under its prediction_id"
    made = len(evidence.traffic)
    if not made:
        return missing("the endpoint has answered nothing yet", fix="mainspring serve")
    labelled = evidence.traffic.filter("labelled")
    if labelled.is_empty():
        return missing(f"{made} predictions, and no label has arrived", fix=fix)
    share = wilson(len(labelled), made)
    at = int(labelled.select(pl.col("at").max()).item())
    coverage = f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}]"
    said = f"{len(labelled)} of {made} predictions have a label: {coverage}; the newest of them was made {day(at)}"
    users = [name for name, monitor in evidence.settings.monitors.items() if isinstance(monitor, Performance)]
    if not users:
        return missing(f"{said}; but no performance monitor uses them", fix="declare `{type: performance, …}`", at=at)
    used = [seen for name in users for seen in evidence.looks(name, limit=_HISTORY) if seen.status in _DECIDED]
    if not used:
        return missing(f"{said}; but {', '.join(users)} never had enough of them to decide", fix=fix, at=at)
    last = max(used, key=lambda seen: seen.at)
    return present(f"{said}; {last.monitor} used {last.n} of them {day(last.at)}: {last.status}", at=at)


def runbooks_ready(evidence: Evidence) -> Observed:
    """The runbook says of every monitor what to do when it fires, and not the same of all."""
    name = evidence.settings.runbook
    monitors = evidence.settings.monitors
    document = read_document(evidence.workspace.path(name))
    if document is None:
        return missing(f"{name} is not there", fix=f"write {name} with a section for each monitor")
    if not monitors:
        return missing("there is no monitor to have a runbook for", fix="declare some under `monitors:`")
    problems = []
    told: dict[tuple[str, ...], str] = {}
    for monitor in monitors:
        own = f" {simplify(monitor)} "
        bodies = [body for heading, body in document.sections.items() if own in f" {heading} "]
        if not bodies:
            problems.append(f"no section for {monitor}")
        elif all(has_placeholder(body) or count_words(body) < MIN_SECTION_WORDS for body in bodies):
            problems.append(f"the section for {monitor} is still to be written")
        elif (words := tuple(words_of("\n".join(bodies)))) in told:
            problems.append(f"the section for {monitor} says what that for {told[words]} says")
        else:
            told[words] = monitor
    changed, how = evidence.changed(name)
    if problems:
        return missing(f"{name}: {'; '.join(problems)}", fix=f"write these sections into {name}", at=changed)
    return present(f"{name} covers {', '.join(monitors)}, {how}", at=changed)
