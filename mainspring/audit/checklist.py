"""The seventeen items of the checklist, and how each looks for its evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from mainspring.audit import post_production, pre_production, production
from mainspring.audit.finding import Item, Observed, Phase, missing
from mainspring.base.clock import iso
from mainspring.base.errors import MainspringError

if TYPE_CHECKING:
    from mainspring.audit.evidence import Evidence

Look = Callable[["Evidence"], Observed]


class Question(NamedTuple):
    """An item before it was looked at."""

    id: str
    phase: Phase
    title: str
    look: Look


QUESTIONS = (
    Question("data-versioned", "pre-production", "Data versioned", pre_production.data_versioned),
    Question("experiments-tracked", "pre-production", "Experiments tracked", pre_production.experiments_tracked),
    Question("model-registered", "pre-production", "Model registered with version", pre_production.model_registered),
    Question("tests-pass", "pre-production", "Tests pass (unit, integration, model)", pre_production.tests_pass),
    Question(
        "documentation-complete", "pre-production", "Documentation complete", pre_production.documentation_complete
    ),
    Question(
        "reproducibility-verified",
        "pre-production",
        "Reproducibility verified",
        pre_production.reproducibility_verified,
    ),
    Question("ci-cd-configured", "production", "CI/CD pipeline configured", production.ci_configured),
    Question("dashboards-live", "production", "Monitoring dashboards live", production.dashboards_live),
    Question("alerts-configured", "production", "Alerts configured", production.alerts_configured),
    Question("rollback-documented", "production", "Rollback procedure documented", production.rollback_documented),
    Question("ab-or-shadow-ready", "production", "A/B testing or shadow mode ready", production.shadow_or_canary_ready),
    Question("data-validation", "production", "Data validation in pipeline", production.data_validated),
    Question("drift-monitoring", "post-production", "Drift monitoring active", post_production.drift_watched),
    Question(
        "retraining-triggers", "post-production", "Retraining triggers defined", post_production.retraining_triggered
    ),
    Question(
        "performance-baselines",
        "post-production",
        "Performance baselines established",
        post_production.baselines_established,
    ),
    Question("feedback-loop", "post-production", "Feedback loop implemented", post_production.feedback_joined),
    Question("incident-runbooks", "post-production", "Incident runbooks ready", post_production.runbooks_ready),
)


def examine(evidence: Evidence) -> list[Item]:
    """Look at every item; one that cannot be looked at is missing, and says why."""
    return [_item(question, _look(question, evidence)) for question in QUESTIONS]


def _look(question: Question, evidence: Evidence) -> Observed:
    try:
        return question.look(evidence)
    except MainspringError as error:
        return missing(f"it could not be looked at: {error.message}", fix=error.hint or "repair it, then audit again")


def _item(question: Question, found: Observed) -> Item:
    return Item(
        id=question.id,
        phase=question.phase,
        title=question.title,
        status=found.status,
        evidence=found.evidence,
        observed_at=None if found.at is None else iso(found.at),
        fix=found.fix,
    )
