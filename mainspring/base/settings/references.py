"""Settings that name other settings: what they name has to be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.base.clock import milliseconds
from mainspring.base.errors import SettingsError, UsageError, did_you_mean
from mainspring.base.settings.explain import Step, locate
from mainspring.base.settings.monitors import Freshness, Validation
from mainspring.base.settings.triggers import AlertTrigger, DataTrigger, ScheduleTrigger

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mainspring.base.settings.schema import Settings


def check_references(settings: Settings, sources: list[Path]) -> None:
    """Check names that point elsewhere in the file, durations and cron expressions.

    Raises:
        SettingsError: naming the line.
    """
    for steps, what, name, known in _names(settings):
        if name not in known:
            hint = did_you_mean(name, known) or f"known {what}s: {', '.join(sorted(known)) or 'none'}"
            raise _error(steps, f"there is no {what} '{name}'", sources, hint)
    for steps, duration in _durations(settings):
        try:
            milliseconds(duration)
        except UsageError as error:
            raise _error(steps, error.message, sources, error.hint) from None
    for name, trigger in settings.triggers.items():
        if isinstance(trigger, ScheduleTrigger):
            _check_cron(["triggers", name, "cron"], trigger.cron, sources)
    for index, channel in enumerate(settings.channels):
        if channel.type == "webhook" and not channel.url:
            raise _error(["channels", index], "a webhook needs a 'url'", sources, "add a line `url: …`")
    if settings.pipeline and ":" not in settings.pipeline.entrypoint:
        hint = "write it as module:function, e.g. pipeline:train"
        raise _error(["pipeline", "entrypoint"], f"'{settings.pipeline.entrypoint}' names no function", sources, hint)


def _names(settings: Settings) -> Iterable[tuple[list[Step], str, str, Iterable[str]]]:
    for name, monitor in settings.monitors.items():
        if isinstance(monitor, Validation):
            yield ["monitors", name, "dataset"], "dataset", monitor.dataset, settings.datasets
    for name, trigger in settings.triggers.items():
        if isinstance(trigger, DataTrigger):
            yield ["triggers", name, "dataset"], "dataset", trigger.dataset, settings.datasets
        elif isinstance(trigger, AlertTrigger):
            for index, watched in enumerate(trigger.monitors):
                yield ["triggers", name, "monitors", index], "monitor", watched, settings.monitors
    for position, channel in enumerate(settings.channels):
        for index, watched in enumerate(channel.monitors):
            yield ["channels", position, "monitors", index], "monitor", watched, settings.monitors


def _durations(settings: Settings) -> Iterable[tuple[list[Step], str]]:
    for name, monitor in settings.monitors.items():
        yield ["monitors", name, "window"], monitor.window
        if isinstance(monitor, Freshness):
            yield ["monitors", name, "label_delay"], monitor.label_delay
    for name, trigger in settings.triggers.items():
        yield ["triggers", name, "cooldown"], trigger.cooldown
        yield ["triggers", name, "budget_period"], trigger.budget_period


def _check_cron(steps: list[Step], expression: str, sources: list[Path]) -> None:
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    try:
        CronSim(expression, datetime.now(UTC))
    except CronSimError as error:
        raise _error(steps, f"'{expression}' is not a cron expression: {error}", sources, "e.g. 0 3 * * 1") from None


def _error(steps: list[Step], said: str, sources: list[Path], hint: str | None) -> SettingsError:
    where, shown = locate(steps, sources)
    dotted = ".".join(str(step) for step in steps)
    return SettingsError(f"{where}: {dotted}: {said}{shown}", hint=hint, path=dotted, where=where)
