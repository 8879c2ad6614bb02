"""Settings that name other settings: what they name has to be there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mainspring.base.clock import milliseconds
from mainspring.base.errors import SettingsError, UsageError, did_you_mean
from mainspring.base.settings.metrics import named_metrics
from mainspring.base.settings.monitors import Freshness, Validation
from mainspring.base.settings.triggers import AlertTrigger, DataTrigger, ScheduleTrigger

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mainspring.base.settings.places import Step
    from mainspring.base.settings.schema import Settings


_VALIDATION = "validation:"
_FROM_OUTSIDE = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"
_MODEL = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"


def check_references(settings: Settings, sources: list[Path]) -> None:
    """Check names that point elsewhere in the file, durations and cron expressions.

    Raises:
        SettingsError: naming the line.
    """
    for steps, what, name, known in _names(settings):
        if name not in known:
            hint = _instead(settings, name) if steps[0] == "channels" else None
            hint = hint or did_you_mean(name, known) or f"known {what}s: {', '.join(sorted(known)) or 'none'}"
            raise _error(steps, f"there is no {what} '{name}'", sources, hint)
    for steps, name, known in named_metrics(settings):
        if name not in known:
            hint = f"{did_you_mean(name, known) or ''} known metrics: {', '.join(known)}".strip()
            raise _error(steps, f"there is no metric '{name}' here", sources, hint)
    if settings.model is not None and re.fullmatch(_MODEL, settings.model.name) is None:
        hint = "use letters, digits, dots, dashes and underscores, beginning and ending with a letter or digit"
        raise _error(["model", "name"], f"'{settings.model.name}' is no name for a model", sources, hint)
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
    defaults = [name for name, remote in settings.remotes.items() if remote.default]
    if len(defaults) > 1:
        raise _error(
            ["remotes", defaults[1], "default"], f"'{defaults[0]}' is the default already", sources, "keep one"
        )
    if settings.pipeline and ":" not in settings.pipeline.entrypoint:
        hint = "write it as module:function, e.g. pipeline:train"
        raise _error(["pipeline", "entrypoint"], f"'{settings.pipeline.entrypoint}' names no function", sources, hint)


def check_secrets(tree: dict[str, Any], sources: list[Path]) -> None:
    """Check that credentials are not written in the file, which git holds, before variables are filled in.

    Raises:
        SettingsError: naming the line; the credential is not shown.
    """
    remotes = tree.get("remotes")
    for name, remote in remotes.items() if isinstance(remotes, dict) else ():
        written = remote.get("credentials") if isinstance(remote, dict) else None
        for key, value in written.items() if isinstance(written, dict) else ():
            if re.fullmatch(_FROM_OUTSIDE, str(value)) is None:
                from mainspring.base.settings.places import locate  # with YAML's reader

                place, _ = locate(["remotes", str(name), "credentials", str(key)], sources)
                raise SettingsError(
                    f"{place}: remotes.{name}.credentials.{key}: a credential stands in the file",
                    hint=f"export it as a variable and write `{key}: ${{VARIABLE}}`; if git has it, replace the credential",
                )


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
    validated = _validated(settings)
    told = [*settings.monitors, *(f"{_VALIDATION}{name}" for name, monitor in validated.items() if monitor is None)]
    for position, channel in enumerate(settings.channels):
        for index, watched in enumerate(channel.monitors):
            yield ["channels", position, "monitors", index], "monitor", watched, told


def _validated(settings: Settings) -> dict[str, str | None]:
    """Return the datasets that have a suite, each with the monitor that is declared for it; without one, the alert of its
    failures is called ``validation:NAME``."""
    monitors = reversed(settings.monitors.items())  # of several the first gives the name
    declared = {each.dataset: name for name, each in monitors if isinstance(each, Validation)}
    return {name: declared.get(name) for name, dataset in settings.datasets.items() if dataset.suite is not None}


def _instead(settings: Settings, name: str) -> str | None:
    """Say what to write instead of a validation that no alert is called after."""
    dataset = name.removeprefix(_VALIDATION)
    if dataset == name or dataset not in settings.datasets:
        return None
    monitor = _validated(settings).get(dataset)
    if monitor is None:
        return f"the dataset '{dataset}' has no suite, so nothing validates it: name one with `suite:`"
    return f"the validation of '{dataset}' is the monitor '{monitor}': write that"


def _durations(settings: Settings) -> Iterable[tuple[list[Step], str]]:
    if settings.release.canary is not None:
        yield ["release", "canary", "patience"], settings.release.canary.patience
    yield ["serving", "timeout"], settings.serving.timeout
    for name, remote in settings.remotes.items():
        yield ["remotes", name, "timeout"], remote.timeout
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
    from mainspring.base.settings.places import locate  # with YAML's reader

    where, shown = locate(steps, sources)
    dotted = ".".join(str(step) for step in steps)
    return SettingsError(f"{where}: {dotted}: {said}{shown}", hint=hint, path=dotted, where=where)
