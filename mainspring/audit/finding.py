"""What the audit says: items of the checklist and findings, with the rules they come from."""

from __future__ import annotations

from typing import Literal

import msgspec

Phase = Literal["pre-production", "production", "post-production"]
Status = Literal["present", "missing", "stale"]
Severity = Literal["error", "warning", "note"]

NOTEBOOK_TO_PRODUCTION = "notebook-to-production"
NO_VERSIONING = "no-versioning"
MANUAL_DEPLOYMENT = "manual-deployment"
NO_MONITORING = "no-monitoring"
TRAINING_SERVING_SKEW = "training-serving-skew"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """An anti-pattern: what it is called, why it hurts, what to do instead."""

    id: str
    title: str
    problem: str
    solution: str


RULES = {
    rule.id: rule
    for rule in (
        Rule(
            id=NOTEBOOK_TO_PRODUCTION,
            title="Notebook to production",
            problem="Code that lives in a notebook cannot be tested, and running it again gives something else.",
            solution="Refactor it into modules, and test them.",
        ),
        Rule(
            id=NO_VERSIONING,
            title="No versioning",
            problem="What was not versioned cannot be rolled back to or made again.",
            solution="Version code, data, models, settings and environment.",
        ),
        Rule(
            id=MANUAL_DEPLOYMENT,
            title="Manual deployment",
            problem="A release by hand skips what the gate would have said.",
            solution="Let the gate and the release policy deploy.",
        ),
        Rule(
            id=NO_MONITORING,
            title="No monitoring",
            problem="Nobody sees a model that fails silently.",
            solution="Watch inputs, predictions, labels and the service, and send alerts to somebody.",
        ),
        Rule(
            id=TRAINING_SERVING_SKEW,
            title="Training-serving skew",
            problem="The endpoint answers something else than the model that was judged.",
            solution="Ship preprocessing inside of the model, and replay the holdout through the endpoint.",
        ),
    )
}


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a file of the project; ``path`` is relative to the workspace, ``line`` starts at 1."""

    path: str
    line: int | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an anti-pattern left behind, with what shows it and what to do."""

    rule: str
    severity: Severity
    title: str
    evidence: str
    fix: str
    location: Location | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An item of the checklist: ``evidence`` says what was seen, with ids and dates; ``observed_at`` when that was."""

    id: str
    phase: Phase
    title: str
    status: Status
    evidence: str
    observed_at: str | None = None
    fix: str | None = None


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What looking for one item's evidence gave; ``at`` in milliseconds UTC."""

    status: Status
    evidence: str
    at: int | None = None
    fix: str | None = None


def present(evidence: str, *, at: int | None = None) -> Observed:
    """The evidence is there."""
    return Observed(status="present", evidence=evidence, at=at)


def missing(evidence: str, *, fix: str, at: int | None = None) -> Observed:
    """There is none, or what there is says no."""
    return Observed(status="missing", evidence=evidence, at=at, fix=fix)


def stale(evidence: str, *, fix: str, at: int | None = None) -> Observed:
    """There was some, and it no longer speaks for the present."""
    return Observed(status="stale", evidence=evidence, at=at, fix=fix)
