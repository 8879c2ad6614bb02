"""What may start a pipeline (``type`` says which)."""

# without annotations from the future, which msgspec would have to compile at every start

from typing import Annotated

from msgspec import Meta, Struct


class TriggerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What every trigger may say."""

    cooldown: str = "0s"
    """After an execution that it started, how long it stays quiet."""
    budget: Annotated[int, Meta(ge=1)] = 10
    """How many executions it may start in ``budget_period``."""
    budget_period: str = "1d"


class ScheduleTrigger(TriggerSettings, tag="schedule", frozen=True, kw_only=True):
    """At the times a cron expression names (UTC)."""

    cron: str


class DataTrigger(TriggerSettings, tag="data", frozen=True, kw_only=True):
    """When a dataset has a new version."""

    dataset: str


class AlertTrigger(TriggerSettings, tag="alert", frozen=True, kw_only=True):
    """When one of the named monitors fires: drift, or a metric that dropped."""

    monitors: list[str]


class CommitTrigger(TriggerSettings, tag="commit", frozen=True, kw_only=True):
    """When a branch has a new commit."""

    branch: str = "main"


Trigger = ScheduleTrigger | DataTrigger | AlertTrigger | CommitTrigger
